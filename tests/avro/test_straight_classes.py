"""Which classes and schemas straight-line code is made for, what it makes of them, and what is refused at the start."""

from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct, ValidationError, defstruct, field

from headrace.avro.codec import BROKEN
from headrace.avro.functions import Functions
from headrace.avro.schema import Schema
from headrace.avro.straight import NotStraight, source_of


def record(*fields: tuple[str, Schema], name: str = "R") -> Schema:
    return {"type": "record", "name": name, "fields": [{"name": key, "type": kind} for key, kind in fields]}


def both_ways(by: Functions, schema: Schema, value: Any) -> bytes:
    """The frame of a value which is read as it was written."""
    frame = by.writer_for(None, (schema, type(value)), None)(None, value, None)
    assert by.reader_for(schema, type(value))(frame, 0) == (value, len(frame))
    return frame


class Cat(Struct, frozen=True, tag=True):
    lives: int


class Dog(Struct, frozen=True, tag=True):
    name: str


class Bird(Struct, frozen=True, tag=True):
    name: str


class Home(Struct, frozen=True):
    pets: list[Cat | Dog | Bird | None]


CAT, DOG, BIRD = (
    record(("lives", "long"), name="zoo.Cat"),
    record(("name", "string"), name="zoo.Dog"),
    record(("name", "string"), name="zoo.Bird"),
)


def test_a_union_of_records_is_told_apart_by_their_names(by: Functions) -> None:
    schema = record(("pets", {"type": "array", "items": [BIRD, "null", CAT, DOG]}))
    pets = [Cat(9), None, Dog("rex"), Bird("rex")]
    assert both_ways(by, schema, Home(pets)) == b"\x08" + b"\4\x12" + b"\2" + b"\6\6rex" + b"\0\6rex" + b"\0"
    with pytest.raises(BROKEN):
        by.writer_for(None, (schema, Home), None)(None, Home(["cat"]), None)  # type: ignore[list-item]


def test_a_record_that_is_used_again_is_named_only(by: Functions) -> None:
    class Pair(Struct, frozen=True):
        first: Cat
        second: Cat | None

    schema = record(("first", CAT), ("second", ["null", "zoo.Cat"]))
    assert both_ways(by, schema, Pair(Cat(1), Cat(2))) == b"\2\2\4"
    assert both_ways(by, schema, Pair(Cat(1), None)) == b"\2\0"
    nearby = {"type": "record", "name": "Pair", "namespace": "zoo", "fields": schema["fields"]}
    nearby["fields"][1]["type"] = ["null", "Cat"]
    assert both_ways(by, nearby, Pair(Cat(1), Cat(2))) == b"\2\2\4"


def test_fields_are_matched_by_their_names_whatever_their_order(by: Functions) -> None:
    class Ordered(Struct, frozen=True):
        first: str
        third: int = 3
        second: str = field(default="2", name="second_")

    class Named(Ordered, frozen=True, kw_only=True):
        fourth: bool = True

    schema = record(("fourth", "boolean"), ("third", "long"), ("second_", "string"), ("first", "string"))
    assert both_ways(by, schema, Named("1", second="2", third=3, fourth=False)) == b"\0\6\x022\x021"


def test_what_a_class_demands_of_its_fields_is_demanded_of_bytes(by: Functions) -> None:
    class Demanding(Struct, frozen=True):
        count: Annotated[int, Meta(ge=1)]
        names: Annotated[list[Annotated[str, Meta(max_length=2)]], Meta(min_length=1)]

    schema = record(("count", "long"), ("names", {"type": "array", "items": "string"}))
    reader = by.reader_for(schema, Demanding)
    assert both_ways(by, schema, Demanding(1, ["ab"])) == b"\2\2\4ab\0"
    for frame in (b"\0\2\4ab\0", b"\2\0", b"\2\2\6abc\0"):
        with pytest.raises(ValidationError):
            reader(frame, 0)


def test_a_class_that_checks_itself_is_asked(by: Functions) -> None:
    class Even(Struct, frozen=True):
        number: int

        def __post_init__(self) -> None:
            if self.number % 2:
                raise ValueError("odd")

    assert both_ways(by, record(("number", "long")), Even(2)) == b"\4"
    with pytest.raises(ValueError, match="odd"):
        by.reader_for(record(("number", "long")), Even)(b"\2", 0)


