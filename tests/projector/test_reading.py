"""A schema that is not there yet is waited for; what cannot be read at all is told apart."""

import uuid
from pathlib import Path

import pytest
from msgspec import Struct, structs

from headrace.app import shop
from headrace.avro.codec import Codec, Undecodable, UnknownSchema
from headrace.kernel.message import CommandMeta, EventMeta, Outcome, Writer
from headrace.orders.commands import PayOrder
from headrace.orders.decider import Order
from headrace.orders.events import OrderPaid
from headrace.projector.kind import decode_outcome
from headrace.projector.reading import RecordReader, key_of, newest_command, told
from headrace.settings import Settings
from messages import SCHEMAS, shipped_codec

META = EventMeta(2, "e", "o-1", 1, "c", 1, "c", "c", None, Writer("test", 0))
PAID = shipped_codec().encode(OrderPaid("p", 1, "GBP"), META, Order())
UNKNOWN = b"\0\0\0\0\7" + PAID[5:]


class Consumed(Struct):
    """A record as read from a topic."""

    frame: bytes | None
    name: bytes | None = b"o-1"

    def topic(self) -> str:
        return "orders.events"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 0

    def timestamp(self) -> tuple[int, int]:
        return 2, 1

    def key(self) -> bytes | None:
        return self.name

    def value(self) -> bytes | None:
        return self.frame

    def headers(self) -> None:
        return None

    def error(self) -> None:
        return None


def reader(folder: Path, patience_s: float = 20, **more: object) -> RecordReader:
    return RecordReader(shop, Settings(HEADRACE_SCHEMAS=folder), patience_s=patience_s, **more)  # type: ignore[arg-type]


def test_events_are_read_and_tombstones_left_out() -> None:
    pairs, unreadable = reader(SCHEMAS).read([Consumed(PAID), Consumed(None)])
    assert [decoded.body for _, decoded in pairs] == [OrderPaid("p", 1, "GBP")]
    assert unreadable == []


def test_a_state_is_read_when_it_is_asked_for_and_looked_through_at_once_where_all_is_to_be_right() -> None:
    broken = Consumed(PAID + b"\0")
    [(_, decoded)], _ = reader(SCHEMAS).read([broken])
    with pytest.raises(Undecodable, match="1 bytes too many"):
        decoded.state.value()
    pairs, [(record, error)] = reader(SCHEMAS, decode=Codec.check_event).read([Consumed(PAID), broken])
    assert [decoded.meta for _, decoded in pairs] == [META]
    assert record is broken
    assert str(error) == "1 bytes too many for a OrderPaid"


def test_an_audit_reads_outcomes_and_nothing_else() -> None:
    outcome = Outcome(
        command_id="c", occurred_at=1, aggregate_id="o", command_type="PayOrder", command_offset=2, body_hash=b"",
        result="refused", version=0, events=0, correlation_id="c", causation_id="c",
    )  # fmt: skip
    records = [Consumed(shipped_codec().encode(outcome)), Consumed(PAID)]
    [(_, decoded)], [(_, error)] = reader(SCHEMAS, decode=decode_outcome).read(records)
    assert (decoded.body, told(decoded)) == (outcome, outcome)
    assert str(error) == "a OrderPaid is no outcome"


def test_what_is_no_event_is_told_apart_with_the_reason() -> None:
    command = shipped_codec().encode(
        PayOrder("p", 1, "GBP"), CommandMeta(command_id=str(uuid.uuid4()), aggregate_id="o")
    )
    pairs, unreadable = reader(SCHEMAS, 0).read([Consumed(b"{}"), Consumed(PAID), Consumed(command), Consumed(UNKNOWN)])
    assert len(pairs) == 1
    said = [str(error) for _, error in unreadable]
    assert said[0].startswith("not in Confluent framing")
    assert said[1] == "a PayOrder is no event"
    assert said[2].startswith("schema id 7 is not in the lock file: if a newer version of the app wrote it")


def test_a_schema_that_comes_within_the_patience_is_used(tmp_path: Path) -> None:
    """The reader asks before each wait whether it is to stop: that is when the deploy arrives."""
    lock = tmp_path / "ids.json"
    text = (SCHEMAS / "ids.json").read_text()
    number = int.from_bytes(PAID[1:5], "big")
    lock.write_text(text.replace(f'"id": {number},', '"id": 8,'))
    assert lock.read_text() != text
    asked: list[int] = []

    def deploy() -> bool:
        asked.append(1)
        if len(asked) == 2:
            lock.write_text(text)
        return False

    pairs, unreadable = reader(tmp_path, is_stopping=deploy).read([Consumed(PAID)])
    assert (len(pairs), unreadable) == (1, [])
    assert len(asked) == 2


def test_a_schema_is_waited_for_once() -> None:
    asked: list[int] = []

    def count() -> bool:
        asked.append(1)
        return False

    patient = reader(SCHEMAS, 0, is_stopping=count)
    for _ in range(3):
        [(_, error)] = patient.read([Consumed(UNKNOWN)])[1]
        assert isinstance(error, UnknownSchema)
    assert len(asked) == 1


@pytest.mark.parametrize(("key", "name"), [(b"o-1", "o-1"), (None, ""), (b"\xff\0", "\\xff\\0")])
def test_a_foreign_key_becomes_text_that_postgres_can_hold(key: bytes | None, name: str) -> None:
    assert key_of(Consumed(None, key)) == name


def test_the_newest_command_of_some_records_need_not_be_the_last_ones() -> None:
    frames = [
        shipped_codec().encode(OrderPaid("p", 1, "GBP"), structs.replace(META, command_offset=offset), Order())
        for offset in (4, 9, 2)
    ]
    pairs, _ = reader(SCHEMAS).read([Consumed(frame) for frame in frames])
    assert (newest_command(pairs), newest_command([])) == (9, -1)
