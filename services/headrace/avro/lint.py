"""What a schema may not be, because decoding it would be dangerous or its next version impossible."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import fastavro
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.errors import AvroException
from avro.schema import parse as parse_by_the_standard
from fastavro.schema import SchemaParseException, UnknownType

from headrace.avro.contract import Catalogue, Contract
from headrace.avro.defaults import default_of
from headrace.avro.meaning import changed_meanings
from headrace.avro.schema import NAMED, Schema, definitions, full_name
from headrace.kernel.errors import Misconfigured

MAX_DEPTH = 12
RESERVED = ("meta", "state")
# fastavro lets some mistakes pass that the standard's own parser names, and the other way round.
REFUSALS = (SchemaParseException, UnknownType, AvroException, KeyError, TypeError, ValueError)


def lint(contract: Contract) -> Iterator[str]:
    """What is wrong with one composed schema, a line each."""
    own = [field.get("name") for field in contract.schema["fields"]]
    reserved = [name for name in RESERVED if own.count(name) > 1]
    for name in reserved:
        yield f"{contract.record}: {name!r} is the name of a part that composition adds: rename the field"
    wrapped = list(_wrapped(contract.schema))
    for inner in wrapped:
        yield f"{contract.record}: not an Avro schema: write {json.dumps(inner)} without another type around it"
    if reserved or wrapped:
        return
    try:
        fastavro.parse_schema(contract.schema)
        parse_by_the_standard(json.dumps(contract.schema))
    except REFUSALS as error:
        yield f"{contract.record}: not an Avro schema: {type(error).__name__}: {error}"
        return
    known = dict(definitions(contract.schema))
    dangers = list(_walk(contract.schema, known, "", ()))
    # A record that contains itself could have defaults without end.
    for problem in dangers or _wrong_defaults(known):
        yield f"{contract.record}: {problem}"


def incompatibilities(catalogue: Catalogue) -> Iterator[str]:
    """Each pair of one record's versions of which either cannot read the other (FULL_TRANSITIVE), or misreads it."""
    for newest in catalogue.newest.values():
        history = catalogue.history(newest)
        for place, later in enumerate(history):
            for earlier in history[:place]:
                yield from _incompatible(later, earlier)


def _incompatible(later: Contract, earlier: Contract) -> Iterable[str]:
    if later.record != earlier.record:
        was = f"was {earlier.record} in version {earlier.versions}"
        return [f"{later.record}: {was}: a record keeps its namespace; leave it, or take a new record name"]
    return [*_unreadable(later, earlier), *_unreadable(earlier, later)] or changed_meanings(later, earlier)


def _unreadable(reader: Contract, writer: Contract) -> Iterator[str]:
    verdict = ReaderWriterCompatibilityChecker().get_compatibility(
        parse_by_the_standard(json.dumps(reader.schema)), parse_by_the_standard(json.dumps(writer.schema))
    )
    if verdict.compatibility is not SchemaCompatibilityType.compatible:
        why = "; ".join(sorted(verdict.messages))
        yield (
            f"{reader.record}: version {reader.versions} cannot read what {writer.versions} wrote ({why}); "
            f"add fields with defaults only, or take a new record name"
        )


def _walk(schema: Schema, known: dict[str, dict[str, Any]], space: str, above: tuple[str, ...]) -> Iterator[str]:
    """Recursion, depth, and items of no size: what lets a few bytes take the process down."""
    schema = (
        known.get(schema if "." in str(schema) else f"{space}.{schema}", schema) if isinstance(schema, str) else schema
    )
    if isinstance(schema, list):
        for branch in schema:
            yield from _walk(branch, known, space, above)
        return
    if not isinstance(schema, dict):
        return
    if len(above) > MAX_DEPTH:
        yield f"nested deeper than {MAX_DEPTH} levels: flatten it"
        return
    name = schema["type"] if schema["type"] not in NAMED else full_name(schema, space)
    if schema["type"] in NAMED:
        if name in above:
            yield f"{name} contains itself: a decoder can be made to recurse until it dies"
            return
        space = name.rpartition(".")[0]
    for key in ("items", "values"):
        if key in schema and _is_empty(schema[key], known, space):
            yield f"{schema['type']} of something that takes no bytes: five bytes could ask for millions"
    for child in _inside(schema):
        yield from _walk(child, known, space, (*above, name))


def _wrapped(schema: Schema) -> Iterator[Schema]:
    """What stands as the type of a type, which some parsers take and others do not."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _wrapped(branch)
    elif isinstance(schema, dict):
        if isinstance(schema["type"], (dict, list)):
            yield schema["type"]
        for child in _inside(schema):
            yield from _wrapped(child)


def _inside(schema: dict[str, Any]) -> list[Schema]:
    several = [schema[key] for key in ("items", "values") if key in schema]
    return [*(field["type"] for field in schema.get("fields", ())), *several]


def _wrong_defaults(known: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Defaults that are no values of their fields: records without these could not be read, or would hold anything."""
    for definition in known.values():
        for field in definition.get("fields", ()):
            try:
                if "default" in field:
                    default_of(field, known)
            except Misconfigured as error:
                yield str(error)


def _is_empty(schema: Schema, known: dict[str, dict[str, Any]], space: str) -> bool:
    if isinstance(schema, str):
        named = known.get(schema) or known.get(f"{space}.{schema}")
        return schema == "null" or (named is not None and _is_empty(named, known, space))
    if isinstance(schema, list):
        return False
    if schema["type"] in ("record", "error"):
        return all(_is_empty(field["type"], known, space) for field in schema["fields"])
    return bool(schema["type"] == "null" or (schema["type"] == "fixed" and schema["size"] == 0))
