"""What fastavro would let pass and other readers of the log would not: refused by the schemas that it is given."""

from typing import Any, Final, NoReturn

from fastavro import parse_schema
from fastavro.read import LOGICAL_READERS
from fastavro.write import LOGICAL_WRITERS

from headrace.avro.defaults import default_of
from headrace.avro.schema import Schema, definitions

CHECKED_INT: Final = {"type": "int", "logicalType": "headrace-int"}
SMALLEST: Final = -(2**31)
LARGEST: Final = 2**31 - 1


class Choices(list[Any]):
    """The branches of a union or the symbols of an enum, none of which has a negative index.

    In Python such an index counts from the end, so that hostile bytes would choose the last branch. fastavro's compiled
    reader asks a list for its length only to turn such an index around: refusing there costs the others nothing, where
    a `__getitem__` would cost a command a quarter of its decoding.
    """

    def __len__(self) -> NoReturn:
        """Asked for by a negative index, and by nothing else."""
        raise IndexError("a negative index in a union or an enum")


def as_written(schema: Schema) -> Schema:
    """What bytes are read or written by, in fastavro's form, guarded."""
    parsed = parse_schema(_on_the_wire(schema))
    _guard(parsed)
    return parsed


def as_wanted(schema: Schema) -> Schema:
    """What older records are resolved to, with defaults as values: fastavro gives them as they stand in the schema."""
    parsed = parse_schema(_on_the_wire(schema))
    known = dict(definitions(parsed))
    fields = [field for definition in known.values() for field in definition.get("fields", ()) if "default" in field]
    # All are read before the first is replaced: a record's default may leave out what has a default of its own.
    for field, value in [(field, default_of(field, known)) for field in fields]:
        field["default"] = value
    return parsed


def _on_the_wire(schema: Schema) -> Schema:
    """Of the logical types only dates are left, the others stay as they are on the wire."""
    if isinstance(schema, list):
        return [_on_the_wire(branch) for branch in schema]
    if isinstance(schema, str):
        return CHECKED_INT if schema == "int" else schema
    if schema.get("logicalType") == "date":
        return schema
    whole = {key: value for key, value in schema.items() if key != "logicalType"}
    if "fields" in whole:
        whole["fields"] = [{**field, "type": _on_the_wire(field["type"])} for field in whole["fields"]]
    for key in ("items", "values"):
        if key in whole:
            whole[key] = _on_the_wire(whole[key])
    return CHECKED_INT if whole["type"] == "int" else whole


def _guard(parsed: Schema) -> Schema:
    """Put `Choices` in the place of lists; in place, because fastavro keeps each definition in two places."""
    if isinstance(parsed, list):
        return Choices(_guard(branch) for branch in parsed)
    if isinstance(parsed, dict):
        for field in parsed.get("fields", ()):
            field["type"] = _guard(field["type"])
        for key in ("items", "values"):
            if key in parsed:
                parsed[key] = _guard(parsed[key])
        if "symbols" in parsed:
            parsed["symbols"] = Choices(parsed["symbols"])
    return parsed


def _in_range(number: int, *_schemas: Schema) -> int:
    if not SMALLEST <= number <= LARGEST:
        raise OverflowError(f"{number} in an int of 32 bits")
    return number


LOGICAL_READERS["int-headrace-int"] = LOGICAL_WRITERS["int-headrace-int"] = _in_range
