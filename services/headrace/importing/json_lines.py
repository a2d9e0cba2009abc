"""JSON Lines: one command a line, of any aggregate of the application.

    {"aggregate": "orders", "type": "PayOrder", "id": "536365",
     "fields": {"payment_id": "p-1", "amount": 13912, "currency": "GBP"}}

Optional beside these: command_id (a UUID; else it is derived from the source, the line's content and how often that
content came before), expected_version, issued_at (milliseconds since 1970), actor, correlation_id, causation_id. Money
is in minor units, a date is "2010-12-01". Blank lines are passed over; nothing else is passed over in silence.
"""

import json
from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import PurePath
from typing import Annotated, Any, BinaryIO, NoReturn
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from headrace.importing.fields import difference
from headrace.importing.imported import Asked, Imported, Reported, Unusable, derived_id
from headrace.importing.lines import text_lines
from headrace.kernel.app import App
from headrace.kernel.errors import Misconfigured
from headrace.kernel.message import CommandMeta

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


class Known:
    """The contents and command ids that came so far, from one file or from several in turn; some 200 bytes a line.

    Ids are derived from `source`, so that a line means the same when its file comes again, and another command in
    another file: without one the source is each file's own name, without folders.
    """

    def __init__(self, source: str | None = None) -> None:
        self._source = source
        self._times: Counter[bytes] = Counter()
        self._bodies: dict[bytes, bytes] = {}

    def derive(self, file: str, content: bytes) -> str:
        """The id of a content, other at each time that it comes."""
        source = PurePath(file).name if self._source is None else self._source
        digest = blake2b(source.encode() + b"\0" + content, digest_size=16).digest()
        self._times[digest] += 1
        return derived_id("json-lines", digest.hex(), str(self._times[digest]))

    def claim(self, command_id: str, body: bytes) -> None:
        """Refuse an id that came with another body before."""
        digest = blake2b(body, digest_size=16).digest()
        if self._bodies.setdefault(UUID(command_id).bytes, digest) != digest:
            raise Unusable("command_id used before", f"{command_id} came with another command earlier")


def read_json_lines(app: App, file: str, stream: BinaryIO, known: Known | None = None) -> Iterator[Imported]:
    """The command of each line, or the report of why it has none; `file` is what reports call the stream.

    `known` is what came before, when other files did.
    """
    known = known or Known()
    for line in text_lines(file, stream):
        if isinstance(line, Reported):
            yield line
            continue
        number, text = line
        try:
            yield _asked(app, known, file, number, text)
        except Unusable as problem:
            yield Reported(file, number, problem.reason, problem.detail)


def _asked(app: App, known: Known, file: str, number: int, text: str) -> Asked:
    raw, line = _parsed(text)
    command = _command(app, line)
    try:
        body = msgspec.json.encode([line.aggregate, line.id, line.type, command], order="sorted")
        msgspec.json.encode([line.actor, line.correlation_id, line.causation_id])
    except UnicodeEncodeError as error:
        raise Unusable("bad JSON", "a text has half of a surrogate pair") from error
    content = json.dumps(raw, sort_keys=True).encode()
    command_id = known.derive(file, content) if line.command_id is None else _checked_id(line.command_id)
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
    return Asked(line.aggregate, meta, command, file, number)


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
    problem = difference(line.fields, command, "fields")
    if problem:
        raise Unusable("wrong fields", f"{line.type}: {problem}")
    return command


def _checked_id(command_id: str) -> str:
    try:
        if str(UUID(command_id)) == command_id.lower():
            return command_id.lower()
    except ValueError:
        pass
    raise Unusable("command_id is no UUID", f"{command_id!r} is not in the 36 character form")
