"""The verifier and the handler agree on what is a command, whatever bytes lie on the topic; they share no code."""

from io import BytesIO
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_writer
from hypothesis import given
from hypothesis import strategies as st

from any_schema import Case, as_fields, cases, on_the_wire
from headrace.app import app
from headrace.avro.codec import BROKEN, Undecodable
from headrace.avro.functions import BEST
from headrace.kernel.message import DiscardParked, RedriveParked
from headrace_load.verify import walk
from headrace_load.verify.schemas import ENVELOPE, LARGEST_META, NotARecordError
from messages import commands, shipped_catalogue, shipped_codec
from verify.checking import SCHEMAS

PREFIX = 5
DOMAINS = [aggregate.name for aggregate in app.aggregates]
OWN = (*(kind for aggregate in app.aggregates for kind in aggregate.command_types), DiscardParked, RedriveParked)
COMMANDS = [contract for contract in shipped_catalogue().contracts if contract.kind == "command"]
BARE_META = b"\x02c\x06o-1" + b"\0" * 5


def is_one_to_the_handler(frame: bytes | None) -> bool:
    try:
        return type(shipped_codec().decode(frame).body) in OWN
    except Undecodable:
        return False


def is_one_to_the_verifier(frame: bytes | None) -> bool:
    try:
        return SCHEMAS.command(frame).form.domain in (*DOMAINS, ENVELOPE)
    except NotARecordError:
        return False


def assert_agreed(frame: bytes | None) -> bool:
    found = is_one_to_the_verifier(frame)
    assert found == is_one_to_the_handler(frame)
    return found


@st.composite
def damaged(draw: st.DrawFn, frame: bytes, start: int) -> bytes:
    """Some bytes of a frame changed, taken out or put in, most of them in ways that Avro cares about."""
    changed = bytearray(frame)
    some = st.sampled_from([b"\x80", b"\x80\0", b"\x81", b"\xff", b"\1", b"\2", b"\3", b"\4", b"\x7f", *VARINTS])
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(start, len(changed)))
        changed[place : place + draw(st.integers(0, 2))] = draw(some | st.binary(max_size=3))
    return bytes(changed)


VARINTS = [
    b"\x80" * 8 + b"\0", b"\x80" * 9 + b"\0", b"\x80" * 10 + b"\0", b"\xff" * 9 + b"\1", b"\xff" * 9 + b"\2",
    b"\xff" * 9 + b"\x7f", b"\xff" * 10 + b"\1", b"\x80\x80\x80\x80\x10", b"\xff\xff\xff\xff\x0f",
    b"\xff" * 4 + b"\x1f",
]  # fmt: skip


@given(commands(), st.data())
def test_a_command_is_one_and_damaged_ones_are_for_both_or_for_none(
    command: tuple[Any, Any], data: st.DataObject
) -> None:
    frame = shipped_codec().encode(*command)
    assert assert_agreed(frame)
    for _ in range(10):
        assert_agreed(data.draw(damaged(frame, 0)))


@given(st.sampled_from(COMMANDS), st.binary(max_size=80))
def test_any_bytes_behind_a_commands_id_are_one_for_both_or_for_none(contract: Any, rest: bytes) -> None:
    assert_agreed(b"\0" + contract.id.to_bytes(4, "big") + rest)
    assert_agreed(b"\0" + contract.id.to_bytes(4, "big") + BARE_META + rest)


@pytest.mark.parametrize("number", VARINTS, ids=bytes.hex)
@pytest.mark.parametrize("name", ["PayOrder", "CreateOrder", "CancelOrder"])
def test_long_and_overlong_numbers_are_taken_alike(number: bytes, name: str) -> None:
    contract = shipped_catalogue().newest["orders", name]
    frame = b"\0" + contract.id.to_bytes(4, "big")
    for body in (b"\2p" + number + b"\6GBP", number, b"\0\6GBP" + number + b"\0"):
        assert_agreed(frame + BARE_META + body)
        assert_agreed(frame + BARE_META[:-1] + number + body)


@pytest.mark.parametrize("length", [LARGEST_META - 20, *range(LARGEST_META - 14, LARGEST_META - 7), LARGEST_META])
def test_a_meta_may_be_as_long_for_both(length: int) -> None:
    contract = shipped_catalogue().newest["orders", "DeliverOrder"]
    text = BytesIO()
    schemaless_writer(text, "string", "c" * length)
    frame = b"\0" + contract.id.to_bytes(4, "big") + text.getvalue() + BARE_META[2:]
    assert assert_agreed(frame) == (len(frame) <= LARGEST_META)


def test_other_records_and_no_value_are_no_commands_for_both() -> None:
    for contract in shipped_catalogue().contracts:
        assert_agreed(b"\0" + contract.id.to_bytes(4, "big") + BARE_META)
    assert not assert_agreed(None)
    assert not assert_agreed(b"")


@given(cases(), st.data())
def test_every_kind_of_schema_is_walked_as_the_handlers_code_reads_it(case: Case, data: st.DataObject) -> None:
    target = BytesIO()
    schemaless_writer(target, parse_schema(on_the_wire(case.schema)), as_fields(data.draw(case.values)))
    frame, reader, walks = target.getvalue(), BEST.reader_for(case.schema, case.type), walk.walker(case.schema)
    assert walks(frame, 0) == len(frame)
    for _ in range(5):
        changed = data.draw(damaged(frame, 0))
        try:
            end = reader(changed, 0)[1]
        except BROKEN as error:
            if "is no value of" not in str(error):  # a class may allow less than its schema
                with pytest.raises(walk.BROKEN):
                    walks(changed, 0)
        else:
            assert walks(changed, 0) == end
