"""Whether a message's Struct and its schema say the same: field for field, type for type."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import inspect

from headrace.avro.contract import Catalogue, split
from headrace.avro.schema import Schema, definitions
from headrace.kernel.app import App
from headrace.kernel.errors import Misconfigured

INTEGERS: Final = ("int", "long")
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
    """Each message type of the app that has no schema, or another one than its fields say, a line each."""
    for aggregate in app.aggregates:
        folder = f"schemas/{aggregate.name}"
        for kind in (*aggregate.command_types, *aggregate.event_types, *aggregate.upcasts):
            contract = catalogue.newest.get((aggregate.name, kind.__name__))
            if contract is None:
                yield f"{kind.__name__} has no schema: write {folder}/{kind.__name__}.v1.avsc and lock it"
                continue
            _, body, state = split(contract)
            yield from _compare(kind, body, kind.__name__)
            if state is not None:
                yield from _compare(aggregate.state_type, state, f"{kind.__name__}.state")
        known = {kind.__name__ for kind in (*aggregate.command_types, *aggregate.event_types, *aggregate.upcasts)}
        for domain, name in catalogue.newest:
            if domain == aggregate.name and name not in known:
                yield f"{name} has a schema in {folder} but no class in the app: keep the class, or give an upcast"


def _compare(kind: type, schema: Schema, where: str) -> Iterator[str]:
    in_code, in_schema = _shape_of_type(inspect.type_info(kind)), _shape_of_schema(schema, dict(definitions(schema)))
    if in_code != in_schema:
        yield f"{where}: the class says {in_code}, the schema says {in_schema}"


def _shape_of_type(info: inspect.Type) -> Any:
    if isinstance(info, inspect.StructType):
        return {field.encode_name: _shape_of_type(field.type) for field in info.fields}
    if isinstance(info, inspect.UnionType):
        branches = [branch for branch in info.types if not isinstance(branch, inspect.NoneType)]
        return {"nullable": _shape_of_type(branches[0])} if len(branches) < len(info.types) else "union"
    if isinstance(info, (inspect.ListType, inspect.VarTupleType)):
        return [_shape_of_type(info.item_type)]
    if isinstance(info, inspect.DictType):
        return {"map": _shape_of_type(info.value_type)}
    if type(info) in SIMPLE:
        return SIMPLE[type(info)]
    raise Misconfigured(
        f"a message cannot hold {msgspec.to_builtins(str(info))}: use str, int, bool, bytes, date, lists, Structs"
    )


def _shape_of_schema(schema: Schema, known: dict[str, Any]) -> Any:  # noqa: PLR0911 - one return a kind of schema
    if isinstance(schema, str):
        return (
            "integer" if schema in INTEGERS else _shape_of_schema(known[schema], known) if schema in known else schema
        )
    if isinstance(schema, list):
        branches = [branch for branch in schema if branch != "null"]
        return {"nullable": _shape_of_schema(branches[0], known)} if len(branches) == 1 else "union"
    match schema["type"]:
        case "record":
            return {field["name"]: _shape_of_schema(field["type"], known) for field in schema["fields"]}
        case "array":
            return [_shape_of_schema(schema["items"], known)]
        case "map":
            return {"map": _shape_of_schema(schema["values"], known)}
        case "enum":
            return "string"
        case _:
            simple = schema.get("logicalType", schema["type"])
            return simple if simple == "date" else _shape_of_schema(schema["type"], known)
