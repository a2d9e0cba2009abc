"""What goes out for a reaction: commands, with ids that follow from what they are a reaction to, and timers.

A timer is a command that lies in the reactor's own topic until its time has come. Its headers say when that is and
where it then goes; its key is its name and the process's id.

headrace-due    when, in milliseconds since 1970
headrace-topic  where the command goes
headrace-key    the aggregate that it goes to
headrace-since  of a timer that is written again: the offset at which it was set
headrace-fired  of a tombstone: the offset up to which timers of its key are over; its own when it is missing
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from confluent_kafka import murmur2
from msgspec import Struct

from headrace.avro.codec import Codec
from headrace.handler.notes import Headers
from headrace.kafka.records import Place
from headrace.kernel.app import App
from headrace.kernel.errors import Fault
from headrace.kernel.message import CommandMeta
from headrace.kernel.reactor import Reaction, Reactor, Schedule, Send, Unschedule

IDS: Final = uuid.UUID("5e1d2a5c-8f43-5b6e-9f0a-6c1b0d9e7a42")
"""The namespace of derived command ids."""
DUE: Final = "headrace-due"
TOPIC: Final = "headrace-topic"
KEY: Final = "headrace-key"
SINCE: Final = "headrace-since"
FIRED: Final = "headrace-fired"


class Message(Struct, frozen=True):
    """A record to be written; a `value` of None is a tombstone."""

    topic: str
    partition: int
    key: str
    value: bytes | None
    headers: Headers


class Cause(Struct, frozen=True):
    """What a reaction is to: the id that derived ids follow from, the process's id, and what commands say of both."""

    id: str
    process_id: str
    correlation_id: str
    causation_id: str
    trace: Headers


class Timer(Struct, frozen=True):
    """A command that waits for its time, in milliseconds: where it lies, since which offset, and where it then goes."""

    key: str
    partition: int
    offset: int
    since: int
    due_at: int
    topic: str
    aggregate_id: str
    frame: bytes


class Messages:
    """Writes the reactions of one reactor."""

    def __init__(self, app: App, reactor: Reactor, codec: Codec, partitions: int) -> None:
        targets = [app.aggregate(name) for name in reactor.targets(app.aggregates)]
        self._topics = {aggregate.name: aggregate.command_topic for aggregate in targets}
        self._taken = {aggregate.name: aggregate.command_types for aggregate in targets}
        self._reactor = reactor
        self._codec = codec
        self._partitions = partitions

    def of(self, reactions: Sequence[Reaction], cause: Cause) -> list[Message]:
        """The records that a reaction leads to; `Fault` for a command that its aggregate does not take."""
        sent: dict[str, int] = {}
        return [self._of_one(reaction, cause, sent) for reaction in reactions]

    def fired(self, timer: Timer) -> list[Message]:
        """The timer's command, and the tombstone that says so."""
        return [
            Message(timer.topic, self._partition(timer.aggregate_id), timer.aggregate_id, timer.frame, []),
            self._beside(timer, None, [(FIRED, str(timer.since))]),
        ]

    def again(self, timer: Timer) -> Message:
        """The timer once more: a tombstone that was meant for an earlier one lies behind it in the log."""
        headers = _due(timer.due_at, timer.topic, timer.aggregate_id)
        return self._beside(timer, timer.frame, [*headers, (SINCE, str(timer.since))])

    def taken_back(self, place: Place, key: str, last: int) -> Message:
        """The tombstone once more, of what was set up to `last`: a timer of that name was written again behind it."""
        return Message(*place, key, None, [(FIRED, str(last))])

    def _of_one(self, reaction: Reaction, cause: Cause, sent: dict[str, int]) -> Message:
        if isinstance(reaction, Unschedule):
            return self._timer(reaction.name, cause.process_id, None, [])
        send = reaction.send if isinstance(reaction, Schedule) else reaction
        topic, frame = self._command(send, cause, sent)
        if isinstance(reaction, Schedule):
            headers = _due(reaction.due_at, topic, send.aggregate_id)
            return self._timer(reaction.name, cause.process_id, frame, headers)
        return Message(topic, self._partition(send.aggregate_id), send.aggregate_id, frame, cause.trace)

    def _command(self, send: Send, cause: Cause, sent: dict[str, int]) -> tuple[str, bytes]:
        if type(send.command) not in self._taken.get(send.aggregate, ()):
            raise Fault(
                f"reactor {self._reactor.name} sends {type(send.command).__name__} to {send.aggregate!r}, which takes "
                f"no such command, or is not among those that the reactor sends to"
            )
        name = f"{self._reactor.name}/{cause.id}/{send.aggregate}/{send.aggregate_id}/{type(send.command).__name__}"
        before = sent.get(name, 0)
        sent[name] = before + 1
        meta = CommandMeta(
            command_id=str(uuid.uuid5(IDS, f"{name}/{before}" if before else name)),
            aggregate_id=send.aggregate_id,
            actor=self._reactor.actor,
            correlation_id=cause.correlation_id,
            causation_id=cause.causation_id,
        )
        return self._topics[send.aggregate], self._codec.encode_command(send.command, meta)

    def _beside(self, timer: Timer, frame: bytes | None, headers: Headers) -> Message:
        """A record that counts for a timer lies in its partition: a key with more than one `/` does not tell which."""
        return Message(self._reactor.timer_topic, timer.partition, timer.key, frame, headers)

    def _timer(self, name: str, process_id: str, frame: bytes | None, headers: Headers) -> Message:
        topic = self._reactor.timer_topic
        return Message(topic, self._partition(process_id), f"{name}/{process_id}", frame, headers)

    def _partition(self, key: str) -> int:
        return int(murmur2(key.encode(), self._partitions))


def _due(due_at: int, topic: str, aggregate_id: str) -> Headers:
    return [(DUE, str(due_at)), (TOPIC, topic), (KEY, aggregate_id)]


def read_timer(place: Place, key: bytes | None, value: bytes, offset: int, headers: Mapping[str, Any]) -> Timer:
    """The timer that a record is; `Fault` when it is none."""
    try:
        due_at, topic, aggregate_id = int(headers[DUE]), headers[TOPIC].decode(), headers[KEY].decode()
        since = int(headers.get(SINCE, offset))
        return Timer((key or b"").decode(), place[1], offset, since, due_at, topic, aggregate_id, value)
    except (LookupError, ValueError, AttributeError, TypeError) as error:
        raise _no_timer(place, offset) from error


def read_tombstone(place: Place, key: bytes | None, offset: int, headers: Mapping[str, Any]) -> tuple[str, int]:
    """The timer's key, and up to which offset those of that key are over; `Fault` when the record says neither."""
    try:
        return (key or b"").decode(), int(headers.get(FIRED, offset))
    except (ValueError, TypeError) as error:
        raise _no_timer(place, offset) from error


def _no_timer(place: Place, offset: int) -> Fault:
    return Fault(f"{place[0]}[{place[1]}] offset {offset} is no timer: only reactors may write to this topic")
