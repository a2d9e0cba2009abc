"""What an aggregate's handlers have parked, for those who mend it: listed, shown, redriven or discarded by key.

The parked topic holds it. A redrive and a discard are commands of the engine: they are appended behind what lies in the
log, and the handler that owns the partition answers them.
"""

import uuid
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from confluent_kafka import murmur2
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from headrace.client import Client
from headrace.handler.notes import ALONE, KEY, LONGEST, RELEASED, Note, known_note
from headrace.kafka.clients import admin_client
from headrace.kafka.reading import read_whole
from headrace.kafka.records import Record
from headrace.kernel.app import App
from headrace.kernel.errors import Misconfigured, NotParked
from headrace.kernel.message import ACCEPTED, CommandMeta, DiscardParked, Outcome, RedriveParked
from headrace.settings import Settings


class Entry(Struct, frozen=True):
    """A parked record and what it says of itself."""

    record: Record
    note: Note

    def place(self) -> dict[str, Any]:
        """Where the record lay before, why it is parked and when that was (milliseconds)."""
        return {
            "topic": self.note.topic,
            "partition": self.record.partition(),
            "offset": self.note.offset,
            "log_time": self.note.log_time,
            "parked_at": self.record.timestamp()[1],
            "exception": self.note.exception,
            "message": self.note.message,
        }


class ParkedCommands:
    """One aggregate's parked commands, as the topic has them now."""

    def __init__(self, app: App, name: str, settings: Settings, timeout_s: float = 30.0) -> None:
        self._aggregate = app.aggregate(name)
        self._app = app
        self._settings = settings
        self._timeout_s = timeout_s
        self._admin = admin_client(settings)

    def listed(self) -> dict[str, Any]:
        """The keys that wait, each with its first command, and the records that were no commands."""
        entries = list(self._entries(range(self._settings.partitions)))
        keys = [queue_as_listed(name, "commands", queue) for name, queue in queues_of(entries).items()]
        aside = [entry.place() for entry in entries if entry.note.kind == ALONE]
        return {"aggregate": self._aggregate.name, "parked": keys, "set_aside": aside}

    def keys(self) -> list[str]:
        """The keys that wait."""
        return [entry["key"] for entry in self.listed()["parked"]]

    def shown(self, key: str) -> dict[str, Any]:
        """The commands that wait for a key, in order, and its releases; `Misconfigured` when there is neither.

        Each has its `record`, as bytes.
        """
        partition = murmur2(key.encode(), self._settings.partitions)
        entries = [entry for entry in self._entries([partition]) if entry.note.aggregate_id == key]
        if not entries:
            raise self._not_parked(key)
        return {"aggregate": self._aggregate.name, "key": key} | key_as_shown(key, entries)

    def redrive(self, key: str, actor: str | None) -> dict[str, Any]:
        """Have a key's commands answered, in order, by the version that is deployed now."""
        return self._tell(self._ask(key, RedriveParked(), actor), "redriven")

    def discard(self, key: str, reason: str, actor: str | None, *, everything: bool) -> dict[str, Any]:  # noqa: ARG002
        """Give all commands of a key up, since a later one may rest on the first; each is refused as `Discarded`."""
        if len(reason) > LONGEST:
            raise Misconfigured(f"--reason has {len(reason)} characters, {LONGEST} are kept")
        return self._tell(self._ask(key, DiscardParked(reason), actor), "discarded")

    def _ask(self, key: str, command: Struct, actor: str | None) -> Outcome:
        """Append the engine's command and wait for its outcome; `Misconfigured` when nothing is parked."""
        meta = CommandMeta(command_id=str(uuid.uuid4()), aggregate_id=key, actor=actor)
        outcome = self._client.ask_with(self._aggregate, command, meta, self._timeout_s)
        if outcome.code == NotParked.__name__:
            raise self._not_parked(key)
        return outcome

    @cached_property
    def _client(self) -> Client:
        return Client(self._app, self._settings)

    def _tell(self, outcome: Outcome, done: str) -> dict[str, Any]:
        accepted = outcome.result == ACCEPTED
        result = done if accepted else "still parked"
        why = f", at version {outcome.version}" if accepted else f": {outcome.code}: {outcome.message}"
        return {
            "aggregate": self._aggregate.name,
            "key": outcome.aggregate_id,
            "result": result,
            "version": outcome.version,
            "code": outcome.code,
            "message": f"{outcome.aggregate_id}: {result}{why}",
        }

    def _not_parked(self, key: str) -> Misconfigured:
        return Misconfigured(
            f"nothing is parked for {key!r} in the aggregate {self._aggregate.name}: `headrace parked list` says what "
            f"is"
        )

    def _entries(self, numbers: range | list[int]) -> Iterator[Entry]:
        """What lies in the parked topic, partition by partition, oldest first."""
        return read_entries(self._admin, self._settings, self._aggregate.parked_topic, numbers)


def read_entries(admin: AdminClient, settings: Settings, topic: str, numbers: range | list[int]) -> Iterator[Entry]:
    """What lies in these partitions of a parked topic, one after the other, oldest first."""
    places = [(topic, number) for number in numbers]
    for chunk in read_whole(admin, settings, places):
        for record in chunk:
            note = known_note(record)
            if note is not None:
                yield Entry(record, note)


def queue_as_listed(key: str, what: str, queue: list[Entry]) -> dict[str, Any]:
    """A key that waits, with its first record; so many records of it, of that kind."""
    # What somebody's exception says may quote a command: `show` tells it, of one key.
    first = {name: value for name, value in queue[0].place().items() if name != "message"}
    return {"key": key, what: len(queue)} | first


def key_as_shown(key: str, entries: list[Entry]) -> dict[str, Any]:
    """What waits for a key, each with its `record` as bytes, and what was released of it."""
    waiting = queues_of(entries).get(key, [])
    return {
        "waiting": [entry.place() | {"record": entry.record.value()} for entry in waiting],
        "released": [_release(entry) for entry in entries if entry.note.kind == RELEASED],
    }


def queues_of(entries: list[Entry]) -> dict[str, list[Entry]]:
    """The records that wait, by key."""
    queues: dict[str, list[Entry]] = {}
    for entry in entries:
        name = entry.note.aggregate_id
        if entry.note.kind == KEY:
            queues.setdefault(name, []).append(entry)
        elif entry.note.kind == RELEASED:
            queues[name] = [each for each in queues.get(name, ()) if each.note.offset > entry.note.through]
    return {name: queue for name, queue in queues.items() if queue}


def _release(entry: Entry) -> dict[str, Any]:
    note = entry.note
    return {
        "result": note.result,
        "through": note.through,
        "reason": note.message or None,
        "actor": note.actor or None,
        "released_at": entry.record.timestamp()[1],
    }
