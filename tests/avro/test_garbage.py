"""Bytes that are no record: refused by name, whatever they are, and by nothing worse than a refusal."""

import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Struct, defstruct

from headrace.avro.codec import (
    MAX_META_BYTES,
    MAX_RECORD_BYTES,
    PREFIX_LENGTH,
    Codec,
    Decoded,
    Undecodable,
    UnknownSchema,
)
from headrace.avro.contract import Catalogue
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.app import App
from headrace.kernel.message import CommandMeta
from headrace.orders.commands import CancelOrder, CreateOrder, DeliverOrder, PayOrder
from messages import messages, records, shipped_catalogue
from parts import field, locked, write_part

META = CommandMeta(command_id="c", aggregate_id="o-1")
BARE_META = b"\x02c\x06o-1" + b"\0" * 5
Record = tuple[Any, Any, Any]


def number(value: int) -> bytes:
    """Avro's long."""
    rest = (value << 1) ^ (value >> 63)
    groups = [rest >> shift & 0x7F for shift in range(0, max(rest.bit_length(), 1), 7)]
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


def text(value: str) -> bytes:
    return number(len(value.encode())) + value.encode()


def command(kind: type, body: bytes, meta: bytes = BARE_META) -> bytes:
    """A command record written by hand."""
    contract = shipped_catalogue().newest["orders", kind.__name__]
    return b"\0" + contract.id.to_bytes(4, "big") + meta + body


def refused(codec: Codec, frame: bytes | None) -> str:
    with pytest.raises(Undecodable) as caught:
        codec.decode(frame)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def read_or_refused(codec: Codec, frame: bytes) -> Decoded | None:
    """Any other end fails the test."""
    try:
        return codec.decode(frame)
    except Undecodable:
        return None


def test_hand_written_commands_are_commands(codec: Codec) -> None:
    assert codec.decode(command(PayOrder, text("p") + number(-1) + text("GBP"))).body == PayOrder("p", -1, "GBP")
    assert codec.decode(command(DeliverOrder, b"")).meta == META


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (None, "no value"),
        (b"", "not in Confluent framing"),
        (b"\0", "not in Confluent framing"),
        (b"\0\0\0\0", "not in Confluent framing"),
        (b"\x01abcd", "not in Confluent framing"),
        (b'{"type": "PayOrder"}', "not in Confluent framing"),
        (b"Obj\x01" + b"\0" * 40, "not in Confluent framing"),
        (bytes(MAX_RECORD_BYTES + 1), "1000001 bytes, more than the 1000000"),
    ],
    ids=["null", "empty", "magic alone", "half an id", "other magic", "JSON", "an Avro file", "oversized"],
)
def test_what_is_not_framed_is_refused(codec: Codec, frame: bytes | None, why: str) -> None:
    assert why in refused(codec, frame)


def test_an_unknown_schema_id_is_refused_by_a_name_of_its_own(codec: Codec) -> None:
    with pytest.raises(UnknownSchema, match="schema id 1 is not in the lock file"):
        codec.decode(b"\0\0\0\0\x01\x02")


@given(records())
def test_a_record_cut_short_anywhere_is_refused(codec: Codec, record: Record) -> None:
    frame = codec.encode(*record)
    for length in range(len(frame)):
        refused(codec, frame[:length])


@given(records(), st.binary(min_size=1, max_size=8))
def test_a_record_with_bytes_to_spare_is_refused(codec: Codec, record: Record, spare: bytes) -> None:
    assert f"{len(spare)} bytes too many" in refused(codec, codec.encode(*record) + spare)


@given(st.binary(max_size=400))
def test_random_bytes_are_refused(codec: Codec, frame: bytes) -> None:
    refused(codec, frame)


@given(st.sampled_from(shipped_catalogue().contracts), st.binary(max_size=200))
def test_random_bytes_after_a_known_id_are_refused_or_are_a_message(codec: Codec, contract: Any, rest: bytes) -> None:
    decoded = read_or_refused(codec, b"\0" + contract.id.to_bytes(4, "big") + rest)
    if decoded is not None:
        assert rebuilt(codec, decoded) == (decoded.meta, decoded.body, decoded.state)


@given(records(), st.data())
def test_a_record_with_some_bytes_changed_is_refused_or_is_a_message(
    codec: Codec, record: Record, data: st.DataObject
) -> None:
    frame = bytearray(codec.encode(*record))
    places = data.draw(st.lists(st.integers(PREFIX_LENGTH, len(frame)), min_size=1, max_size=4))
    for place in places:
        frame[place : place + 1] = data.draw(st.binary(max_size=3))
    decoded = read_or_refused(codec, bytes(frame))
    if decoded is not None:
        assert rebuilt(codec, decoded) == (decoded.meta, decoded.body, decoded.state)


def rebuilt(codec: Codec, decoded: Decoded) -> Record:
    """What is read of a message that is written again: what was accepted, can be written."""
    again = codec.decode(codec.encode(decoded.body, decoded.meta, decoded.state))
    return again.meta, again.body, again.state


@pytest.mark.parametrize("count", [2**20, 2**31, 2**40, 2**63 - 1])
def test_an_array_that_says_it_is_huge_is_refused_at_once(codec: Codec, count: int) -> None:
    began = time.perf_counter()
    refused(codec, command(CreateOrder, number(count) + (text("a") + text("") + number(1) + number(1)) * 3))
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize("count", [-1, -3, -(2**40), -(2**63)])
def test_an_array_block_of_a_negative_count_is_as_long_as_it_says(codec: Codec, count: int) -> None:
    """A negative count is Avro's way to say how many bytes the block has: legal, as long as the items are there."""
    line = text("a") + text("") + number(1) + number(1)
    rest = text("GBP") + number(0) + b"\0"
    decoded = read_or_refused(codec, command(CreateOrder, number(count) + number(len(line)) + line + b"\0" + rest))
    assert decoded is None or len(decoded.body.lines) == 1


