"""What straight-line code makes of single values: at the ends of their ranges, behind them, and of hostile ones."""

import time
from datetime import date
from enum import Enum
from typing import Any, Literal

import pytest
from msgspec import Struct, defstruct

from headrace.avro.codec import BROKEN
from headrace.avro.functions import Functions
from headrace.avro.schema import Schema


def record(schema: Schema, name: str = "R") -> Schema:
    return {"type": "record", "name": name, "fields": [{"name": "x", "type": schema}]}


def holder(kind: Any) -> type[Struct]:
    return defstruct("R", [("x", kind)])


def write(by: Functions, schema: Schema, kind: Any, value: Any) -> bytes:
    return by.writer_for(None, (record(schema), holder(kind)), None)(None, holder(kind)(value), None)


def read(by: Functions, schema: Schema, kind: Any, frame: bytes) -> Any:
    found, place = by.reader_for(record(schema), holder(kind))(frame, 0)
    assert place == len(frame)
    return found.x


def number(value: int) -> bytes:
    """Avro's long, by the book."""
    rest = (value << 1) ^ (value >> 63)
    groups = [rest >> shift & 0x7F for shift in range(0, max(rest.bit_length(), 1), 7)]
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


ENDS = [sign * 2**bits + add for bits in range(63) for sign in (1, -1) for add in (-1, 0, 1)]
LONGS = [*ENDS, 2**63 - 1, -(2**63) + 1, -(2**63)]


def test_a_number_of_any_length_is_written_and_read(by: Functions) -> None:
    reader = by.reader_for(record("long"), holder(int))
    writer = by.writer_for(None, (record("long"), holder(int)), None)
    for value in (*LONGS, *range(-9000, 9000)):
        frame = writer(None, holder(int)(value), None)
        assert frame == number(value)
        assert (reader(frame, 0)[0].x, reader(frame, 0)[1]) == (value, len(frame))


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 2**64, -(2**64), 2**70, 10**400, -(10**400)], ids=hash)
def test_a_number_of_more_than_64_bits_is_not_written(by: Functions, value: int) -> None:
    for schema in ("long", "int", ["null", "long"], {"type": "array", "items": "long"}):
        kind = list[int] if isinstance(schema, dict) else int | None
        with pytest.raises(OverflowError):
            write(
                by,
                schema,
                kind if schema not in ("long", "int") else int,
                [value] if isinstance(schema, dict) else value,
            )


@pytest.mark.parametrize("value", [-(2**31) - 1, 2**31, 2**40, -(2**63)])
def test_an_int_of_more_than_32_bits_is_neither_written_nor_read(by: Functions, value: int) -> None:
    with pytest.raises(OverflowError, match="int of 32 bits"):
        write(by, "int", int, value)
    with pytest.raises(OverflowError, match="int of 32 bits"):
        read(by, "int", int, number(value))
    assert read(by, "long", int, number(value)) == value


@pytest.mark.parametrize("frame", [b"\x80\x00", b"\x80\x80\x00", b"\x80" * 9 + b"\x00"], ids=len)
def test_a_number_of_more_bytes_than_it_needs_is_read_up_to_ten(by: Functions, frame: bytes) -> None:
    assert read(by, "long", int, frame) == 0
    assert read(by, "int", int, frame) == 0
    assert read(by, "string", str, frame) == ""
    assert read(by, ["null", "long"], int | None, frame) is None
    assert read(by, {"type": "array", "items": "long"}, list[int], frame) == []
    assert read(by, {"type": "enum", "name": "E", "symbols": ["a"]}, str, frame) == "a"


@pytest.mark.parametrize(
    "frame",
    [b"\x80" * 10 + b"\x00", b"\xff" * 9 + b"\x02", b"\xff" * 9 + b"\x7f", b"\xff" * 10 + b"\x01", b"\xff" * 5000],
)
def test_a_number_of_more_than_ten_bytes_or_64_bits_is_refused(by: Functions, frame: bytes) -> None:
    for schema, kind in (("long", int), ("string", str), (["null", "long"], int | None)):
        with pytest.raises(OverflowError, match="more than 64 bits"):
            read(by, schema, kind, frame)


