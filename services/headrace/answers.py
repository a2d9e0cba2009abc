"""Outcomes as they come, handed to those who wait for them: one reader for a whole client."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from headrace.avro.codec import Codec, Undecodable, peek_outcome
from headrace.kafka.clients import reader_config
from headrace.kafka.consumer import passes
from headrace.kafka.reading import LEADERLESS_S, available, read_offsets
from headrace.kafka.records import Record
from headrace.kernel.errors import Fault
from headrace.kernel.message import Outcome
from headrace.settings import Settings

CLOSING_S: Final = 10.0


class Answers:
    """Reads outcomes in a thread of its own, and settles the future of each command that is waited for.

    `beat` is called in that thread ten times a second at least.
    """

    def __init__(self, codec: Codec, settings: Settings, admin: AdminClient, beat: Callable[[], object]) -> None:
        self._codec = codec
        self._settings = settings
        self._admin = admin
        self._beat = beat
        self._topics: set[str] = set()
        self._waiting: dict[str, list[Future[Outcome]]] = {}
        self._lock = threading.Lock()
        self._following = threading.Lock()
        self._fault: Exception | None = None
        self._closing = threading.Event()
        self._consumer = Consumer(reader_config(settings))
        # A client that nobody closes must not keep its process.
        self._thread = threading.Thread(target=self._run, name="headrace-answers", daemon=True)

    @property
    def is_reading_here(self) -> bool:
        """Whether the thread that asks is the one that reads: whoever waits in it for an outcome waits in vain."""
        return threading.current_thread() is self._thread

    def follow(self, topic: str, patience_s: float = LEADERLESS_S) -> None:
        """Read a topic of outcomes from its present end on; to be called before the first command is sent.

        `patience_s` is for brokers that do not tell where that is.
        """
        with self._following:
            if topic in self._topics:
                return
            places = [(topic, number) for number in range(self._settings.partitions)]
            ends = read_offsets(self._admin, places, OffsetSpec.latest(), patience_s=patience_s)
            self._consumer.incremental_assign([TopicPartition(*place, end) for place, end in ends.items()])
            if not self._topics:
                self._thread.start()
            self._topics.add(topic)

    def expect(self, command_id: str) -> Future[Outcome]:
        """What the next outcome of that command id settles; cancelled, it is no longer waited for."""
        future: Future[Outcome] = Future()
        with self._lock:
            if self._fault is not None:
                raise Fault(f"this client reads no outcomes any more: {self._fault}") from self._fault
            self._waiting.setdefault(command_id, []).append(future)
        future.add_done_callback(lambda done: self._forget(command_id, done))
        return future

    def close(self, why: Exception) -> None:
        """Read no more; who still waits is told why."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(CLOSING_S)
        self._end(why)
        self._consumer.close()

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._beat()
                for record in available(self._consumer):
                    self._take(record)
        except Exception as error:  # noqa: BLE001 - whoever waits must be told, whatever it is
            self._end(error)

    def _take(self, record: Record) -> None:
        error = record.error()
        if error is not None:
            if error.code() != KafkaError._PARTITION_EOF and not passes(error):  # noqa: SLF001
                raise Fault(f"cannot read {record.topic() or 'outcomes'}: {error.str()}") from KafkaException(error)
            return
        frame = record.value() or b""
        try:
            command_id, _ = peek_outcome(frame)
        except (Undecodable, UnicodeDecodeError):
            return  # no outcome: `headrace verify` tells of it
        waiting = self._waiting.get(command_id)
        if not waiting:
            return
        try:
            outcome = self._codec.decode(frame).body
        except Undecodable as unreadable:
            for future in list(waiting):
                fail(future, unreadable)
            return
        for future in list(waiting):
            with suppress(InvalidStateError):
                future.set_result(outcome)

    def _end(self, why: Exception) -> None:
        with self._lock:
            self._fault = self._fault or why
            left = [future for futures in self._waiting.values() for future in futures]
        for future in left:
            fail(future, Fault(f"no outcome was read: {why}"))

    def _forget(self, command_id: str, future: Future[Outcome]) -> None:
        with self._lock:
            left = [one for one in self._waiting.pop(command_id, []) if one is not future]
            if left:
                self._waiting[command_id] = left


def fail(future: Future[Outcome], why: Exception) -> None:
    """Tell whoever waits; not if the outcome came, or the wait was given up, at the same moment."""
    with suppress(InvalidStateError):
        future.set_exception(why)
