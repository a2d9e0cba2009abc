"""What is written is what is read, by this codec and by any other that has the contract."""

from datetime import date
from functools import partial
from io import BytesIO
from typing import Any

import msgspec
import pytest
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from hypothesis import given
from hypothesis import strategies as st

from headrace.avro.codec import PREFIX_LENGTH, Codec, Undecodable, Unencodable, peek_outcome, peek_version
from headrace.avro.contract import Contract
from headrace.avro.forms import digest_of
from headrace.avro.functions import COMPILED, Functions
from headrace.avro.schema import Schema
from headrace.kernel.message import CommandMeta, EventMeta, Outcome, Writer
from headrace.orders.commands import CancelOrder, CreateOrder, PayOrder
from headrace.orders.decider import Order
from headrace.orders.events import Line, OrderPaid
from messages import commands, messages, outcomes, records, shipped_catalogue

META = CommandMeta(command_id="c", aggregate_id="o-1")
EVENT_META = EventMeta(1, "orders/o-1/1", "o-1", 0, "c", 0, "c", "c", None, Writer("test", 0))
Record = tuple[Any, Any, Any]


def framed(contract: Contract, body: bytes) -> bytes:
    return b"\0" + contract.id.to_bytes(4, "big") + body


def whole(contract: Contract) -> Schema:
    """The composed schema as any Avro library would take it, times left as numbers."""
    return parse_schema(without_times(contract.schema))


def without_times(schema: Schema) -> Schema:
    if isinstance(schema, list):
        return [without_times(branch) for branch in schema]
    if isinstance(schema, dict):
        times = schema.get("logicalType", "").startswith("timestamp")
        return {key: without_times(value) for key, value in schema.items() if not (times and key == "logicalType")}
    return schema


def as_fields(body: Any, meta: Any, state: Any) -> dict[str, Any]:
    """One flat record, as the contract composes it."""
    fields: dict[str, Any] = msgspec.to_builtins(body, builtin_types=(bytes, date))
    for name, piece in (("meta", meta), ("state", state)):
        if piece is not None:
            fields[name] = msgspec.to_builtins(piece, builtin_types=(bytes, date))
    return fields


@given(records())
def test_every_record_is_read_as_it_was_written(codec: Codec, record: Record) -> None:
    body, meta, state = record
    decoded = codec.decode(codec.encode(body, meta, state))
    assert (decoded.body, decoded.meta, decoded.state) == (body, meta, state)


@given(records())
def test_the_composed_schema_explains_the_same_bytes(codec: Codec, record: Record) -> None:
    body, meta, state = record
    frame = codec.encode(body, meta, state)
    contract = shipped_catalogue().by_id[int.from_bytes(frame[1:PREFIX_LENGTH], "big")]
    source = BytesIO(frame[PREFIX_LENGTH:])
    assert schemaless_reader(source, whole(contract), None) == as_fields(body, meta, state)
    assert source.read() == b""


@given(records())
def test_what_another_library_writes_by_the_composed_schema_is_read(codec: Codec, record: Record) -> None:
    body, meta, state = record
    names = {contract.name: contract for contract in shipped_catalogue().contracts}
    contract = names[type(body).__name__]
    target = BytesIO()
    schemaless_writer(target, whole(contract), as_fields(body, meta, state))
    decoded = codec.decode(framed(contract, target.getvalue()))
    assert (decoded.contract, decoded.body, decoded.meta, decoded.state) == (contract, body, meta, state)


@given(messages(EventMeta), messages(OrderPaid), messages(Order))
def test_the_version_can_be_peeked(codec: Codec, meta: EventMeta, event: OrderPaid, state: Order) -> None:
    frame = codec.encode(event, meta, state)
    assert peek_version(frame) == meta.version == codec.decode(frame).meta.version


@given(messages(EventMeta), messages(OrderPaid), messages(Order))
def test_the_state_of_an_event_is_read_when_it_is_asked_for(
    codec: Codec, meta: EventMeta, event: OrderPaid, state: Order
) -> None:
    frame = codec.encode(event, meta, state)
    early = codec.decode_event(frame)
    assert (early.meta, early.body) == (meta, event)
    assert early.state.value() == state
    assert early.state.value() is early.state.value()


def test_a_state_that_is_broken_is_refused_when_it_is_asked_for(codec: Codec) -> None:
    frame = codec.encode(OrderPaid("p", 1, "GBP"), EVENT_META, Order())
    for broken, why in ((frame[:-1], "not a OrderPaid"), (frame + b"\0", "1 bytes too many")):
        early = codec.decode_event(broken)
        assert early.body == OrderPaid("p", 1, "GBP")
        with pytest.raises(Undecodable, match=why):
            early.state.value()


@given(records(), st.data())
def test_an_event_is_looked_through_as_strictly_as_it_is_decoded(
    codec: Codec, record: Record, data: st.DataObject
) -> None:
    frame = codec.encode(*record)
    place = data.draw(st.integers(0, len(frame)))
    for given_frame in (frame, frame[:place] + data.draw(st.binary(max_size=3)) + frame[place + 1 :]):
        ends = []
        for look in (codec.check_event, partial(codec.decode_event, whole=True)):
            try:
                found = look(given_frame)
            except Undecodable as error:
                ends.append(str(error))
            else:
                ends.append((found.contract.name, repr(found.meta)))
        assert ends[0] == ends[1]


