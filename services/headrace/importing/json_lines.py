"""JSON Lines: one command a line, of any aggregate of the application.

    {"aggregate": "orders", "type": "PayOrder", "id": "536365",
     "fields": {"payment_id": "p-1", "amount": 13912, "currency": "GBP"}}

Optional beside these: command_id (a UUID; else it is derived from the line's content and from how often that content
came before), expected_version, issued_at (milliseconds since 1970), actor, correlation_id, causation_id. Money is in
minor units, a date is "2010-12-01". Blank lines are passed over; nothing else is passed over in silence.
"""

import json
from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from typing import Annotated, Any, BinaryIO, NoReturn
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from headrace.importing.imported import Asked, Imported, Reported, Unusable, derived_id
from headrace.importing.lines import text_lines
from headrace.kernel.app import App
from headrace.kernel.errors import Misconfigured
from headrace.kernel.message import CommandMeta

LONG = range(-(2**63), 2**63)

Id = Annotated[str, Meta(min_length=1, max_length=200)]
Natural = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class CommandLine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a line holds; `fields` are the command's own."""

    aggregate: str
    type: str
    id: Id
    fields: dict[str, Any] = {}
    command_id: str | None = None
    expected_version: Natural | None = None
    issued_at: Natural | None = None
    actor: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None


def read_json_lines(app: App, file: str, stream: BinaryIO) -> Iterator[Imported]:
    """The command of each line, or the report of why it has none; `file` is what reports call the stream.

    Keeps some 200 bytes a line, to know contents and command ids again.
    """
    known = _Known()
    for line in text_lines(file, stream):
        if isinstance(line, Reported):
            yield line
            continue
        number, text = line
        try:
            yield _asked(app, known, text)
        except Unusable as problem:
            yield Reported(file, number, problem.reason, problem.detail)


class _Known:
    """The contents and command ids that the file held so far."""

    def __init__(self) -> None:
        self._times: Counter[bytes] = Counter()
        self._bodies: dict[bytes, bytes] = {}

    def derive(self, content: bytes) -> str:
        """The id of a content, other at each time that it comes."""
        digest = blake2b(content, digest_size=16).digest()
        self._times[digest] += 1
        return derived_id("json-lines", digest.hex(), str(self._times[digest]))

    def claim(self, command_id: str, body: bytes) -> None:
        """Refuse an id that the file gave another body before."""
        digest = blake2b(body, digest_size=16).digest()
        if self._bodies.setdefault(UUID(command_id).bytes, digest) != digest:
            raise Unusable("command_id used before", f"{command_id} came with another command earlier in the file")


def _asked(app: App, known: _Known, text: str) -> Asked:
    raw, line = _parsed(text)
    command = _command(app, line)
    try:
        body = msgspec.json.encode([line.aggregate, line.id, line.type, command], order="sorted")
    except UnicodeEncodeError as error:
        raise Unusable("bad JSON", "a text has half of a surrogate pair") from error
    content = json.dumps(raw, sort_keys=True).encode()
    command_id = known.derive(content) if line.command_id is None else _checked_id(line.command_id)
    known.claim(command_id, body)
    meta = CommandMeta(
        command_id=command_id,
        aggregate_id=line.id,
        expected_version=line.expected_version,
        issued_at=line.issued_at,
        actor=line.actor,
        correlation_id=line.correlation_id,
        causation_id=line.causation_id,
    )
    return Asked(line.aggregate, meta, command)


def _parsed(text: str) -> tuple[Any, CommandLine]:
    try:
        raw = json.loads(text, object_pairs_hook=_once_each, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Unusable("bad JSON", str(error)) from error
    try:
        return raw, msgspec.convert(raw, CommandLine)
    except msgspec.ValidationError as error:
        raise Unusable("not a command line", str(error)) from error


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named = dict(pairs)
    if len(named) < len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise ValueError(f"key {twice!r} comes twice")
    return named


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _command(app: App, line: CommandLine) -> Struct:
    try:
        aggregate = app.aggregate(line.aggregate)
    except Misconfigured as error:
        raise Unusable("unknown aggregate", str(error)) from error
    kinds = {kind.__name__: kind for kind in aggregate.command_types}
    if line.type not in kinds:
        raise Unusable("unknown type", f"{line.type!r}; {line.aggregate} takes {', '.join(kinds)}")
    try:
        command: Struct = msgspec.convert(line.fields, kinds[line.type])
    except msgspec.ValidationError as error:
        raise Unusable("wrong fields", f"{line.type}: {error}") from error
    problem = _difference(line.fields, msgspec.to_builtins(command), "fields")
    if problem:
        raise Unusable("wrong fields", f"{line.type}: {problem}")
    return command


def _difference(given: Any, kept: Any, path: str) -> str:
    """What the command did not take from the line, or what its record cannot hold; empty when all is well."""
    if isinstance(kept, int) and kept not in LONG:
        return f"{path} is out of the range of 64 bits"
    if isinstance(given, dict) and isinstance(kept, dict):
        unknown = [name for name in given if name not in kept]
        if unknown:
            return f"{path} has no {unknown[0]!r}"
        return next(filter(None, (_difference(given[name], kept[name], f"{path}.{name}") for name in given)), "")
    if isinstance(given, list) and isinstance(kept, list):
        pairs = enumerate(zip(given, kept, strict=True))
        return next(filter(None, (_difference(*pair, f"{path}[{place}]") for place, pair in pairs)), "")
    return ""


def _checked_id(command_id: str) -> str:
    try:
        if str(UUID(command_id)) == command_id.lower():
            return command_id.lower()
    except ValueError:
        pass
    raise Unusable("command_id is no UUID", f"{command_id!r} is not in the 36 character form")
