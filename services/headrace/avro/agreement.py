"""Whether a message's Struct and its schema say the same: field for field, type for type."""

from collections.abc import Iterator
from typing import Any, Final

from msgspec import ValidationError, convert, inspect, structs

from headrace.avro.contract import ENVELOPE, Catalogue, split
from headrace.avro.defaults import default_of
from headrace.avro.schema import Schema, definitions
from headrace.avro.straight.shape import BOUNDS
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.app import App
from headrace.kernel.errors import Misconfigured
from headrace.kernel.message import CommandMeta, DiscardParked, EventMeta, Outcome, RedriveParked

LIKE: Final = {"int": "integer", "long": "integer", "enum": "string"}
SIMPLE: Final[dict[type, str]] = {
    inspect.StrType: "string",
    inspect.LiteralType: "string",
    inspect.EnumType: "string",
    inspect.IntType: "integer",
    inspect.BoolType: "boolean",
    inspect.FloatType: "double",
    inspect.BytesType: "bytes",
    inspect.DateType: "date",
}


def disagreements(app: App, catalogue: Catalogue) -> Iterator[str]:
    """What is in the app and not in its schemas, or the other way round, a line each."""
    yield from mismatches(app, catalogue)
    for aggregate in app.aggregates:
        known = {kind.__name__ for kind in _kinds(aggregate)}
        for domain, name in catalogue.newest:
            if domain == aggregate.name and name not in known:
                yield f"{name} has a schema in schemas/{domain} but no class in the app: keep it, or give an upcast"


def mismatches(app: App, catalogue: Catalogue) -> Iterator[str]:
    """Each message type that has no locked schema, or another one than its fields say, a line each."""
    own: tuple[type, ...] = (Outcome, RedriveParked, DiscardParked)
    for kind in own:
        contract = catalogue.newest.get((ENVELOPE, kind.__name__))
        if contract is None:
            yield f"{kind.__name__}, which is Headrace's own, has no locked schema: run `headrace schemas lock`"
        else:
            yield from _compare(kind, split(contract)[1], kind.__name__)
    for aggregate in app.aggregates:
        for kind in _kinds(aggregate):
            contract = catalogue.newest.get((aggregate.name, kind.__name__))
            if contract is None:
                path = f"schemas/{aggregate.name}/{kind.__name__}.v1.avsc"
                yield f"{kind.__name__} has no locked schema: write {path}, then `headrace schemas lock`"
                continue
            meta, body, state = split(contract)
            yield from _compare(CommandMeta if state is None else EventMeta, meta, f"{kind.__name__}.meta")
            yield from _compare(kind, body, kind.__name__)
            if state is not None:
                yield from _compare(aggregate.state_type, state, f"{kind.__name__}.state")


def _kinds(aggregate: Aggregate[Any, Any, Any]) -> tuple[type, ...]:
    return (*aggregate.command_types, *aggregate.event_types, *aggregate.upcasts)


def _compare(kind: type, schema: Schema, where: str) -> Iterator[str]:
    known = dict(definitions(schema))
    try:
        info = inspect.type_info(kind)
        in_code = _shape_of_type(info, ())
    except (Misconfigured, TypeError) as error:
        yield f"{where}: {error}"
        return
    in_schema = _shape_of_schema(schema, known, ())
    if in_code == in_schema:
        yield from _differing_values(info, schema, known, where, ())
    else:
        yield _differ(where, in_code, in_schema)


def _differ(where: str, in_code: Any, in_schema: Any) -> str:
    return (
        f"{where}: the class says {in_code}, the locked schema says {in_schema}: "
        f"make them agree, then `headrace schemas lock`"
    )


def _shape_of_type(info: inspect.Type, above: tuple[type, ...]) -> Any:
    """A value that is equal for a type and a schema of one meaning; `above` holds the records that this one is in."""
    if isinstance(info, inspect.StructType):
        if info.cls in above:
            return {"again": info.cls.__name__}
        if info.array_like:
            raise Misconfigured(f"{info.cls.__name__} is array_like, and records of older versions are not: drop that")
        return {field.encode_name: _shape_of_type(field.type, (*above, info.cls)) for field in info.fields}
    if isinstance(info, inspect.UnionType) and info.includes_none and len(info.types) == 2:  # noqa: PLR2004
        return {"nullable": _shape_of_type(min(info.types, key=_is_none), above)}
    if isinstance(info, (inspect.ListType, inspect.VarTupleType)):
        return [_shape_of_type(info.item_type, above)]
    if isinstance(info, inspect.DictType):
        return {"map": _shape_of_type(info.value_type, above)}
    if type(info) in SIMPLE:
        return SIMPLE[type(info)]
    what = type(info).__name__.removesuffix("Type").lower()
    raise Misconfigured(
        f"a message cannot hold a {what}: use str, int, float, bool, bytes, date, lists, Structs, | None"
    )