@pytest.mark.parametrize("length", [-1, -64, -65, -(2**63), 61, 70, 2**31, 2**62, 2**63 - 1])
def test_a_text_of_an_impossible_length_is_refused(by: Functions, length: int) -> None:
    for schema, kind in (("string", str), ("bytes", bytes), ("string", Literal["a"])):
        for rest in (b"", b"abc", b"abc" * 20):
            with pytest.raises(BROKEN):
                read(by, schema, kind, number(length) + rest)


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"a\x80"], ids=repr)
def test_a_text_that_is_not_utf_8_is_refused(by: Functions, bad: bytes) -> None:
    for schema, kind, before in (("string", str, b""), ({"type": "map", "values": "int"}, dict[str, int], b"\2")):
        with pytest.raises(UnicodeDecodeError):
            read(by, schema, kind, before + number(len(bad)) + bad + b"\0\0")


@pytest.mark.parametrize("count", [2**20, 2**31, 2**40, 2**62, 2**63 - 1, -(2**31), -(2**63)])
def test_a_block_that_says_it_is_huge_is_refused_at_once(by: Functions, count: int) -> None:
    began = time.perf_counter()
    for schema, kind in (
        ({"type": "array", "items": "long"}, list[int]),
        ({"type": "array", "items": {"type": "array", "items": "long"}}, tuple[list[int], ...]),
        ({"type": "map", "values": "null"}, dict[str, None]),
    ):
        with pytest.raises(EOFError, match="a block of"):
            read(by, schema, kind, number(count) + bytes(50))
    assert time.perf_counter() - began < 1


def test_blocks_are_read_one_after_the_other_whether_or_not_they_say_their_size(by: Functions) -> None:
    blocks = number(2) + b"\2\4" + number(-1) + number(1) + b"\6" + number(1) + b"\x08" + b"\0"
    assert read(by, {"type": "array", "items": "long"}, list[int], blocks) == [1, 2, 3, 4]
    sized = number(-1) + number(300) + b"\2a\2" + number(1) + b"\2b\4" + b"\0"
    assert read(by, {"type": "map", "values": "long"}, dict[str, int], sized) == {"a": 1, "b": 2}


@pytest.mark.parametrize("index", [-1, -2, 2, 63, 64, -65, 2**31, 2**32, -(2**32), -(2**63), 2**63 - 1])
def test_a_branch_or_a_symbol_that_there_is_not_is_refused(by: Functions, index: int) -> None:
    """Python counts -1 from the end: it must not be taken for the last one."""
    enum = {"type": "enum", "name": "E", "symbols": ["a", "b"]}
    many = {"type": "enum", "name": "E", "symbols": [f"s{place}" for place in range(200)]}
    symbols = [(enum, str)] if 0 < index < 200 else [(enum, str), (many, str)]
    for schema, kind in ((["null", "string"], str | None), (["string", "null"], str | None), *symbols):
        for rest in (b"", b"\0", b"\2a"):
            with pytest.raises(IndexError, match=f"{index} is no index of R.x"):
                read(by, schema, kind, number(index) + rest)


@pytest.mark.parametrize("byte", [2, 3, 127, 128, 255])
def test_a_boolean_is_0_or_1(by: Functions, byte: int) -> None:
    with pytest.raises(IndexError):
        read(by, "boolean", bool, bytes([byte]))


@pytest.mark.parametrize("day", [-719_163, 2_932_897, 2**31 - 1, -(2**31), 2**40, -(2**63)])
def test_a_day_that_no_calendar_has_is_refused(by: Functions, day: int) -> None:
    with pytest.raises(BROKEN):
        read(by, {"type": "int", "logicalType": "date"}, date, number(day))


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Rank(Enum):
    LOW = 1
    HIGH = 300


