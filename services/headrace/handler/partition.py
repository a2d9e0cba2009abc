"""One owned partition: its aggregates as they are now, and how each command of it is answered.

No Kafka here: bytes in, records out. What a batch changes can be taken back until its transaction has committed.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from msgspec import structs

from headrace.avro.codec import Codec, Decoded, Undecodable, peek_version
from headrace.handler.admission import Admission
from headrace.handler.memory import Memory, Versioned
from headrace.handler.notes import Headers, failure_of, trace_of, why_released
from headrace.handler.parking import Parking, Waiting
from headrace.handler.release import reason_of, refuse_passing, release
from headrace.handler.replies import Answer, Replies
from headrace.handler.shortcut import shortcut
from headrace.handler.window import Window, is_first_answer
from headrace.kafka.records import headers_of
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.errors import CommandIdReused, Discarded, KeyParked, Rejected
from headrace.kernel.message import DiscardParked, Outcome, RedriveParked, Writer
from headrace.observe.counting import Tally
from headrace.observe.states import Held


class Partition:
    """The aggregates of one partition, owned by this process alone."""

    def __init__(
        self,
        aggregate: Aggregate[Any, Any, Any],
        codec: Codec,
        number: int,
        count: int,
        window: Window,
        writer: Writer,
        parking: Parking | None = None,
    ) -> None:
        self._aggregate = aggregate
        self._codec = codec
        self._place = (aggregate.command_topic, number)
        self._parking = parking or Parking()
        self._admission = Admission(number, count, window.span_ms)
        self._replies = Replies(aggregate, codec, writer)
        self._blank = Versioned(0, aggregate.initial)
        # Whether a command is the domain's or the engine's own.
        self._of_domain = dict.fromkeys(aggregate.command_types, True) | {RedriveParked: False, DiscardParked: False}
        self._memory = Memory(window)
        self._now = 0
        self.restore({})

    def restore(self, aggregates: dict[str, Versioned | bytes]) -> None:
        """Begin from the newest record of each aggregate, undecoded."""
        self._memory.aggregates = aggregates
        self._shortcut = shortcut(self._aggregate, self._codec, self._admission, self._replies, self._memory)

    def answer(
        self,
        key: bytes | None,
        value: bytes | None,
        offset: int,
        at: int,
        headers: Callable[[], Headers | None] = lambda: None,
    ) -> Answer:
        """Decide on one record; `at` is its log-append time. Each ends in an outcome, or is set aside."""
        if not self._parking.occupied:
            accepted = self._shortcut(key, value, offset, at)
            if accepted is not None:
                self._now = at
                return accepted
        try:
            decoded = self._codec.decode(value)
            of_domain = self._of_domain.get(type(decoded.body))
            if of_domain is None:
                raise Undecodable(f"a {decoded.contract.name} is not a command of {self._aggregate.name}")
        except Undecodable as error:
            return Answer(set_aside=failure_of(error))
        self._now = at
        meta = decoded.meta
        first = self._memory.window.find(meta.command_id)
        again = first and self._again(self._codec.decode(first).body, decoded, offset, at)
        if again:
            return again
        if not of_domain:
            return self._settle(key, decoded, offset, at)
        try:
            if self._parking.occupied and self._parking.queue(meta.aggregate_id):
                raise KeyParked
            return self._decide(key, decoded, offset, at)
        except Exception as error:  # noqa: BLE001 - whatever the domain's code raises
            refuse_passing(error)
            return self._park(decoded, Waiting(key, value or b"", offset, at, trace_of(headers_of(headers))), error)

    def commit(self) -> Tally:
        """The batch's transaction is committed: what it changed is now how things are. Returns what to count."""
        self._memory.commit(self._now)
        self._parking.commit()
        told, self._replies.told = self._replies.told, Tally()
        return told

    def discard(self) -> None:
        """The batch's transaction is aborted: nothing has changed."""
        self._memory.discard()
        self._parking.discard()
        self._replies.told = Tally()

    @property
    def held(self) -> Held:
        """How much is in memory."""
        keys, records = self._parking.size
        return Held(keys, records, len(self._memory.aggregates), outcomes=len(self._memory.window))

    @property
    def log_time(self) -> int:
        """The log-append time of the newest command answered, in milliseconds; 0 before the first."""
        return self._now

    def _decide(self, key: bytes | None, decoded: Decoded, offset: int, at: int) -> Answer:
        """The domain's answer, or the engine's refusal; any other exception is our code's fault and changes nothing."""
        meta = decoded.meta
        name = meta.aggregate_id
        now = self._memory.aggregates.get(name)
        if type(now) is not Versioned:
            now = self._touch(name)
        try:
            self._admission.admit(key, meta, now.version, at)
            after, steps = now, []
            for event in self._aggregate.decide(decoded.body, now.state, at):
                after = Versioned(after.version + 1, self._aggregate.evolve(after.state, event))
                steps.append((event, after))
            events, outcome = self._replies.accepted(decoded, offset, at, steps, after.version)
        except Rejected as error:
            events, outcome = [], self._replies.outcome(decoded, offset, at, error, now.version)
        if events:
            self._memory.change(name, after)
        self._memory.answered(meta.command_id, outcome)
        return Answer(name, events, outcome)

    def _again(self, known: Outcome, decoded: Decoded, offset: int, at: int) -> Answer | None:
        """The answer to a command whose id was answered before; None where that is too long ago, or no first answer."""
        if at - known.occurred_at > self._memory.window.span_ms or not is_first_answer(known):
            return None
        name = decoded.meta.aggregate_id
        if known.body_hash == decoded.body_hash and known.aggregate_id == name:
            return Answer(name, outcome=self._replies.repeat(known, offset, at))
        # The same id with another body is refused, and not remembered.
        return Answer(name, outcome=self._replies.outcome(decoded, offset, at, CommandIdReused(), 0))

    def _touch(self, name: str) -> Versioned:
        """The aggregate as it is, decoded when it is touched first."""
        aggregates = self._memory.aggregates
        found = aggregates.get(name)
        if found is None:
            return self._blank
        if isinstance(found, bytes):
            record = self._codec.decode(found)
            if record.meta.version < 1:
                raise Undecodable(f"an event of version {record.meta.version}: the first one is 1")
            found = aggregates[name] = Versioned(record.meta.version, record.state)
        return found

    def _version(self, name: str) -> int:
        """The aggregate's version, without a look at its state; 0 where a damaged event tells none."""
        found = self._memory.aggregates.get(name, self._blank)
        if not isinstance(found, bytes):
            return found.version
        with suppress(Undecodable):
            return max(0, peek_version(found))
        return 0

    def _park(self, decoded: Decoded, waiting: Waiting, error: Exception) -> Answer:
        """Let a command wait, the first of its aggregate for an error of our code, the others for `KeyParked`."""
        name = decoded.meta.aggregate_id
        self._parking.add(name, waiting)
        outcome = self._replies.outcome(decoded, waiting.offset, waiting.at, error, self._version(name))
        self._memory.answered(decoded.meta.command_id, outcome)
        return Answer(name, outcome=outcome, parked=failure_of(error))

    def _settle(self, key: bytes | None, decoded: Decoded, offset: int, at: int) -> Answer:
        """Redrive or discard what waits for an aggregate, as far as that goes."""
        meta = decoded.meta
        name = meta.aggregate_id
        released: list[Answer] = []
        mark: Headers = []
        refusal: Rejected | None = None
        try:
            self._admission.admit(key, meta, self._version(name), at)
            reason = reason_of(decoded.body)
            queue = self._parking.queue(name)
            released, refusal = release(queue, lambda waiting: self._once_more(waiting, discard=reason is not None))
            if released:
                mark = why_released((*self._place, offset, at), meta, queue[len(released) - 1].offset, reason)
                self._parking.release(name, len(released))
        except Rejected as error:
            refusal = error
        outcome = self._replies.outcome(decoded, offset, at, refusal, self._version(name))
        self._memory.answered(meta.command_id, outcome)
        return Answer(name, outcome=outcome, released=released, mark=mark)

    def _once_more(self, waiting: Waiting, *, discard: bool) -> Answer:
        """Answer a command that waits as if it had come just now, but for its offset and its time."""
        try:
            decoded = self._codec.decode(waiting.value)
        except Undecodable as error:
            raise Undecodable(str(error)) from error  # an unknown schema too: the code that parked it knew it
        meta, offset, at = decoded.meta, waiting.offset, waiting.at
        known = self._memory.window.find(meta.command_id)
        if discard:
            outcome = self._replies.outcome(decoded, offset, at, Discarded(), self._version(meta.aggregate_id))
            answer = Answer(meta.aggregate_id, outcome=outcome)
            self._memory.answered(meta.command_id, outcome)
        else:
            answer = self._decide(waiting.key, decoded, offset, at)
        if known is not None and self._codec.decode(known).body.command_offset > offset:
            self._memory.answered(meta.command_id, known)  # the id was used again since: resends mean that command
        return structs.replace(answer, trace=waiting.trace)
