"""What a reactor has parked, for those who mend it: listed, shown, or given up by key.

Its processes try what waits whenever they take partitions over, so a fixed version redrives by being deployed. What is
given up is marked in the parked topic, and no process takes it up any more.
"""

from collections.abc import Iterator
from typing import Any

from confluent_kafka import KafkaError, Message, Producer, murmur2

from headrace.handler.notes import LONGEST, why_released
from headrace.handler.parked import Entry, key_as_shown, queue_as_listed, queues_of, read_entries
from headrace.kafka.clients import admin_client, producer_config
from headrace.kernel.app import App
from headrace.kernel.errors import Fault, Misconfigured
from headrace.kernel.message import CommandMeta
from headrace.settings import Settings

DELIVERY_S = 30.0


class ParkedReactions:
    """One reactor's parked records, as the topic has them now; a key may wait in several of its sources."""

    def __init__(self, app: App, name: str, settings: Settings) -> None:
        self._reactor = app.reactor(name)
        self._settings = settings
        self._admin = admin_client(settings)

    def listed(self) -> dict[str, Any]:
        """The keys that wait, each with its first record."""
        keys = []
        for entries in self._by_source(range(self._settings.partitions)).values():
            keys += [queue_as_listed(key, "records", queue) for key, queue in queues_of(entries).items()]
        return {"reactor": self._reactor.name, "parked": keys}

    def keys(self) -> list[str]:
        """The keys that wait."""
        return sorted({entry["key"] for entry in self.listed()["parked"]})

    def shown(self, key: str) -> dict[str, Any]:
        """The records that wait for a key, in order, and its releases; `Misconfigured` when there is neither."""
        shown: dict[str, Any] = {"reactor": self._reactor.name, "key": key, "waiting": [], "released": []}
        for entries in self._of_key(key).values():
            for what, found in key_as_shown(key, entries).items():
                shown[what] += found
        return shown

    def redrive(self, key: str, actor: str | None) -> dict[str, Any]:  # noqa: ARG002
        """`Misconfigured`, which says how it is done."""
        raise Misconfigured(
            f"{key}: a reactor tries what is parked whenever its processes take partitions over: deploy the fixed "
            f"version, or restart `headrace react {self._reactor.name}`"
        )

    def discard(self, key: str, reason: str, actor: str | None, *, everything: bool) -> dict[str, Any]:
        """Give up the oldest record that waits for a key in each source, or `everything`; takes effect at a restart."""
        if len(reason) > LONGEST:
            raise Misconfigured(f"--reason has {len(reason)} characters, {LONGEST} are kept")
        given_up = 0
        for (topic, number), entries in self._of_key(key).items():
            queue = queues_of(entries).get(key, [])
            gone = queue if everything else queue[:1]
            if gone:
                self._mark((topic, number, gone[-1]), key, reason, actor)
                given_up += len(gone)
        if not given_up:
            raise self._not_parked(key)
        return {
            "reactor": self._reactor.name,
            "key": key,
            "result": "discarded",
            "records": given_up,
            "message": f"{key}: {given_up} discarded; restart `headrace react {self._reactor.name}`, which then tries "
            f"what waited behind",
        }

    def _mark(self, gone: tuple[str, int, Entry], key: str, reason: str, actor: str | None) -> None:
        topic, number, last = gone
        meta = CommandMeta(command_id="", aggregate_id=key, actor=actor)
        headers = why_released((topic, number, last.note.offset, last.note.log_time), meta, last.note.offset, reason)
        failed: list[str] = []

        def note(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                failed.append(error.str())

        producer = Producer(producer_config(self._settings))
        producer.produce(self._reactor.parked_topic, None, key, partition=number, headers=headers, on_delivery=note)
        if producer.flush(DELIVERY_S) or failed:
            raise Fault(f"whether {key} is given up is not known: {failed[0] if failed else 'no broker answers'}")

    def _of_key(self, key: str) -> dict[tuple[str, int], list[Entry]]:
        number = murmur2(key.encode(), self._settings.partitions)
        found = self._by_source([number], key)
        if not found:
            raise self._not_parked(key)
        return found

    def _by_source(self, numbers: range | list[int], key: str = "") -> dict[tuple[str, int], list[Entry]]:
        found: dict[tuple[str, int], list[Entry]] = {}
        for entry in self._entries(numbers):
            if not key or entry.note.aggregate_id == key:
                found.setdefault((entry.note.topic, entry.record.partition()), []).append(entry)
        return found

    def _entries(self, numbers: range | list[int]) -> Iterator[Entry]:
        return read_entries(self._admin, self._settings, self._reactor.parked_topic, numbers)

    def _not_parked(self, key: str) -> Misconfigured:
        return Misconfigured(
            f"nothing is parked for {key!r} in the reactor {self._reactor.name}: `headrace parked list` says what is"
        )
