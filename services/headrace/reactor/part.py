"""One owned partition of events or of answers: what each record leads to, and which keys wait.

No Kafka here: bytes in, records out. What a batch changes lies in an overlay until its transaction has committed.
"""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from headrace.avro.codec import Codec, Undecodable
from headrace.handler.notes import Failure, Headers, failure_of, trace_of, why_released
from headrace.handler.parking import Parking, Waiting
from headrace.handler.release import refuse_passing
from headrace.kafka.records import Place, headers_of
from headrace.kernel.errors import KeyParked
from headrace.kernel.message import CommandMeta, Fact, Outcome
from headrace.kernel.reactor import Answered, Reactor
from headrace.observe.states import Held
from headrace.reactor.messages import Cause, Message, Messages


class Reacted(Struct, frozen=True):
    """What one record leads to: records; or why it waits with its key.

    `mark` has the headers of the mark that releases records which waited, and is for a release alone.
    """

    key: str = ""
    messages: list[Message] = []
    parked: Failure | None = None
    mark: Headers = []


class SourcePart:
    """What is read of one partition by one reactor; all of an aggregate id in its order, or not at all."""

    def __init__(
        self, reactor: Reactor, aggregate: str, codec: Codec, messages: Messages, place: Place, parking: Parking
    ) -> None:
        self._reactor = reactor
        self._aggregate = aggregate
        self._codec = codec
        self._messages = messages
        self._place = place
        self._parking = parking
        self._react = self._to_outcome if place[0].endswith(".outcomes") else self._to_event
        # What waited when this process took over is tried once more: the code may be a fixed version.
        self._to_retry = parking.occupied
        self.log_time = 0

    def answer(
        self, key: bytes | None, value: bytes | None, offset: int, at: int, headers: Callable[[], Headers | None]
    ) -> Reacted:
        """React to one record; `at` is its log-append time."""
        self.log_time = at
        name = (key or b"").decode(errors="replace")
        try:
            if self._parking.occupied and self._parking.queue(name):
                raise KeyParked
            if value is None:
                return Reacted(name)  # an erased aggregate
            return Reacted(name, self._react(value, offset, at, headers))
        except Exception as error:  # noqa: BLE001 - whatever the reactor's code raises
            refuse_passing(error)
            self._parking.add(name, Waiting(key, value or b"", offset, at, trace_of(headers_of(headers))))
            return Reacted(name, parked=failure_of(error))

    def due(self) -> list[Reacted]:
        """What those who wait lead to, once after each takeover: by key, in order, up to the first that fails."""
        if not self._to_retry:
            return []
        self._to_retry = False
        return [released for name in self._parking.keys for released in self._once_more(name)]

    def commit(self) -> None:
        """The transaction is committed."""
        self._parking.commit()

    def discard(self) -> None:
        """The transaction is aborted: nothing has changed."""
        self._parking.discard()
        self._to_retry = self._to_retry or self._parking.occupied

    @property
    def held(self) -> Held:
        """How much is in memory."""
        keys, records = self._parking.size
        return Held(keys, records)

    def _once_more(self, name: str) -> list[Reacted]:
        queue, done = list(self._parking.queue(name)), []
        for waiting in queue:
            try:
                done.append(self._to_waiting(waiting))
            except Exception as error:  # noqa: BLE001 - whatever the reactor's code raises
                refuse_passing(error)
                break
        if not done:
            return []
        last = queue[len(done) - 1]
        meta = CommandMeta(command_id="", aggregate_id=name, actor=self._reactor.actor)
        self._parking.release(name, len(done))
        mark = why_released((*self._place, last.offset, last.at), meta, last.offset, None)
        return [Reacted(name, [message for messages in done for message in messages], mark=mark)]

    def _to_waiting(self, waiting: Waiting) -> list[Message]:
        return self._react(waiting.value, waiting.offset, waiting.at, lambda: waiting.trace) if waiting.value else []

    def _to_event(self, frame: bytes, offset: int, at: int, headers: Callable[[], Headers | None]) -> list[Message]:
        decoded = self._codec.decode_event(frame)
        meta = decoded.meta
        reactions = self._reactor.react(Fact(decoded.body, meta, decoded.state, *self._place, offset, at))
        if not reactions:
            return []
        name = meta.aggregate_id
        cause = Cause(meta.event_id, name, meta.correlation_id, meta.event_id, trace_of(headers_of(headers)))
        return self._messages.of(reactions, cause)

    def _to_outcome(self, frame: bytes, _offset: int, _at: int, _headers: Callable[[], Any]) -> list[Message]:
        outcome = self._codec.decode(frame).body
        if not isinstance(outcome, Outcome):
            raise Undecodable(f"a {type(outcome).__name__} is no outcome")
        if outcome.repeated or outcome.actor != self._reactor.actor:
            return []
        answered = self._answered(outcome)
        if answered is None:
            return []
        reactions: Any = self._reactor.react(answered)
        if not reactions:
            return []
        # Of a command that is answered twice, as parked and then as redriven, each answer has commands of its own.
        named = f"{outcome.command_id}/{outcome.result}"
        return self._messages.of(
            reactions, Cause(named, answered.process_id, outcome.correlation_id, outcome.causation_id, [])
        )

    def _answered(self, outcome: Outcome) -> Answered | None:
        """The answer with the event that its command followed from; None when it followed from none.

        Anybody may send a command with a reactor's name for its actor: it is nothing that this one asked.
        """
        process, _, rest = outcome.causation_id.partition("/")
        process_id, _, version = rest.rpartition("/")
        if not (process and process_id and version.isascii() and version.isdigit()):
            return None
        return Answered(outcome, self._aggregate, process, process_id, int(version))
