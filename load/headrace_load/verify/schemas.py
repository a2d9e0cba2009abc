"""The verifier's own decoding: Confluent framing, ids of lock file or registry, fastavro for what services wrote.

What others wrote, commands, is walked instead: only what is a command to the letter is one.
"""

import json
from collections.abc import Callable
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Any, Final, NamedTuple

from fastavro import parse_schema, schemaless_reader
from fastavro.schema import SchemaParseException

from headrace_load.verify import walk
from headrace_load.verify.registry import Lookup
from headrace_load.verify.report import CannotVerify

PREFIX: Final = 5
ENVELOPE: Final = "headrace"
LARGEST: Final = 1_000_000
LARGEST_META: Final = 10_000
# What fastavro raises on bytes that are not what their schema says; UnicodeDecodeError is a ValueError.
BROKEN: Final = (
    EOFError, LookupError, ValueError, TypeError, ArithmeticError, MemoryError, RecursionError, StopIteration,
)  # fmt: skip


class NotARecordError(Exception):
    """The bytes are no record of a known schema; the message says why."""


class Form(NamedTuple):
    """A schema as it was locked, ready to read with; `meta` reads a record's first field alone.

    Of a command, `conditions` reads what its meta has after the two ids, and `body` walks the command's own fields.
    """

    domain: str
    name: str
    kind: str
    whole: Any
    meta: Any
    conditions: Callable[[bytes, int], tuple[dict[str, Any], int]] | None = None
    body: walk.Walk | None = None


class Asked(NamedTuple):
    """A command's form and ids, the hash that its outcome must have, and what its meta has beside the ids."""

    form: Form
    command_id: str
    aggregate_id: str
    body_hash: bytes
    conditions: dict[str, Any]


class Decoded(NamedTuple):
    """A record's schema and fields; times stay milliseconds, dates become dates."""

    form: Form
    fields: dict[str, Any]


class Schemas:
    """All schemas of a lock file, by id; by another id the one that the registry, if there is one, has under it."""

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        self._forms = {entry["id"]: _form(entry) for entry in entries}
        self._lookup = Lookup(entries)

    @classmethod
    def read(cls, folder: Path) -> "Schemas":
        """The schemas in the folder's `ids.json`."""
        path = folder / "ids.json"
        try:
            return cls(json.loads(path.read_bytes()))
        except OSError as error:
            raise CannotVerify(
                f"cannot read {path}: set HEADRACE_SCHEMAS or --schemas to the folder of ids.json"
            ) from error
        except (ValueError, LookupError, TypeError, SchemaParseException) as error:
            raise CannotVerify(f"{path} is no list of schemas ({error}): restore it from version control") from error

    @property
    def domains(self) -> list[str]:
        """The domains that have commands, in order of name; the engine's own commands make none."""
        return sorted({form.domain for form in self._forms.values() if form.kind == "command"} - {ENVELOPE})

    def decode(self, frame: bytes | None) -> Decoded:
        """The record in a value, read to its last byte."""
        if frame is None:
            raise NotARecordError("no value")
        form = self._form_of(frame)
        source = BytesIO(frame)
        source.seek(PREFIX)
        try:
            fields: Any = schemaless_reader(source, form.whole, None)
        except BROKEN as error:
            raise NotARecordError(f"not a {form.name}: {type(error).__name__}: {error}") from error
        if source.tell() != len(frame):
            raise NotARecordError(f"{len(frame) - source.tell()} bytes too many for a {form.name}")
        return Decoded(form, fields)

    def command(self, frame: bytes | None) -> Asked:
        """The command in a value, which must be one to its last bit."""
        if frame is None:
            raise NotARecordError("no value")
        form = self._form_of(frame)
        if form.conditions is None or form.body is None:
            raise NotARecordError(f"a {form.name}")
        try:
            command_id, at = walk.text(frame, PREFIX)
            aggregate_id, at = walk.text(frame, at)
            conditions, start = form.conditions(frame, at)
            end = form.body(frame, start)
        except walk.BROKEN as error:
            raise NotARecordError(f"not a {form.name}: {type(error).__name__}: {error}") from error
        if start > LARGEST_META:
            raise NotARecordError(f"{start} bytes of meta, more than the {LARGEST_META} that it may have")
        if end != len(frame):
            raise NotARecordError(f"{len(frame) - end} bytes too many for a {form.name}")
        body_hash = blake2b(b"%b\0%b" % (form.name.encode(), frame[start:]), digest_size=16).digest()
        return Asked(form, command_id, aggregate_id, body_hash, conditions)

    def meta(self, frame: bytes) -> dict[str, Any]:
        """The meta of an event, without the rest."""
        source = BytesIO(frame)
        source.seek(PREFIX)
        meta: dict[str, Any] = schemaless_reader(source, self._form_of(frame).meta, None)  # type: ignore[assignment]
        return meta

    def _form_of(self, frame: bytes) -> Form:
        if len(frame) > LARGEST:
            raise NotARecordError(f"{len(frame)} bytes, more than the {LARGEST} that a record may have")
        if len(frame) < PREFIX or frame[0] != 0:
            raise NotARecordError("not in Confluent framing")
        number = int.from_bytes(frame[1:PREFIX], "big")
        form = self._forms.get(number)
        return form or self._looked_up(number)

    def _looked_up(self, number: int) -> Form:
        locked = self._lookup.locked(number)
        if locked is None:
            raise NotARecordError(f"schema id {number} is not locked")
        self._forms[number] = self._forms[locked]
        return self._forms[number]


def _form(entry: dict[str, Any]) -> Form:
    schema: dict[str, Any] = _whole_number_times(entry["schema"])
    first: Any = schema["fields"][0]["type"] if schema["fields"] else "null"
    name, kind = entry["record"].rpartition(".")[2], entry["kind"]
    form = Form(entry["domain"], name, kind, parse_schema(schema), parse_schema(first))
    if kind != "command":
        return form
    ids, conditions = first["fields"][:2], first["fields"][2:]
    if [(field["name"], field["type"]) for field in ids] != [("command_id", "string"), ("aggregate_id", "string")]:
        raise ValueError(f"{entry['record']} does not begin with its ids")
    body = walk.walker({"type": "record", "name": name, "fields": schema["fields"][1:]})
    return form._replace(conditions=walk.optionals(conditions), body=body)


def _whole_number_times(schema: Any) -> Any:
    """The schema with times left as the numbers that they are on the wire; making datetimes of them costs too much."""
    if isinstance(schema, list):
        return [_whole_number_times(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    if str(schema.get("logicalType", "")).startswith("timestamp-"):
        return schema["type"]
    return {key: _whole_number_times(value) for key, value in schema.items()}