def test_what_is_looked_through_is_not_made(by: Functions, codec: Codec) -> None:
    found = codec.check_event(codec.encode(OrderPaid("p", 1, "GBP"), EVENT_META, Order()))
    assert found.meta == EVENT_META
    assert (found.body is None, found.state is None) == ((True, True) if by is COMPILED else (False, False))


def test_what_is_no_event_is_not_read_as_one(codec: Codec) -> None:
    with pytest.raises(Undecodable, match="a PayOrder is no event"):
        codec.decode_event(codec.encode(PayOrder("p", 1, "GBP"), META))


@given(outcomes())
def test_the_command_and_the_time_of_an_outcome_can_be_peeked(codec: Codec, outcome: Outcome) -> None:
    frame = codec.encode(outcome)
    assert peek_outcome(frame) == (outcome.command_id, outcome.occurred_at)
    assert codec.decode(frame).body == outcome


@pytest.mark.parametrize("frame", [b"", b"\0abcd", b"\0abcd" + b"\xff" * 12, b"\0abcd\xff"])
def test_what_has_no_first_number_cannot_be_peeked(frame: bytes) -> None:
    with pytest.raises(Undecodable, match="ends in the middle of a number"):
        peek_version(frame)


@given(commands(), messages(CommandMeta))
def test_a_resend_with_another_meta_has_the_same_hash(
    codec: Codec, command: tuple[Any, CommandMeta], other: CommandMeta
) -> None:
    body, meta = command
    hashes = {codec.decode(codec.encode(body, each)).body_hash for each in (meta, other)}
    assert len(hashes) == 1
    assert len(hashes.pop()) == 16


@given(st.lists(commands(), min_size=2, max_size=4, unique_by=lambda command: (type(command[0]), repr(command[0]))))
def test_another_body_has_another_hash(codec: Codec, several: list[tuple[Any, CommandMeta]]) -> None:
    hashes = {codec.decode(codec.encode(body, META)).body_hash for body, _ in several}
    assert len(hashes) == len(several)


def test_the_same_fields_in_another_type_have_another_hash() -> None:
    found = set()
    for name in ["CancelSubscriptionNow", "CancelSubscriptionLater", "CancelSubscription", "C"]:
        for body in (b"", b"L", b"ater"):
            digest = digest_of(name)
            digest.update(body)
            found.add(digest.digest())
    assert len(found) == 12


def test_events_and_outcomes_have_no_hash(codec: Codec) -> None:
    outcome = Outcome(
        command_id="c",
        occurred_at=1,
        aggregate_id="o-1",
        command_type="PayOrder",
        command_offset=0,
        body_hash=b"h",
        result="accepted",
        version=1,
        events=1,
        correlation_id="c",
        causation_id="c",
    )
    assert codec.decode(codec.encode(outcome)).body_hash == b""


@pytest.mark.parametrize("day", [date.min, date(1969, 12, 31), date(1970, 1, 1), date.max], ids=str)
def test_dates_go_back_before_1970_and_as_far_as_a_calendar_does(codec: Codec, day: date) -> None:
    command = CreateOrder(lines=[], currency="GBP", customer=None, business_date=day)
    assert codec.decode(codec.encode(command, META)).body == command


@pytest.mark.parametrize("number", [-(2**63), -1, 0, 2**53, 2**63 - 1])
def test_numbers_have_64_bits(codec: Codec, number: int) -> None:
    command = PayOrder("p", number, "GBP")
    assert codec.decode(codec.encode(command, META)).body == command


@pytest.mark.parametrize(
    "body",
    [PayOrder("p", 2**63, "GBP"), PayOrder("p", "1", "GBP"), PayOrder(None, 1, "GBP"), CancelOrder("\ud800")],  # type: ignore[arg-type]
    ids=["65 bits", "text for a number", "nothing for a text", "half a surrogate pair"],
)
def test_what_the_schema_cannot_hold_is_not_written(codec: Codec, body: Any) -> None:
    with pytest.raises(Unencodable, match=f"this {type(body).__name__} does not fit its schema"):
        codec.encode(body, META)


@pytest.mark.parametrize("meta_and_state", [(None, Order()), (EVENT_META, None)], ids=["meta", "state"])
def test_an_event_is_not_written_without_its_meta_or_its_state(codec: Codec, meta_and_state: tuple[Any, Any]) -> None:
    with pytest.raises(Unencodable, match="NoneType"):
        codec.encode(OrderPaid("p", 1, "GBP"), *meta_and_state)


def test_messages_are_written_under_the_names_of_their_classes(codec: Codec) -> None:
    assert codec.name_of(PayOrder) == "PayOrder"
    assert codec.name_of(Outcome) == "Outcome"


def test_a_line_of_an_order_is_no_message(codec: Codec) -> None:
    with pytest.raises(KeyError):
        codec.encode(Line("a", "", 1, 1), META)
