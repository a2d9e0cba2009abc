"""What goes out for a command that came in: its events and its outcome, as bytes.

They repeat most of what surrounds their command, so its bytes are made once and put into each.
"""

from collections.abc import Sequence
from typing import Any, Final, NoReturn, TypeAlias

from msgspec import Struct, structs

from headrace.avro.codec import BROKEN, Codec, Decoded, unencodable
from headrace.avro.straight.to_bytes import LONG, NEAREST, SIZE, text
from headrace.handler.memory import Versioned
from headrace.handler.notes import Failure, Header
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.errors import EventTooLarge, KeyParked, Rejected
from headrace.kernel.message import (
    ACCEPTED,
    PARKED,
    REFUSED,
    CommandMeta,
    DiscardParked,
    Outcome,
    RedriveParked,
    Writer,
)
from headrace.observe.counting import Tally, Told

MAX_EVENT_BYTES: Final = 950_000
REPEATED: Final = "repeated"
UNTOLD: Final = "The code of {} breaks on this command; it waits, with all that follows it, for a fixed version."

Verdict: TypeAlias = tuple[bytes, bytes, bytes]
"""An outcome's result, code and message, as they are written."""
Asked: TypeAlias = tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes]
"""Command id, aggregate id, log-append time, offset, correlation id, causation id and actor, as they are written."""
NULL: Final = b"\0"
FALSE: Final = b"\0"
ACCEPTANCE: Final = (text(ACCEPTED), NULL, NULL)


class Answer(Struct, frozen=True, gc=False):
    """What one record leads to: events with their type names, and an outcome; or why it is set aside, and neither.

    `parked` is why the command waits with its key. The answer to a redrive or a discard has the answers of the
    commands that it released, each with its trace, and the headers of the mark that says so. Nothing here may lead
    back to it, as an exception does by its frames: the collector of cycles does not look into it.
    """

    key: str = ""
    events: Sequence[tuple[str, bytes]] = ()
    outcome: bytes = b""
    set_aside: Failure | None = None
    parked: Failure | None = None
    trace: Sequence[Header] = ()
    released: Sequence["Answer"] = ()
    mark: Sequence[Header] = ()


