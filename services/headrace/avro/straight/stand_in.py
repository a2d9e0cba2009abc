"""A class for a schema that has none: what an older version's records are, to be read as strictly as today's."""

from datetime import date
from typing import Any, Final, Union

from msgspec import defstruct

from headrace.avro.schema import Schema, definitions
from headrace.avro.straight.shape import NotStraight

PLAIN: Final[dict[str, Any]] = {
    "null": None,
    "boolean": bool,
    "int": int,
    "long": int,
    "float": float,
    "double": float,
    "bytes": bytes,
    "fixed": bytes,
    "string": str,
    "enum": str,
}


def stand_in_for(schema: Schema) -> Any:
    """A Struct with the fields of a record schema; `NotStraight` where the record contains itself."""
    return _type_of(schema, dict(definitions(schema)), ())


def _type_of(schema: Schema, known: dict[str, dict[str, Any]], above: tuple[str, ...]) -> Any:
    if isinstance(schema, list):
        return Union[tuple(_type_of(branch, known, above) for branch in schema)]  # noqa: UP007 - of as many as there are
    if isinstance(schema, str):
        schema = known.get(schema, {"type": schema})
    match schema["type"]:
        case "record" | "error":
            return _struct_of(schema, known, above)
        case "array":
            return list[_type_of(schema["items"], known, above)]  # type: ignore[misc]
        case "map":
            return dict[str, _type_of(schema["values"], known, above)]  # type: ignore[misc]
        case "int" if schema.get("logicalType") == "date":
            return date
        case kind if kind in PLAIN:
            return PLAIN[kind]
    raise NotStraight(f"no class can stand in for {schema['type']}")


def _struct_of(schema: dict[str, Any], known: dict[str, dict[str, Any]], above: tuple[str, ...]) -> Any:
    name = schema["name"]
    if name in above:
        raise NotStraight(f"{name} contains itself")
    # Attributes have names of their own: a field may be called by a word that is Python's.
    names = {f"field_{number}": field["name"] for number, field in enumerate(schema["fields"])}
    kinds = [_type_of(field["type"], known, (*above, name)) for field in schema["fields"]]
    return defstruct(name.rpartition(".")[2], list(zip(names, kinds, strict=True)), rename=names, frozen=True)
