"""One owned partition: its aggregates as they are now, and how each command of it is answered.

No Kafka here: bytes in, records out. What a batch changes lies in an overlay until its transaction has committed.
"""

import re
from typing import Any, Final

from confluent_kafka import murmur2
from msgspec import Struct, structs

from headrace.avro.codec import Codec, Decoded, Undecodable
from headrace.handler.window import SKEW_MS, Window, is_first_answer
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.errors import (
    AggregateIdInvalid,
    CommandIdInvalid,
    CommandIdReused,
    EnvelopeInvalid,
    EventTooLarge,
    Expired,
    Fault,
    IssuedInTheFuture,
    KeyMismatch,
    Rejected,
    VersionConflict,
    WrongPartition,
)
from headrace.kernel.message import ACCEPTED, REFUSED, CommandMeta, EventMeta, Outcome, Writer

MAX_EVENT_BYTES: Final = 950_000
MAX_ID_LENGTH: Final = 200
UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Versioned(Struct, frozen=True):
    """An aggregate as it is after its newest event; version 0 is before its first."""

    version: int
    state: Any


class Answer(Struct, frozen=True):
    """What one record leads to: events with their type names, and an outcome; or why it is set aside, and neither."""

    key: str = ""
    events: list[tuple[str, bytes]] = []
    outcome: bytes = b""
    set_aside: Undecodable | None = None


