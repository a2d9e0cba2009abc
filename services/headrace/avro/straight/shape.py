"""What a schema and a class say together, as straight-line code needs it: what is on the wire, what it becomes."""

import inspect as signatures
import keyword
import re
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, Final, TypeAlias

from msgspec import Meta, Struct, inspect

from headrace.avro.schema import Schema, definitions, standing_alone
from headrace.kernel.errors import Misconfigured

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
MOST_LOOPS: Final = 8  # Python refuses more than twenty nested blocks, of which an array takes two

SIMPLE: Final[Mapping[str, type]] = {
    "null": inspect.NoneType,
    "boolean": inspect.BoolType,
    "int": inspect.IntType,
    "long": inspect.IntType,
    "float": inspect.FloatType,
    "double": inspect.FloatType,
    "bytes": inspect.BytesType,
    "string": inspect.StrType,
}
CHOOSABLE: Final[Mapping[str, type]] = {"int": int, "long": int, "string": str, "enum": str}
PYTHON: Final[Mapping[type, Any]] = {
    inspect.IntType: int,
    inspect.FloatType: float,
    inspect.StrType: str,
    inspect.BytesType: bytes,
    inspect.ListType: list,
    inspect.VarTupleType: tuple,
    inspect.DictType: dict,
}
BOUNDS: Final = ("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "pattern")


class NotStraight(Misconfigured):
    """No straight-line code can be made of a schema and a class; the message says why."""


class Simple(Struct, frozen=True):
    """A value that is its type's own: Avro's null to string, or `date`; `limits` is what `Meta` adds to the type."""

    kind: str
    limits: Any = None


class Fixed(Struct, frozen=True):
    """So many bytes."""

    size: int
    limits: Any = None


class Choice(Struct, frozen=True):
    """One of a few values, by what stands for it; of an enum `symbols` are all that the wire may hold, in order."""

    kind: str
    values: dict[Any, Any]
    symbols: tuple[str, ...] = ()


class Member(Struct, frozen=True):
    """A field: its name in the schema and in the class."""

    name: str
    attribute: str
    shape: "Shape"


class Record(Struct, frozen=True):
    """A Struct, its fields in the schema's order; `call` has what its class takes, and what of that by name."""

    cls: type
    name: str
    members: tuple[Member, ...]
    call: tuple[tuple[str, bool], ...]


class Items(Struct, frozen=True):
    """A list or a tuple."""

    item: "Shape"
    is_tuple: bool
    limits: Any = None


class Pairs(Struct, frozen=True):
    """A dict with texts for keys."""

    value: "Shape"
    limits: Any = None


class Union(Struct, frozen=True):
    """One of several, by its index."""

    branches: tuple["Shape", ...]


Shape: TypeAlias = Simple | Fixed | Choice | Record | Items | Pairs | Union


class _Place(Struct, frozen=True):
    """Where in the schema: its definitions, the records around, how many loops around, the name for a message."""

    known: dict[str, Any]
    above: tuple[str, ...]
    loops: int
    label: str


def shape_of(schema: Schema, kind: type) -> Record:
    """A record schema's shape as the Struct `kind`; `NotStraight` where the two do not agree or recur."""
    try:
        info = inspect.type_info(kind)
    except TypeError as error:
        raise NotStraight(f"{kind.__name__}: {error}") from error
    known = dict(definitions(schema))
    alone = standing_alone(schema, known, "", set())
    found = _shape(alone, info, _Place(dict(definitions(alone)), (), 0, kind.__name__))
    if not isinstance(found, Record):
        raise NotStraight(f"{kind.__name__}: a message is a record")
    return found


def _shape(schema: Schema, info: inspect.Type, at: _Place) -> Shape:  # noqa: PLR0911 - one a kind
    if isinstance(schema, list):
        return _union(schema, info, at)
    if isinstance(schema, str):
        return _shape(at.known[schema], info, at) if schema in at.known else _simple({"type": schema}, info, at)
    match schema["type"], info:
        case (("record" | "error"), inspect.StructType()):
            return _record(schema, info, at)
        case "array", inspect.ListType() | inspect.VarTupleType():
            item = _shape(schema["items"], info.item_type, _inside(at))
            if _is_empty(item):
                raise NotStraight(f"{at.label}: items that take no bytes: a few bytes could ask for millions")
            return Items(item, isinstance(info, inspect.VarTupleType), _limits(info))
        case "map", inspect.DictType(key_type=inspect.StrType() as key) if _limits(key) is None:
            return Pairs(_shape(schema["values"], info.value_type, _inside(at)), _limits(info))
        case "fixed", inspect.BytesType():
            return Fixed(schema["size"], _limits(info))
        case ((dict() | list() as wrapped), _):
            return _shape(wrapped, info, at)
        case _:
            return _simple(schema, info, at)


def _simple(schema: Schema, info: inspect.Type, at: _Place) -> Shape:
    kind = schema["type"]
    if kind == "int" and schema.get("logicalType") == "date":
        if not isinstance(info, inspect.DateType):
            raise _disagree(schema, info, at)
        return Simple("date")
    if kind in CHOOSABLE and isinstance(info, inspect.EnumType | inspect.LiteralType):
        return _choice(schema, info, at)
    if kind == "enum" and isinstance(info, inspect.StrType):
        return Choice("enum", {symbol: symbol for symbol in schema["symbols"]}, tuple(schema["symbols"]))
    if kind not in SIMPLE or not isinstance(info, SIMPLE[kind]):
        raise _disagree(schema, info, at)
    return Simple(kind, _limits(info))


def _choice(schema: Schema, info: inspect.EnumType | inspect.LiteralType, at: _Place) -> Choice:
    values: dict[Any, Any]
    if isinstance(info, inspect.EnumType):
        values = {member.value: member for member in info.cls}
        if any("_missing_" in vars(kind) for kind in info.cls.__mro__ if kind not in (Enum, *Enum.__mro__)):
            raise NotStraight(f"{at.label}: {info.cls.__name__} makes members of its own")
    else:
        values = {value: value for value in info.values}
    kind = schema["type"]
    if any(not isinstance(value, CHOOSABLE[kind]) for value in values):
        raise _disagree(schema, info, at)
    symbols = tuple(schema.get("symbols", ()))
    return Choice(kind, {key: value for key, value in values.items() if key in symbols or not symbols}, symbols)


def _union(branches: list[Schema], info: inspect.Type, at: _Place) -> Union:
    kinds = list(info.types) if isinstance(info, inspect.UnionType) else [info]
    for place, literal in enumerate(kinds):
        if isinstance(literal, inspect.LiteralType) and None in literal.values:
            rest = tuple(value for value in literal.values if value is not None)
            kinds[place : place + 1] = [inspect.LiteralType(rest), inspect.NoneType()]
    return Union(tuple(_branch(branch, kinds, at) for branch in branches))


def _branch(branch: Schema, kinds: list[inspect.Type], at: _Place) -> Shape:
    """The branch as the first of the kinds that it can be; a record as the Struct of its name, if one has it."""
    definition = at.known.get(branch, branch) if isinstance(branch, str) else branch
    name = definition.get("name", "").rpartition(".")[2] if isinstance(definition, dict) else ""
    named = [kind for kind in kinds if isinstance(kind, inspect.StructType) and kind.cls.__name__ == name]
    for kind in named or kinds:
        try:
            return _shape(branch, kind, at)
        except NotStraight:
            if named or len(kinds) == 1:
                raise
    raise NotStraight(f"{at.label}: the class has nothing for the branch {branch}")


def _record(schema: Schema, info: inspect.StructType, at: _Place) -> Record:
    name = schema["name"]
    if name in at.above:
        raise NotStraight(f"{at.label}: {name} contains itself")
    fields = {field.encode_name: field for field in info.fields}
    names = [field["name"] for field in schema["fields"]]
    if set(names) != fields.keys():
        raise NotStraight(f"{at.label}: {info.cls.__name__} has {sorted(fields)}, the schema has {sorted(names)}")
    for text in (*names, *(field.name for field in info.fields)):
        if not NAME.fullmatch(text):
            raise NotStraight(f"{at.label}: {text!r} is no name that Avro takes")
    if words := [field.name for field in info.fields if keyword.iskeyword(field.name)]:
        raise NotStraight(f"{at.label}: {words} are words of Python's own")
    members = tuple(
        Member(each, fields[each].name, _shape(field["type"], fields[each].type, _within(at, name, each)))
        for each, field in zip(names, schema["fields"], strict=True)
    )
    taken = signatures.signature(info.cls).parameters.values()
    return Record(info.cls, name, members, tuple((each.name, each.kind is each.KEYWORD_ONLY) for each in taken))


def _within(at: _Place, record: str, field: str) -> _Place:
    return _Place(at.known, (*at.above, record), at.loops, f"{at.label}.{field}")


def _inside(at: _Place) -> _Place:
    if at.loops == MOST_LOOPS:
        raise NotStraight(f"{at.label}: arrays and maps nested deeper than {MOST_LOOPS} levels")
    return _Place(at.known, at.above, at.loops + 1, at.label)


def _limits(info: inspect.Type) -> Any:
    """The type with what `Meta` demands of it, for `convert`; None if it demands nothing."""
    bounds = {name: getattr(info, name) for name in BOUNDS if getattr(info, name, None) is not None}
    return Annotated[PYTHON[type(info)], Meta(**bounds)] if bounds else None


def _is_empty(shape: Shape) -> bool:
    match shape:
        case Record(members=members):
            return all(_is_empty(member.shape) for member in members)
        case Simple(kind=kind):
            return kind == "null"
        case Fixed(size=size):
            return size == 0
    return False


def _disagree(schema: Schema, info: inspect.Type, at: _Place) -> NotStraight:
    what = type(info).__name__.removesuffix("Type").lower()
    return NotStraight(f"{at.label}: the schema says {schema['type']}, the class says {what}")
