"""The process that sees what becomes of the commands: events and outcomes in Kafka, rows in Postgres.

A record counts as visible when this read-committed consumer has it in hand. A row counts as visible once the view's
checkpoint, which moves in the transaction of its rows, is past the event: the checkpoints are read every few
milliseconds, so a row is seen that much late at most, and never early.
"""

import time
from array import array
from bisect import bisect_left
from collections import defaultdict, deque
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Final

import psycopg
from confluent_kafka import Consumer, KafkaError, TopicPartition
from msgspec import Struct

from headrace.kafka.clients import FETCH_WAIT_MS, reader_config
from headrace.kafka.consumer import PASSING
from headrace.kernel.errors import Fault
from headrace.settings import Settings
from headrace_load.generator.histogram import Histogram
from headrace_load.generator.ids import Due, order_id_mark
from headrace_load.observe.positions import Checkpoints

MOST_AT_ONCE: Final = 5_000
WAIT_S: Final = 0.005
ROWS_EVERY_S: Final = 0.005
IDLE_ROWS_EVERY_S: Final = 0.1
SAMPLES_PER_S: Final = 5_000
"""Up to so many commands a second each is measured; of more, every n-th."""


class Watch(Struct, frozen=True):
    """What to watch: topics from these offsets on, and the projector whose rows count."""

    settings: Settings
    run: str
    domain: str
    events: str
    outcomes: str
    projector: str
    starts: dict[tuple[str, int], int]
    stride: int
    """Every so many-th event and outcome is measured."""
    warm_up_us: int = 0
    """Nothing that was due earlier is."""


class Second(Struct):
    """What was seen within one second: records by kind, and percentiles of its samples in milliseconds."""

    at: int
    outcomes: int = 0
    events: int = 0
    rows: int = 0
    rowless: int = 0
    """Events of which no row was seen yet, at its end."""
    p50: dict[str, float] = {}
    p99: dict[str, float] = {}


class Seen(Struct, frozen=True):
    """The observer's last word: counts, encoded histograms by name, CPU time.

    `last_outcome` and `last_row` are when those were seen, in seconds from the run's start.
    """

    outcomes: int
    events: int
    rows: int
    histograms: dict[str, bytes]
    cpu_s: float
    last_outcome: float
    last_row: float


def observe(watch: Watch, parent: Connection) -> None:
    """Watch until the parent says up to which offsets, then send what was seen; the process's main."""
    observer = Observer(watch, parent)
    try:
        parent.send("ready")
        observer.run(parent.recv())
    finally:
        observer.close()