class Replies:
    """Writes the events and outcomes of one partition; `told` is what to count of the batch.

    `writer` is who writes the events, as it is written.
    """

    def __init__(self, aggregate: Aggregate[Any, Any, Any], codec: Codec, writer: Writer) -> None:
        self._name = aggregate.name
        self._codec = codec
        self._event_writers = {kind: (kind.__name__, codec.ready_writer(kind)) for kind in aggregate.event_types}
        self._write_outcome = codec.ready_writer(Outcome)
        commands = (*aggregate.command_types, RedriveParked, DiscardParked)
        self._long, self._text, self._text_or_null = codec.functions.singles
        self._command_names = {kind: text(kind.__name__) for kind in commands}
        self.writer = text(writer.instance) + self._long(writer.restored_to)
        self._at, self._at_bytes = 0, self._long(0)
        self._accepted = {kind: (kind.__name__, ACCEPTED, "") for kind in commands}
        self._verdicts: dict[type, tuple[Verdict, str, str]] = {}
        self.told = Tally()

    def accepted(
        self, decoded: Decoded, offset: int, at: int, steps: Sequence[tuple[Any, Versioned]], version: int
    ) -> tuple[list[tuple[str, bytes]], bytes]:
        """The events, each with the aggregate after it, under its type's name; and the outcome that says so."""
        asked = self._asked(decoded.meta, offset, at)
        command_id, name, when, where, correlation_id, causation_id, actor = asked
        events: list[tuple[str, bytes]] = []
        for event, after in steps:
            number = after.version
            event_id = self._text(f"{self._name}/{decoded.meta.aggregate_id}/{number}")
            kind, write = self._event_writers.get(type(event)) or self._refuse_foreign(event)
            try:
                frame = write(
                    LONG[number] if number < NEAREST else self._long(number),
                    event_id,
                    name,
                    when,
                    command_id,
                    where,
                    correlation_id,
                    causation_id,
                    actor,
                    self.writer,
                    event,
                    after.state,
                )
            except BROKEN as error:
                raise unencodable(kind, error) from error
            if len(frame) > MAX_EVENT_BYTES:
                raise EventTooLarge
            events.append((kind, frame))
        outcome = self._outcome(decoded, asked, ACCEPTANCE, version, len(events))
        self.told.commands.append(self._accepted[type(decoded.body)])
        for kind, _ in events:
            self.told.events.append(kind)
        return events, outcome

    def outcome(self, decoded: Decoded, offset: int, at: int, refusal: Exception | None, version: int) -> bytes:
        """How a command without events ends: refused by a `Rejected`, parked for anything else or for `KeyParked`."""
        verdict, told = ACCEPTANCE, self._accepted[type(decoded.body)]
        if refusal is not None:
            verdict, told = self.refused_as(refusal, told[0])
        written = self._outcome(decoded, self._asked(decoded.meta, offset, at), verdict, version, 0)
        self.told.commands.append(told)
        return written

    def accepted_as(self, kind: type) -> Told:
        """How an accepted command of a type is counted."""
        return self._accepted[kind]

    def refused_as(self, refusal: Exception, name: str) -> tuple[Verdict, Told]:
        """What the outcome of a command that is refused, or parked, says of that, and how it is counted."""
        kind = type(refusal)
        found = self._verdicts.get(kind)
        if found is None:
            result, code, message = self._verdict(refusal)
            found = (text(result), self._text_or_null(code), self._text_or_null(message)), result, code
            if getattr(kind, "code", None) is Rejected.code and getattr(kind, "message", None) is Rejected.message:
                self._verdicts[kind] = found  # all of a class say the same
        verdict, result, code = found
        return verdict, (name, result, code)

    def repeat(self, known: Outcome, offset: int, at: int) -> bytes:
        """The first answer again, for a resend."""
        self.told.commands.append((known.command_type, REPEATED, known.code or ""))
        return self._codec.encode(structs.replace(known, command_offset=offset, occurred_at=at, repeated=True))

    def _asked(self, meta: CommandMeta, offset: int, at: int) -> Asked:
        """What the records of an answer repeat of its command."""
        long, text = self._long, self._text
        if at != self._at:  # many records of a batch have one time
            self._at, self._at_bytes = at, long(at)
        command_id = text(meta.command_id)
        return (
            command_id,
            text(meta.aggregate_id),
            self._at_bytes,
            LONG[offset] if offset < NEAREST else long(offset),
            text(meta.correlation_id) if meta.correlation_id else command_id,
            text(meta.causation_id) if meta.causation_id else command_id,
            self._text_or_null(meta.actor),
        )

    def _outcome(self, decoded: Decoded, asked: Asked, verdict: Verdict, version: int, events: int) -> bytes:
        command_id, name, when, where, correlation_id, causation_id, actor = asked
        body_hash = decoded.body_hash
        result, code, message = verdict
        return self._write_outcome(
            command_id,
            when,
            name,
            self._command_names[type(decoded.body)],
            where,
            SIZE[len(body_hash)] + body_hash,
            result,
            code,
            message,
            LONG[version] if version < NEAREST else self._long(version),
            LONG[events] if events < NEAREST else self._long(events),
            FALSE,
            actor,
            correlation_id,
            causation_id,
        )

    def _verdict(self, refusal: Exception) -> tuple[str, str, str]:
        """Result, code and message; what an exception says may quote the command, so only its class is told."""
        if isinstance(refusal, KeyParked):
            return PARKED, refusal.code, refusal.message
        if isinstance(refusal, Rejected):
            return REFUSED, refusal.code, refusal.message
        return PARKED, type(refusal).__name__, UNTOLD.format(self._name)

    def _refuse_foreign(self, event: Any) -> NoReturn:
        raise TypeError(f"{type(event).__name__} is not an event of {self._name}")
