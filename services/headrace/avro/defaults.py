"""What a default in a schema stands for: JSON has neither bytes nor dates, and writes them as text and as numbers."""

import json
from datetime import date
from math import isfinite
from typing import Any, Final

from headrace.avro.schema import Schema
from headrace.avro.straight.from_bytes import EPOCH
from headrace.kernel.errors import Misconfigured

BITS: Final = {"int": 32, "long": 64}
IN_JSON: Final[dict[str, tuple[type, ...]]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "int": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "string": (str,),
    "bytes": (str,),
    "fixed": (str,),
    "enum": (str,),
}


def default_of(field: dict[str, Any], known: dict[str, dict[str, Any]]) -> Any:
    """What stands in for a field that was not written; `Misconfigured` where its default is no value of its type.

    `known` holds the definitions that names refer to.
    """
    try:
        return _value(field["default"], field["type"], known)
    except (ValueError, OverflowError) as error:
        raise Misconfigured(f"the default of {field['name']} does not fit: {error}") from error


def _value(default: Any, schema: Schema, known: dict[str, dict[str, Any]]) -> Any:
    if isinstance(schema, list):
        return _value(default, schema[0], known)  # the default of a union is one of its first branch
    if isinstance(schema, str):
        schema = known.get(schema, {"type": schema})
    match schema["type"], default:
        case "array", list():
            return [_value(item, schema["items"], known) for item in default]
        case "map", dict():
            return {key: _value(item, schema["values"], known) for key, item in default.items()}
        case "record" | "error", dict() if default.keys() <= {field["name"] for field in schema["fields"]}:
            return {field["name"]: _value_of_field(default, field, known) for field in schema["fields"]}
        case "fixed", str() if len(default) != schema["size"]:
            pass
        case "enum", str() if default not in schema["symbols"]:
            pass
        case _ if type(default) in IN_JSON.get(schema["type"], ()):
            return _simple_value(default, schema)
    raise ValueError(f"{json.dumps(default)} is no {schema.get('name', schema['type'])}")


def _simple_value(default: Any, schema: dict[str, Any]) -> Any:
    match schema["type"]:
        case "int" | "long" as kind:
            if not -(2 ** (BITS[kind] - 1)) <= default < 2 ** (BITS[kind] - 1):
                raise ValueError(f"{default} takes more than {BITS[kind]} bits")
            is_date = kind == "int" and schema.get("logicalType") == "date"
            return date.fromordinal(default + EPOCH) if is_date else default
        case "float" | "double":
            if not isfinite(default):
                raise ValueError(f"{default} is no number")
            return float(default)
        case "bytes" | "fixed":
            return default.encode("latin-1")
    return default


def _value_of_field(default: dict[str, Any], field: dict[str, Any], known: dict[str, dict[str, Any]]) -> Any:
    """A field of a record's default, which may leave out what has a default of its own."""
    name = field["name"]
    if name not in default and "default" not in field:
        raise ValueError(f"{json.dumps(default)} lacks {name}")
    return _value(default.get(name, field.get("default")), field["type"], known)
