"""What values mean beyond their bytes: Avro lets versions of a record change it, and nobody who reads would notice."""

from collections.abc import Iterator
from typing import Any

from headrace.avro.contract import Contract
from headrace.avro.schema import Schema, definitions


def changed_meanings(later: Contract, earlier: Contract) -> Iterator[str]:
    """Each value that two versions of a record, which can read each other, take for different things, a line each."""
    now, before = _meanings(later), _meanings(earlier)
    for place in now:
        if now[place] != before.get(place, now[place]):
            yield (
                f"{later.record}: {place} is {_said(now[place])} in version {later.versions} and "
                f"{_said(before[place])} in {earlier.versions}: leave it, and add a field, or take a new record name"
            )


def _meanings(contract: Contract) -> dict[str, set[str]]:
    """By place what may lie there: more than one thing in a union."""
    found: dict[str, set[str]] = {}
    for place, meaning in _walk(contract.schema, dict(definitions(contract.schema)), ""):
        found.setdefault(place, set()).add(meaning)
    return found


def _walk(schema: Schema, known: dict[str, dict[str, Any]], place: str) -> Iterator[tuple[str, str]]:
    if isinstance(schema, list):
        for branch in schema:
            yield from _walk(branch, known, place)
        return
    if isinstance(schema, str):
        schema = known.get(schema, {"type": schema})
    yield place, _meaning(schema)
    for field in schema.get("fields", ()):
        yield from _walk(field["type"], known, f"{place}.{field['name']}" if place else field["name"])
    for key, each in (("items", "[]"), ("values", "{}")):
        if key in schema:
            yield from _walk(schema[key], known, place + each)


def _meaning(schema: dict[str, Any]) -> str:
    if "logicalType" not in schema:
        return str(schema["type"])
    digits = [f"{key} {schema[key]}" for key in ("precision", "scale") if schema.get(key)]
    return f"{schema['type']} ({', '.join([str(schema['logicalType']), *digits])})"


def _said(meanings: set[str]) -> str:
    return " or ".join(sorted(meanings))