class Observer:
    """Reads both topics and the checkpoints in one loop, and tells the parent of each second that is over."""

    def __init__(self, watch: Watch, parent: Connection) -> None:
        self._watch = watch
        self._checkpoints = Checkpoints(watch.settings.database, watch.domain)
        self._parent = parent
        self._due = Due(watch.run)
        self._mark = order_id_mark(watch.run)
        self._histograms = {name: Histogram() for name in ("outcome", "event", "row")}
        self._samples: dict[str, list[int]] = {name: [] for name in self._histograms}
        self._second = Second(0)
        self._totals = dict.fromkeys(self._histograms, 0)
        self._last = dict.fromkeys(self._histograms, 0.0)
        # Per partition: the offsets of all events that no row was seen of yet, and of the measured ones (offset, due).
        self._rowless: defaultdict[int, array[int]] = defaultdict(partial(array, "q"))
        self._pending: dict[int, deque[tuple[int, int]]] = {}
        self._ends: dict[tuple[str, int], int] | None = None
        self._consumer = Consumer(reader_config(watch.settings) | {"fetch.wait.max.ms": FETCH_WAIT_MS})
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in watch.starts.items()])
        self._read_to = dict(watch.starts)

    def run(self, start: float) -> None:
        """Watch a run that starts then, until the parent's end offsets are reached and each event has its row.

        The parent may also give up.
        """
        self._started_us = int(start * 1e6)
        rows_at = 0.0
        while not self._finished():
            messages = self._next_messages()
            now = time.time()
            at = int(now * 1e6) - self._started_us
            self._turn(at)
            self._take(messages, at)
            if now - rows_at >= (ROWS_EVERY_S if self._pending else IDLE_ROWS_EVERY_S):
                rows_at = now
                self._look_at_rows()
        self._turn(self._second.at * 1_000_000 + 1_000_000)
        self._parent.send(
            Seen(
                self._totals["outcome"],
                self._totals["event"],
                self._totals["row"],
                {name: histogram.encode() for name, histogram in self._histograms.items()},
                time.process_time(),
                self._last["outcome"],
                self._last["row"],
            )
        )

    def close(self) -> None:
        """Stop reading."""
        self._consumer.close()
        self._checkpoints.close()

    def _next_messages(self) -> list[Any]:
        first = self._consumer.poll(WAIT_S)
        return [] if first is None else [first, *self._consumer.consume(MOST_AT_ONCE, 0)]

    def _take(self, messages: list[Any], at: int) -> None:
        """Count what became of the run's commands, and measure every `stride`-th."""
        stride, read_to, rowless = self._watch.stride, self._read_to, self._rowless
        events, due, mark = self._watch.events, self._due.read, self._mark
        outcomes_seen, events_seen = self._totals["outcome"], self._totals["event"]
        for message in messages:
            error = message.error()
            if error is not None:
                self._check(message, error)
                continue
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            read_to[topic, partition] = offset + 1
            if not (message.key() or b"").startswith(mark):
                continue  # somebody else's
            if topic == events:
                events_seen += 1
                rowless[partition].append(offset)
                if events_seen % stride == 0 and (due_us := due(message.value() or b"")) is not None:
                    self._measured("event", due_us, at)
                    self._pending.setdefault(partition, deque()).append((offset, due_us))
            else:
                outcomes_seen += 1
                if outcomes_seen % stride == 0 and (due_us := due(message.value() or b"")) is not None:
                    self._measured("outcome", due_us, at)
        self._count("outcome", outcomes_seen - self._totals["outcome"], at)
        self._count("event", events_seen - self._totals["event"], at)

    def _check(self, message: Any, error: KafkaError) -> None:
        """An end of a partition is an offset that was reached; what does not pass by itself ends the run."""
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own codes begin so
            self._read_to[message.topic(), message.partition()] = message.offset()
        elif error.code() not in PASSING and not error.retriable():
            raise Fault(f"cannot read {message.topic()}: {error.str()}")

    def _look_at_rows(self) -> None:
        """Measure the events that the view's checkpoints have passed since the last look."""
        try:
            found = self._checkpoints.read()
        except psycopg.Error:  # while the database is away, nobody sees a row in it
            return
        at = int(time.time() * 1e6) - self._started_us
        for (projector, partition), next_offset in found.items():
            offsets = self._rowless.get(partition)
            if projector != self._watch.projector or not offsets or offsets[0] >= next_offset:
                continue
            passed = bisect_left(offsets, next_offset)
            del offsets[:passed]
            self._count("row", passed, at)
            waiting = self._pending.get(partition)
            while waiting and waiting[0][0] < next_offset:
                self._measured("row", waiting.popleft()[1], at)
        self._pending = {partition: waiting for partition, waiting in self._pending.items() if waiting}

    def _measured(self, name: str, due_us: int, at: int) -> None:
        if due_us < self._watch.warm_up_us:
            return
        microseconds = at - due_us
        self._histograms[name].record(microseconds)
        self._samples[name].append(microseconds)

    def _count(self, name: str, count: int, at: int) -> None:
        if count:
            self._totals[name] += count
            self._last[name] = at / 1e6
            setattr(self._second, f"{name}s", getattr(self._second, f"{name}s") + count)

    def _turn(self, at: int) -> None:
        """When a second is over: tell the parent of it."""
        if at < (self._second.at + 1) * 1_000_000:
            return
        for name, samples in self._samples.items():
            if samples:
                samples.sort()
                self._second.p50[name] = samples[len(samples) // 2] / 1000
                self._second.p99[name] = samples[min(len(samples) * 99 // 100, len(samples) - 1)] / 1000
                samples.clear()
        self._second.rowless = sum(map(len, self._rowless.values()))
        self._parent.send(self._second)
        self._second = Second(at // 1_000_000)

    def _finished(self) -> bool:
        """Whether all that the parent asked for was seen; a second word of the parent's means now."""
        while self._parent.poll():
            told = self._parent.recv()
            if told is None:
                return True
            self._ends = told
        if self._ends is None:
            return False
        return all(self._read_to[place] >= end for place, end in self._ends.items()) and not any(self._rowless.values())