def _is_none(info: inspect.Type) -> bool:
    return isinstance(info, inspect.NoneType)


def _shape_of_schema(schema: Schema, known: dict[str, Any], above: tuple[str, ...]) -> Any:  # noqa: PLR0911 - one a kind
    if isinstance(schema, list):
        branches = [_shape_of_schema(branch, known, above) for branch in schema if branch != "null"]
        return {"nullable": branches[0]} if len(branches) == 1 and "null" in schema else {"union": schema}
    if isinstance(schema, str):
        if schema in above:
            return {"again": schema.rpartition(".")[2]}
        return _shape_of_schema(known[schema], known, above) if schema in known else LIKE.get(schema, schema)
    match schema["type"]:
        case "record":
            inside = (*above, schema["name"])
            return {field["name"]: _shape_of_schema(field["type"], known, inside) for field in schema["fields"]}
        case "array":
            return [_shape_of_schema(schema["items"], known, above)]
        case "map":
            return {"map": _shape_of_schema(schema["values"], known, above)}
        case simple:
            is_date = simple == "int" and schema.get("logicalType") == "date"
            return "date" if is_date else LIKE.get(simple, simple)


def _differing_values(
    info: Any, schema: Schema, known: dict[str, Any], where: str, above: tuple[type, ...]
) -> Iterator[str]:
    """Values and defaults that only one of a class and a schema of one shape can hold, a line each."""
    if isinstance(schema, list):
        [schema] = [branch for branch in schema if branch != "null"]
        info = min(info.types, key=_is_none)
    if isinstance(schema, str):
        schema = known.get(schema, {"type": schema})
    yield from _limits(info, where)
    match info:
        case inspect.StructType(cls=cls) if cls not in above:
            types = {field.encode_name: field.type for field in structs.fields(cls)}
            inside = {field.encode_name: field.type for field in info.fields}
            for field in schema["fields"]:
                place = f"{where}.{field['name']}"
                yield from _differing_values(inside[field["name"]], field["type"], known, place, (*above, cls))
                yield from _wrong_default(field, known, types[field["name"]], place)
        case inspect.ListType() | inspect.VarTupleType():
            yield from _differing_values(info.item_type, schema["items"], known, where, above)
        case inspect.DictType():
            yield from _limits(info.key_type, where)
            yield from _differing_values(info.value_type, schema["values"], known, where, above)
        case inspect.LiteralType() | inspect.EnumType():
            yield from _differing_choices(info, schema, where)


def _limits(info: inspect.Type, where: str) -> Iterator[str]:
    """What `Meta` demands: records are written without it, and would not be read, nor older ones when it changes."""
    demanded = [f"{name}={getattr(info, name)!r}" for name in BOUNDS if getattr(info, name, None) is not None]
    if demanded:
        yield (
            f"{where}: the class says Meta({', '.join(demanded)}), and records that are otherwise could not be read: "
            f"leave it out, and have decide refuse"
        )


def _differing_choices(info: Any, schema: Schema, where: str) -> Iterator[str]:
    """A text may have fewer values in the class, which may never have had others; an enum has those of its schema."""
    values = {member.value for member in info.cls} if isinstance(info, inspect.EnumType) else set(info.values)
    in_code = sorted(values, key=repr)
    if schema["type"] == "enum" and values != set(schema["symbols"]):
        yield _differ(where, in_code, sorted(schema["symbols"]))
    elif not all(isinstance(value, str) for value in values):
        yield _differ(where, in_code, "string")


def _wrong_default(field: dict[str, Any], known: dict[str, Any], kind: Any, where: str) -> Iterator[str]:
    """What an older record would get for a field that it lacks, and the class would refuse."""
    try:
        if "default" in field:
            convert(default_of(field, known), kind)
    except (Misconfigured, ValidationError) as error:
        yield f"{where}: the class does not take the default {field['default']!r} of the locked schema: {error}"
