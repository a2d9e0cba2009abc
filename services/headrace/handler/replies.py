"""What goes out for a command that came in: its events and its outcome, as bytes."""

from typing import Any, Final

from msgspec import Struct, structs

from headrace.avro.codec import Codec, Decoded, Undecodable
from headrace.handler.notes import Headers
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.errors import EventTooLarge, KeyParked, Rejected
from headrace.kernel.message import ACCEPTED, PARKED, REFUSED, EventMeta, Outcome, Writer

MAX_EVENT_BYTES: Final = 950_000
UNTOLD: Final = "The code of {} breaks on this command; it waits, with all that follows it, for a fixed version."


class Versioned(Struct, frozen=True):
    """An aggregate as it is after its newest event; version 0 is before its first."""

    version: int
    state: Any


class Answer(Struct, frozen=True):
    """What one record leads to: events with their type names, and an outcome; or why it is set aside, and neither.

    `parked` is why the command waits with its key. The answer to a redrive or a discard has the answers of the
    commands that it released, each with its trace, and the headers of the mark that says so.
    """

    key: str = ""
    events: list[tuple[str, bytes]] = []
    outcome: bytes = b""
    set_aside: Undecodable | None = None
    parked: Exception | None = None
    trace: Headers = []
    released: list["Answer"] = []
    mark: Headers = []


class Replies:
    """Writes the events and outcomes of one partition."""

    def __init__(self, aggregate: Aggregate[Any, Any, Any], codec: Codec, writer: Writer) -> None:
        self._name = aggregate.name
        self._event_types = frozenset(aggregate.event_types)
        self._codec = codec
        self._writer = writer

    def event(self, event: Any, meta: Any, after: Versioned, offset: int, at: int) -> tuple[str, bytes]:
        """An event with its meta and the state after it, under its type's name."""
        if type(event) not in self._event_types:
            raise TypeError(f"{type(event).__name__} is not an event of {self._name}")
        frame = self._codec.encode(
            event,
            EventMeta(
                after.version,
                f"{self._name}/{meta.aggregate_id}/{after.version}",
                meta.aggregate_id,
                at,
                meta.command_id,
                offset,
                meta.correlation_id or meta.command_id,
                meta.causation_id or meta.command_id,
                meta.actor,
                self._writer,
            ),
            after.state,
        )
        if len(frame) > MAX_EVENT_BYTES:
            raise EventTooLarge
        return type(event).__name__, frame

    def outcome(
        self, decoded: Decoded, offset: int, at: int, refusal: Exception | None, version: int, events: int = 0
    ) -> bytes:
        """How a command ends: accepted, refused by a `Rejected`, or parked for what is none or for `KeyParked`."""
        meta = decoded.meta
        result, code, message = (ACCEPTED, None, None) if refusal is None else self._verdict(refusal)
        return self._codec.encode(
            Outcome(
                command_id=meta.command_id,
                occurred_at=at,
                aggregate_id=meta.aggregate_id,
                command_type=decoded.contract.name,
                command_offset=offset,
                body_hash=decoded.body_hash,
                result=result,
                code=code,
                message=message,
                version=version,
                events=events,
                actor=meta.actor,
                correlation_id=meta.correlation_id or meta.command_id,
                causation_id=meta.causation_id or meta.command_id,
            )
        )

    def repeat(self, known: Outcome, offset: int, at: int) -> bytes:
        """The first answer again, for a resend."""
        return self._codec.encode(structs.replace(known, command_offset=offset, occurred_at=at, repeated=True))

    def _verdict(self, refusal: Exception) -> tuple[str, str, str]:
        """What an exception says may quote the command: only its class is told."""
        if isinstance(refusal, KeyParked):
            return PARKED, refusal.code, refusal.message
        if isinstance(refusal, Rejected):
            return REFUSED, refusal.code, refusal.message
        return PARKED, type(refusal).__name__, UNTOLD.format(self._name)
