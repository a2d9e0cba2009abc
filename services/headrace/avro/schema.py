"""Avro schemas as plain values: walking them, making one stand alone, giving it an id."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any, TypeAlias

Schema: TypeAlias = Any  # str | list | dict, as JSON has it

FIRST_PRINTABLE, PRINTABLE = 0x21, 94
NAMED = ("record", "enum", "fixed", "error")


def full_name(schema: dict[str, Any], namespace: str) -> str:
    """Name and namespace of a named type, as Avro joins them."""
    name: str = schema["name"]
    if "." in name:
        return name
    space = schema.get("namespace", namespace)
    return f"{space}.{name}" if space else name


def definitions(schema: Schema, namespace: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every named type that the schema defines, under its full name."""
    if isinstance(schema, list):
        for branch in schema:
            yield from definitions(branch, namespace)
    elif isinstance(schema, dict):
        if schema["type"] in NAMED:
            name = full_name(schema, namespace)
            yield name, schema
            namespace = name.rpartition(".")[0]
        for inner in _inner(schema):
            yield from definitions(inner, namespace)


def standing_alone(schema: Schema, known: dict[str, dict[str, Any]], namespace: str, placed: set[str]) -> Schema:
    """The schema with each named type defined where it first stands and named by its full name after that.

    `known` holds the definitions that names may refer to; `placed` those that stand before, and is added to.
    """
    if isinstance(schema, list):
        return [standing_alone(branch, known, namespace, placed) for branch in schema]
    if isinstance(schema, str):
        name = schema if "." in schema or not namespace else f"{namespace}.{schema}"
        if name not in known:
            return schema
        return name if name in placed else standing_alone(known[name], known, name.rpartition(".")[0], placed)
    if schema["type"] not in NAMED:
        keys = [key for key in ("items", "values") if key in schema] or ["type"]
        return {**schema, **{key: standing_alone(schema[key], known, namespace, placed) for key in keys}}
    name = full_name(schema, namespace)
    if name in placed:
        return name
    placed.add(name)
    space = name.rpartition(".")[0]
    whole = {**schema, "name": name}
    whole.pop("namespace", None)
    if "fields" in schema:
        whole["fields"] = [
            {**field, "type": standing_alone(field["type"], known, space, placed)} for field in schema["fields"]
        ]
    return whole


def schema_id(schema: Schema) -> int:
    """An id from the schema's fingerprint: four printable ASCII bytes, far above what registries count up to.

    The fingerprint covers all that a reader may act on (defaults and logical types too), not the documentation.
    Printable, so that a record framed by hand survives text tools such as Kafka's console producer.
    """
    digest = hashlib.sha256(canonical(schema).encode()).digest()
    return int.from_bytes(bytes(FIRST_PRINTABLE + byte % PRINTABLE for byte in digest[:4]), "big")


def canonical(schema: Schema) -> str:
    """The same text for schemas that differ in their documentation only."""
    return json.dumps(_without_doc(schema), sort_keys=True, separators=(",", ":"))


def _without_doc(schema: Schema) -> Schema:
    """Without the documentation of types and fields: elsewhere, as in the default of a map, `doc` is like any other."""
    if isinstance(schema, list):
        return [_without_doc(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if key != "doc"}
    return kept | {key: _without_doc(kept[key]) for key in ("type", "fields", "items", "values") if key in kept}


def _inner(schema: dict[str, Any]) -> Iterator[Schema]:
    for field in schema.get("fields", ()):
        yield field["type"]
    for key in ("items", "values"):
        if key in schema:
            yield schema[key]
    if isinstance(schema["type"], (dict, list)):
        yield schema["type"]