def test_parts_are_written_behind_each_other_and_those_without_a_piece_left_out(by: Functions) -> None:
    one = (CAT, Cat)
    assert by.writer_for(one, one, one, b"\0abcd")(Cat(1), Cat(2), Cat(3)) == b"\0abcd\2\4\6"
    assert by.writer_for(one, one, None, b"\0abcd")(Cat(1), Cat(2), Cat(3)) == b"\0abcd\2\4"
    nothing = (record(name="Empty"), defstruct("Empty", []))
    assert by.writer_for(None, nothing, None)(None, nothing[1](), None) == b""
    assert by.reader_for(*nothing)(b"", 0) == (nothing[1](), 0)


def nested(depth: int) -> tuple[Schema, Any]:
    schema, kind = "long", int
    for _ in range(depth):
        schema, kind = {"type": "array", "items": schema}, list[kind]  # type: ignore[assignment, valid-type]
    return record(("x", schema)), defstruct("R", [("x", kind)])


def test_arrays_are_nested_as_deep_as_python_allows(by: Functions) -> None:
    schema, kind = nested(8)
    assert both_ways(by, schema, kind([[[[[[[[1, 2], []]]]]]]])).startswith(b"\2" * 6 + b"\4\4\2\4")
    with pytest.raises(NotStraight, match="nested deeper than 8 levels"):
        by.reader_for(*nested(9))


class Ring(Struct):
    next: "Ring | None" = None


RING = record(("next", ["null", "Ring"]), name="Ring")


@pytest.mark.parametrize(
    ("schema", "kind", "why"),
    [
        (RING, Ring, "Ring contains itself"),
        (record(("x", "long")), defstruct("R", [("x", str)]), "the schema says long, the class says str"),
        (record(("x", ["null", "long"])), defstruct("R", [("x", int)]), "the schema says null, the class says int"),
        (record(("x", "long")), defstruct("R", [("x", int | None)]), "the schema says long, the class says union"),
        (record(("x", "long")), defstruct("R", [("x", Any)]), "the class says any"),
        (record(("x", "long")), defstruct("R", [("y", int)]), r"R has \['y'\], the schema has \['x'\]"),
        (record(("x", "long"), ("y", "long")), defstruct("R", [("x", int)]), r"R has \['x'\]"),
        (record(("x", "string")), defstruct("R", [("x", set[int])]), "the class says set"),
        (record(("x", ["null", CAT, DOG])), defstruct("R", [("x", Cat | None)]), "nothing for the branch"),
        (record(("x", {"type": "array", "items": "null"})), defstruct("R", [("x", list[None])]), "take no bytes"),
        (
            record(("x", {"type": "array", "items": record(name="Empty")})),
            defstruct("R", [("x", list[defstruct("Empty", [])])]),  # type: ignore[misc]
            "take no bytes",
        ),
        (record(("from", "long")), defstruct("R", [("from", int)]), "words of Python's own"),
        (record(("x", "long")), int, "the schema says record, the class says int"),
        ("long", int, "a message is a record"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_has_no_straight_line_code_is_refused_at_the_start(
    by: Functions, schema: Schema, kind: type, why: str
) -> None:
    for make in (by.reader_for, lambda *piece: by.writer_for(None, piece, None)):
        with pytest.raises(NotStraight, match=why):
            make(schema, kind)


@pytest.mark.parametrize("name", ["x); exit(", "x.y", "x y", "1x", "", "é", "x\u2028y"])
def test_a_name_that_is_none_never_becomes_source(name: str) -> None:
    kind = defstruct("R", [("x", int)], rename=lambda _: name)
    with pytest.raises(NotStraight, match="is no name that Avro takes"):
        source_of(None, (record((name, "long")), kind), None)


def test_the_name_of_a_record_or_a_class_never_becomes_more_than_a_comment() -> None:
    bad = "R\nraise SystemExit\n"
    source = source_of(None, (record(("x", "long"), name=bad), defstruct(bad, [("x", int)])), None)
    assert not any(line.startswith("raise") for line in source.splitlines())


def test_a_field_may_have_the_name_of_anything_that_the_source_uses(by: Functions) -> None:
    names = ["b", "q", "n", "p", "o", "end", "far", "LONG", "SIZE", "SIZE_1", "SIZE_2", "len", "type", "body", "read_3"]
    kind = defstruct("SIZE", [(name, str | None) for name in names], frozen=True)
    both_ways(by, record(*((name, ["null", "string"]) for name in names), name="SIZE"), kind(*names))