class Partition:
    """The aggregates of one partition, owned by this process alone."""

    def __init__(
        self, aggregate: Aggregate[Any, Any, Any], codec: Codec, number: int, count: int, window: Window, writer: Writer
    ) -> None:
        self._aggregate = aggregate
        self._codec = codec
        self._number = number
        self._count = count
        self._window = window
        self._writer = writer
        self._blank = Versioned(0, aggregate.initial)
        self._command_types = frozenset(aggregate.command_types)
        self._event_types = frozenset(aggregate.event_types)
        self._aggregates: dict[str, Versioned | bytes] = {}
        self._overlay: dict[str, Versioned] = {}
        self._answered: dict[str, bytes] = {}
        self._now = 0

    def restore(self, aggregates: dict[str, Versioned | bytes]) -> None:
        """Begin from the newest record of each aggregate, undecoded."""
        self._aggregates = aggregates

    def answer(self, key: bytes | None, value: bytes | None, offset: int, at: int) -> Answer:
        """Decide on one record; `at` is its log-append time. Each ends in an outcome, or is set aside."""
        try:
            decoded = self._codec.decode(value)
            if type(decoded.body) not in self._command_types:
                raise Undecodable(f"a {decoded.contract.name} is not a command of {self._aggregate.name}")
        except Undecodable as error:
            return Answer(set_aside=error)
        self._now = at
        command_id = decoded.meta.command_id
        first = self._answered.get(command_id) or self._window.find(command_id)
        if first is not None:
            known = self._codec.decode(first).body
            if at - known.occurred_at <= self._window.span_ms and is_first_answer(known):
                return self._repeat(known, decoded, offset, at)
        return self._decide(key, decoded, offset, at)

    def commit(self) -> None:
        """The batch's transaction is committed: what it changed is now how things are."""
        self._aggregates.update(self._overlay)
        self._window.remember(self._answered, self._now)
        self.discard()

    def discard(self) -> None:
        """The batch's transaction is aborted: nothing has changed."""
        self._overlay = {}
        self._answered = {}

    def _decide(self, key: bytes | None, decoded: Decoded, offset: int, at: int) -> Answer:
        meta = decoded.meta
        name = meta.aggregate_id
        now = self._overlay.get(name) or self._touch(name)
        encoded: list[tuple[str, bytes]] = []
        refusal: Rejected | None = None
        after = now
        try:
            self._admit(key, meta, now, at)
            for event in self._aggregate.decide(decoded.body, now.state, at):
                after = Versioned(after.version + 1, self._aggregate.evolve(after.state, event))
                encoded.append(self._encode(event, meta, after, offset, at))
        except Rejected as error:
            refusal, encoded, after = error, [], now
        except Exception as error:
            raise Fault(
                f"{decoded.contract.name} {meta.command_id} at {self._aggregate.command_topic}[{self._number}] offset "
                f"{offset} breaks the code of {self._aggregate.name}: {type(error).__name__}: {error}"
            ) from error
        outcome = self._outcome(decoded, offset, at, refusal, after.version, len(encoded))
        if encoded:
            self._overlay[name] = after
        self._answered[meta.command_id] = outcome
        return Answer(name, encoded, outcome)

    def _admit(self, key: bytes | None, meta: CommandMeta, now: Versioned, at: int) -> None:
        """What the engine itself refuses, before the domain is asked."""
        if key is None or key != meta.aggregate_id.encode():
            raise KeyMismatch
        if now.version == 0:
            self._refuse_bad_key(key, meta.aggregate_id)
        if not UUID.fullmatch(meta.command_id):
            raise CommandIdInvalid
        for text in (meta.actor, meta.correlation_id, meta.causation_id):
            if text is not None and (len(text) > MAX_ID_LENGTH or "\0" in text):
                raise EnvelopeInvalid
        if meta.issued_at is not None:
            if at - meta.issued_at > self._window.span_ms - SKEW_MS:
                raise Expired
            if meta.issued_at - at > SKEW_MS:
                raise IssuedInTheFuture
        if meta.expected_version is not None and meta.expected_version != now.version:
            raise VersionConflict

    def _refuse_bad_key(self, key: bytes, aggregate_id: str) -> None:
        """Checked until the aggregate's first event is there; after it, the key is known to be right."""
        if not 0 < len(aggregate_id) <= MAX_ID_LENGTH or "\0" in aggregate_id:
            raise AggregateIdInvalid
        if murmur2(key, self._count) != self._number:
            raise WrongPartition

    def _touch(self, name: str) -> Versioned:
        """The aggregate as it is, decoded when it is touched first."""
        found = self._aggregates.get(name)
        if found is None:
            return self._blank
        if isinstance(found, bytes):
            record = self._codec.decode(found)
            found = self._aggregates[name] = Versioned(record.meta.version, record.state)
        return found

    def _encode(self, event: Any, meta: Any, after: Versioned, offset: int, at: int) -> tuple[str, bytes]:
        if type(event) not in self._event_types:
            raise TypeError(f"{type(event).__name__} is not an event of {self._aggregate.name}")
        frame = self._codec.encode(
            event,
            EventMeta(
                after.version,
                f"{self._aggregate.name}/{meta.aggregate_id}/{after.version}",
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

    def _outcome(
        self, decoded: Decoded, offset: int, at: int, refusal: Rejected | None, version: int, events: int
    ) -> bytes:
        meta = decoded.meta
        return self._codec.encode(
            Outcome(
                command_id=meta.command_id,
                occurred_at=at,
                aggregate_id=meta.aggregate_id,
                command_type=decoded.contract.name,
                command_offset=offset,
                body_hash=decoded.body_hash,
                result=REFUSED if refusal else ACCEPTED,
                code=refusal.code if refusal else None,
                message=refusal.message if refusal else None,
                version=version,
                events=events,
                actor=meta.actor,
                correlation_id=meta.correlation_id or meta.command_id,
                causation_id=meta.causation_id or meta.command_id,
            )
        )

    def _repeat(self, known: Outcome, decoded: Decoded, offset: int, at: int) -> Answer:
        """Answer a resend as the first time; the same id with another body is refused and not remembered."""
        name = decoded.meta.aggregate_id
        if known.body_hash != decoded.body_hash or known.aggregate_id != name:
            return Answer(name, outcome=self._outcome(decoded, offset, at, CommandIdReused(), 0, 0))
        again = structs.replace(known, command_offset=offset, occurred_at=at, repeated=True)
        return Answer(name, outcome=self._codec.encode(again))