COLOURS = {"type": "enum", "name": "C", "symbols": ["green", "blue", "red"]}


@pytest.mark.parametrize(
    ("schema", "kind", "value", "frame", "strange"),
    [
        ("string", Literal["red"], "red", b"\6red", b"\6RED"),
        ("string", Colour, Colour.RED, b"\6red", b"\6RED"),
        (COLOURS, Colour, Colour.RED, b"\4", b"\0"),
        (COLOURS, Literal["red"], "red", b"\4", b"\2"),
        ("long", Literal[1, -300], -300, b"\xd7\4", b"\4"),
        ("int", Rank, Rank.HIGH, b"\xd8\4", b"\4"),
    ],
    ids=repr,
)
def test_what_is_none_of_the_few_values_that_there_are_is_refused(
    by: Functions, schema: Schema, kind: Any, value: Any, frame: bytes, strange: bytes
) -> None:
    for branches, wanted, index in ((schema, kind, b""), (["null", schema], kind | None, b"\2")):
        assert write(by, branches, wanted, value) == index + frame
        assert read(by, branches, wanted, index + frame) is value or value == -300
        with pytest.raises(ValueError, match=r"is no value of R\.x"):
            read(by, branches, wanted, index + strange)
        others: tuple[Any, ...] = ("purple", 7, [], b"red")
        for other in others:
            with pytest.raises(BROKEN):
                write(by, branches, wanted, other)


@pytest.mark.parametrize(
    ("schema", "kind", "value"),
    [
        ("string", str, None),
        ("string", str, b"a"),
        ("string", str, 1),
        ("string", str, "\ud800"),
        ("bytes", bytes, "a"),
        ("bytes", bytes, [1]),
        ("long", int, None),
        ("long", int, "1"),
        ("long", int, 1.0),
        ("long", int, 1e9),
        ("long", int, float("nan")),
        ("boolean", bool, 1),
        ("boolean", bool, None),
        ("boolean", bool, "x"),
        ("double", float, "1"),
        ("double", float, True),
        ("double", float, 10**400),
        ("float", float, 1e300),
        ("null", type(None), 0),
        ({"type": "int", "logicalType": "date"}, date, 20_000),
        ({"type": "fixed", "name": "F", "size": 2}, bytes, b"abc"),
        ({"type": "fixed", "name": "F", "size": 2}, bytes, "ab"),
        ({"type": "array", "items": "string"}, list[str], "abc"),
        ({"type": "array", "items": "string"}, list[str], ["a", None]),
        ({"type": "map", "values": "long"}, dict[str, int], [1]),
        ({"type": "map", "values": "long"}, dict[str, int], {1: 1}),
        (["string", "long"], str | int, 1.5),
        (["string", "long"], str | int, None),
        (record("long", "S"), defstruct("S", [("x", int)]), None),
        ({"type": "record", "name": "S", "fields": []}, defstruct("S", []), None),
    ],
    ids=repr,
)
def test_a_value_of_another_type_is_not_written(by: Functions, schema: Schema, kind: Any, value: Any) -> None:
    with pytest.raises(BROKEN):
        write(by, schema, kind, value)


def test_what_is_like_bytes_is_written_with_all_of_its_bytes(by: Functions) -> None:
    for value in (bytearray(b"abcd"), memoryview(b"abcd"), memoryview(b"abcd").cast("H")):
        assert write(by, "bytes", bytes, value) == b"\x08abcd"


@pytest.mark.parametrize("size", [0, 63, 64, 1023, 1024, 8191, 8192, 100_000])
def test_a_text_of_any_length_is_written_and_read(by: Functions, size: int) -> None:
    for schema, kind in (("string", str), (["null", "string"], str | None), (["string", "null"], str | None)):
        assert read(by, schema, kind, write(by, schema, kind, "é" * size)) == "é" * size
    assert read(by, "bytes", bytes, write(by, "bytes", bytes, b"\xff" * size)) == b"\xff" * size
