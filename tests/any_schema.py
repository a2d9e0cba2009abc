"""Hypothesis strategies for schemas of every kind, each with a Struct and the values that fit both."""

from datetime import date
from enum import Enum
from itertools import count
from typing import Any, Literal, NamedTuple

import msgspec
from hypothesis import strategies as st

from headrace.avro.schema import Schema
from messages import INTS, LONGS

TEXTS = ("a", "bc", "d\u00e9", "")
NEAR_LIMITS = st.sampled_from(
    [63, 64, -64, -65, 8191, 8192, -8192, -8193, 2**20, 2**21, 2**27, 2**28, 2**35, 2**63 - 1]
)


class Loud(Enum):
    """Values of an enum that has a class."""

    SOFT = "soft"
    LOUD = "loud"


class Case(NamedTuple):
    """A schema, the type that it becomes, the values of both, and what kind of branch it is in a union."""

    schema: Schema
    type: Any
    values: st.SearchStrategy[Any]
    family: str


SIMPLE = [
    Case("boolean", bool, st.booleans(), "boolean"),
    Case("int", int, INTS | st.integers(-70, 70), "number"),
    Case("long", int, LONGS | NEAR_LIMITS, "number"),
    Case({"type": "long", "logicalType": "timestamp-millis"}, int, LONGS, "number"),
    Case("float", float, st.floats(width=32, allow_nan=False), "float"),
    Case("double", float, st.floats(allow_nan=False), "float"),
    Case("bytes", bytes, st.binary(max_size=70), "text"),
    Case("string", str, st.text(max_size=70), "text"),
    Case("string", Literal[TEXTS], st.sampled_from(TEXTS), "text"),
    Case("string", Loud, st.sampled_from(Loud), "text"),
    Case("long", Literal[1, 300, -1], st.sampled_from([1, 300, -1]), "number"),
    Case({"type": "int", "logicalType": "date"}, date, st.dates(), "date"),
]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A record of up to five fields, three levels deep at most."""
    return draw(_records(count(1), 3))


def _any(names: "count[int]", depth: int) -> st.SearchStrategy[Case]:
    flat = [st.sampled_from(SIMPLE), _named(names)]
    deep = [_records(names, depth - 1), _arrays(names, depth - 1), _maps(names, depth - 1), _unions(names, depth - 1)]
    return st.one_of(flat + deep if depth > 0 else flat)


@st.composite
def _records(draw: st.DrawFn, names: "count[int]", depth: int) -> Case:
    # One field takes bytes always: items that take none are refused.
    fields = [draw(st.sampled_from(SIMPLE)), *draw(st.lists(_any(names, depth), max_size=4))]
    name = f"R{next(names)}"
    keys = [f"f{place}" for place in range(len(fields))]
    order = draw(st.permutations(range(len(fields))))
    kind = msgspec.defstruct(
        name, [(keys[place], fields[place].type) for place in order], frozen=True, kw_only=draw(st.booleans())
    )
    schema = {
        "type": "record",
        "name": name,
        "fields": [{"name": key, "type": field.schema} for key, field in zip(keys, fields, strict=True)],
    }
    values = st.builds(kind, **{key: field.values for key, field in zip(keys, fields, strict=True)})
    return Case(schema, kind, values, "dict")


@st.composite
def _arrays(draw: st.DrawFn, names: "count[int]", depth: int) -> Case:
    item, is_tuple = draw(_any(names, depth)), draw(st.booleans())
    several = st.lists(item.values, max_size=3)
    kind = tuple[item.type, ...] if is_tuple else list[item.type]  # type: ignore[name-defined]
    return Case({"type": "array", "items": item.schema}, kind, several.map(tuple) if is_tuple else several, "array")


@st.composite
def _maps(draw: st.DrawFn, names: "count[int]", depth: int) -> Case:
    value = draw(_any(names, depth))
    values = st.dictionaries(st.text(max_size=3), value.values, max_size=3)
    return Case({"type": "map", "values": value.schema}, dict[str, value.type], values, "dict")  # type: ignore[name-defined]


@st.composite
def _unions(draw: st.DrawFn, names: "count[int]", depth: int) -> Case:
    """Of branches that a value tells apart: two with null, in either order, or several of different families."""
    plain = _any(names, depth).filter(lambda case: case.family not in ("union", "date"))
    others = draw(st.lists(plain, min_size=1, max_size=3, unique_by=lambda case: case.family))
    if {"number", "float"} <= {case.family for case in others}:
        others = [case for case in others if case.family != "float"]
    if draw(st.integers(0, 3)) == 0:
        others = [SIMPLE[-1]]
    branches = [*others, Case("null", None, st.none(), "null")]
    branches = draw(st.permutations(branches)) if draw(st.booleans()) or len(others) == 1 else others
    kind = branches[0].type
    for branch in branches[1:]:
        kind = kind | branch.type if kind is not None else branch.type | None
    return Case([case.schema for case in branches], kind, st.one_of([case.values for case in branches]), "union")


@st.composite
def _named(draw: st.DrawFn, names: "count[int]") -> Case:
    name = f"N{next(names)}"
    size = draw(st.integers(1, 3))
    # The index of one of many symbols takes two bytes.
    symbols = ["soft", "loud", *(f"s{place}" for place in range(draw(st.sampled_from([0, 1, 200]))))]
    enum = {"type": "enum", "name": name, "symbols": symbols}
    named: Case = draw(
        st.sampled_from(
            [
                Case(
                    {"type": "fixed", "name": name, "size": size},
                    bytes,
                    st.binary(min_size=size, max_size=size),
                    "text",
                ),
                Case(enum, str, st.sampled_from(symbols), "text"),
                Case(enum, Loud, st.sampled_from(Loud), "text"),
                Case(enum, Literal["loud", "soft"], st.sampled_from(["loud", "soft"]), "text"),
            ]
        )
    )
    return named


def on_the_wire(schema: Schema) -> Schema:
    """The schema with dates for its only logical types."""
    if isinstance(schema, list):
        return [on_the_wire(branch) for branch in schema]
    if isinstance(schema, dict):
        times = str(schema.get("logicalType", "")).startswith("timestamp")
        return {key: on_the_wire(value) for key, value in schema.items() if not (times and key == "logicalType")}
    return schema


def as_fields(value: Any) -> Any:
    """A message as fastavro takes it."""
    match value:
        case msgspec.Struct():
            names = {field.name: field.encode_name for field in msgspec.structs.fields(value)}
            return {names[name]: as_fields(each) for name, each in msgspec.structs.asdict(value).items()}
        case list() | tuple():
            return [as_fields(item) for item in value]
        case dict():
            return {key: as_fields(each) for key, each in value.items()}
        case Enum():
            return value.value
    return value