@pytest.mark.parametrize("length", [-1, -(2**63), 2**31, 2**62, 2**63 - 1])
def test_a_text_of_an_impossible_length_is_refused(codec: Codec, length: int) -> None:
    refused(codec, command(CancelOrder, number(length) + b"why"))


@pytest.mark.parametrize("middle", [0, 8, 9, 10, 100, 5000])
def test_a_number_of_too_many_bytes_is_refused_or_is_some_number(codec: Codec, middle: int) -> None:
    decoded = read_or_refused(codec, command(PayOrder, text("p") + b"\xff" * middle + b"\x01" + text("GBP")))
    assert decoded is None or -(2**63) <= decoded.body.amount < 2**63


def test_a_number_without_an_end_is_refused(codec: Codec) -> None:
    refused(codec, command(PayOrder, text("p") + b"\xff" * 9))


@pytest.mark.parametrize("index", [-1, -2, -3, 2, 3, 2**31, 2**32, -(2**32), -(2**63), 2**63 - 1])
def test_a_branch_that_a_union_does_not_have_is_refused(codec: Codec, index: int) -> None:
    """Python counts -1 from the end: it must not be taken for the last branch."""
    for value in (b"", text("x"), number(1)):
        refused(codec, command(DeliverOrder, b"", BARE_META[:-1] + number(index) + value))


@pytest.mark.parametrize("index", [0, 1])
def test_the_branches_that_a_union_has_are_read(codec: Codec, index: int) -> None:
    meta = codec.decode(command(DeliverOrder, b"", BARE_META[:-1] + number(index) + text("x") * index)).meta
    assert meta.causation_id == (None, "x")[index]


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"a\x80"], ids=repr)
def test_a_text_that_is_not_utf_8_is_refused(codec: Codec, bad: bytes) -> None:
    assert "UnicodeDecodeError" in refused(codec, command(CancelOrder, number(len(bad)) + bad))


@pytest.mark.parametrize("day", [-719_163, 2_932_897, 2**31 - 1, -(2**31), 2**40, -(2**63)])
def test_a_day_that_no_calendar_has_is_refused(codec: Codec, day: int) -> None:
    refused(codec, command(CreateOrder, b"\0" + text("GBP") + number(day) + b"\0"))


def test_a_meta_that_an_outcome_could_not_repeat_is_refused(codec: Codec) -> None:
    huge = text("c" * MAX_META_BYTES)
    why = refused(codec, command(DeliverOrder, b"", huge + BARE_META[2:]))
    assert f"more than the {MAX_META_BYTES} that it may have" in why


@given(messages(CommandMeta))
@example(META)
def test_an_empty_body_is_a_body(codec: Codec, meta: CommandMeta) -> None:
    assert codec.decode(codec.encode(DeliverOrder(), meta)).body == DeliverOrder()


class Ring(Struct, frozen=True):
    times: int
    loud: str | None


@pytest.fixture(scope="module")
def bells(tmp_path_factory: pytest.TempPathFactory) -> tuple[Codec, Catalogue]:
    """A domain with what orders have not: an int and an enum."""
    folder = tmp_path_factory.mktemp("schemas")
    enum = {"type": "enum", "name": "Loudness", "symbols": ["soft", "loud"]}
    write_part(folder, "command", "Ring", field("times", "int"), field("loud", ["null", enum], default=None))
    write_part(folder, "state", "Bell", field("rung", "long"))
    write_part(folder, "event", "Rang")
    state = defstruct("Bell", [("rung", int)], frozen=True)
    event = defstruct("Rang", [], frozen=True)
    bell: Aggregate[Any, Any, Any] = Aggregate(
        name="bells", initial=state(0), decide=lambda *_: [], evolve=lambda s, _: s, commands=Ring, events=event
    )
    return Codec(App(aggregates=(bell,)), locked(folder)), locked(folder)


def ring(catalogue: Catalogue, body: bytes) -> bytes:
    return b"\0" + catalogue.newest["bells", "Ring"].id.to_bytes(4, "big") + BARE_META + body


@pytest.mark.parametrize("times", [-(2**31), 0, 2**31 - 1])
def test_an_int_has_32_bits(bells: tuple[Codec, Catalogue], times: int) -> None:
    codec, catalogue = bells
    assert codec.decode(ring(catalogue, number(times) + b"\0")).body.times == times
    assert codec.decode(codec.encode(Ring(times, None), META)).body.times == times


@pytest.mark.parametrize("times", [-(2**31) - 1, 2**31, 2**40, -(2**63)])
def test_an_int_of_more_bits_is_neither_read_nor_written(bells: tuple[Codec, Catalogue], times: int) -> None:
    codec, catalogue = bells
    assert "int of 32 bits" in refused(codec, ring(catalogue, number(times) + b"\0"))
    with pytest.raises(Exception, match="int of 32 bits"):
        codec.encode(Ring(times, None), META)


@pytest.mark.parametrize("symbol", [-1, -2, 2, 2**40])
def test_a_symbol_that_an_enum_does_not_have_is_refused(bells: tuple[Codec, Catalogue], symbol: int) -> None:
    codec, catalogue = bells
    refused(codec, ring(catalogue, number(1) + number(1) + number(symbol)))


@pytest.mark.parametrize("loud", ["soft", "loud", None])
def test_the_symbols_that_an_enum_has_are_read_and_written(bells: tuple[Codec, Catalogue], loud: str | None) -> None:
    codec, _ = bells
    assert codec.decode(codec.encode(Ring(1, loud), META)).body == Ring(1, loud)
