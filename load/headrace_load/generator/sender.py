"""A worker process that sends: at the scheduled times, whatever becomes of what it has sent.

A command's latency counts from when it was due, so what this process does late is in every figure; how late it was is
told apart, so that nobody takes a slow generator for a slow system.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, Literal

from confluent_kafka import KafkaError, Producer
from msgspec import Struct

from headrace.app import shop
from headrace.avro.codec import Codec
from headrace.avro.contract import read_lock
from headrace.kafka.clients import producer_config
from headrace.settings import Settings
from headrace_load.generator.arrivals import Flood, times
from headrace_load.generator.frames import Frames
from headrace_load.generator.histogram import Histogram
from headrace_load.generator.scenario import Scenario
from headrace_load.generator.traffic import Operation, Traffic, share_of
from headrace_load.history import HistoryWriter, Sent

DOMAIN: Final = "orders"
TOPIC: Final = f"{DOMAIN}.commands"
MOST_AT_ONCE: Final = 500
"""Records between two looks at the clock, and two servings of delivery reports."""
MOST_WAITING: Final = 200_000
"""Records that the client may hold: what is due beyond them is dropped, since an open load waits for nobody."""
DROPPED_AFTER_S: Final = 2.0
"""What is due is dropped when it would be sent later than this."""
LINGER_MS: Final = 5
"""So long a record waits for others, which its latency has in it: one process here stands for many clients, whose
requests would keep broker and generator busy with little else."""
TELL_EVERY_S: Final = 0.25
SHORTEST_NAP_S: Final = 0.001
LONGEST_NAP_S: Final = 0.02
DELIVERY_S: Final = 60.0
READY_S: Final = 20.0
# What these say has not been sent at all; after any other error a record may lie in the log.
NOT_SENT: Final = frozenset(
    {
        KafkaError._QUEUE_FULL,  # noqa: SLF001 - librdkafka's own codes begin so
        KafkaError._PURGE_QUEUE,  # noqa: SLF001
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
    }
)


class Task(Struct, frozen=True):
    """What one worker is to do, and where."""

    scenario: Scenario
    settings: Settings
    run: str
    worker: int
    history: Path


class Counts(Struct):
    """How it stands: records handed over, confirmed, failed, of unknown fate, and arrivals that were dropped."""

    sent: int = 0
    acked: int = 0
    failed: int = 0
    unknown: int = 0
    dropped: int = 0
    untaken: int = 0
    """How many of those that were dropped found the client full of what the brokers had not taken yet."""


class Finished(Struct, frozen=True):
    """A worker's last word: its counts, its lateness as an encoded histogram, CPU and wall time of its sending."""

    counts: Counts
    lateness: bytes
    cpu_s: float
    seconds: float


def send(task: Task, parent: Connection) -> None:
    """Send one worker's share: ready, wait for the start, send, wait for the last delivery; the process's main."""
    sender = Sender(task)
    parent.send("ready")
    start = parent.recv()
    with HistoryWriter(task.history) as history:
        parent.send(sender.run(start, history, parent.send))


class Sender:
    """Sends one worker's share of a scenario; `run` once."""

    def __init__(self, task: Task) -> None:
        scenario, settings = task.scenario, task.settings
        frames = Frames(Codec(shop, read_lock(settings.schemas)))
        self._traffic = Traffic(scenario, frames, task.run, task.worker, settings.partitions)
        self._share = share_of(scenario, task.worker)
        self._task = task
        self._counts = Counts()
        self._lateness = Histogram()
        self._now = 0.0
        config = {
            "queue.buffering.max.messages": 2 * MOST_WAITING,
            "queue.buffering.max.kbytes": 2_000_000,
            "linger.ms": LINGER_MS,
        }
        self._producer = Producer(producer_config(settings) | config)
        self._producer.list_topics(TOPIC, READY_S)  # so that the first command does not wait for a connection

    def run(self, start: float, history: HistoryWriter, tell: Callable[[Counts], None]) -> Finished:
        """Send from `start`, in seconds since 1970, until the schedule is over and the last delivery is known."""
        self._history = history
        self._tell = tell
        time.sleep(max(0.0, start - time.time()))
        began, cpu_began = time.perf_counter(), time.process_time()
        arrivals = self._task.scenario.arrivals
        if isinstance(arrivals, Flood):
            self._flood(arrivals, start)
        else:
            due = times(arrivals.phases(), self._task.worker, self._share, arrivals.spacing, self._task.scenario.seed)
            self._paced(due, start)
        self._settle()
        seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
        return Finished(self._counts, self._lateness.encode(), cpu_s, seconds)

    def _paced(self, due: Iterator[float], start: float) -> None:
        """Send each record when it is due, or as soon after as this process gets to it."""
        waiting: list[float] = []
        told = 0.0
        upcoming = next(due, None)
        while upcoming is not None:
            self._now = time.time()
            elapsed = self._now - start
            waiting.clear()
            while upcoming is not None and upcoming <= elapsed and len(waiting) < MOST_AT_ONCE:
                waiting.append(upcoming)
                upcoming = next(due, None)
            if waiting:
                self._send_due(waiting, elapsed)
            self._serve()
            if self._now - told > TELL_EVERY_S:
                told = self._now
                self._tell(self._counts)
            if upcoming is not None:
                nap = upcoming - (time.time() - start)
                if nap > 0:
                    time.sleep(min(max(nap, SHORTEST_NAP_S), LONGEST_NAP_S))

    def _send_due(self, waiting: list[float], elapsed: float) -> None:
        """Send what is due, and drop what is too old or finds the client's queue full."""
        if len(self._producer) > MOST_WAITING:
            self._counts.dropped += len(waiting)
            self._counts.untaken += len(waiting)
            return
        warm_up_s = self._task.scenario.warm_up_s
        for due in waiting:
            late = elapsed - due
            if late > DROPPED_AFTER_S:
                self._counts.dropped += 1
                continue
            if due >= warm_up_s:
                self._lateness.record(int(late * 1e6))
            self._produce(self._traffic.next(int(due * 1e6)))

    def _flood(self, flood: Flood, start: float) -> None:
        """Send as fast as the broker takes it; a record is due when it is handed over."""
        left = self._count_of(flood)
        until = start + flood.duration_s if flood.duration_s else float("inf")
        told = 0.0
        while left > 0:
            self._now = time.time()
            if self._now >= until:
                break
            if len(self._producer) > MOST_WAITING:
                self._serve(0.01)
                continue
            due_us = int((self._now - start) * 1e6)
            for _ in range(min(left, MOST_AT_ONCE)):
                self._produce(self._traffic.next(due_us))
            left -= MOST_AT_ONCE
            self._serve()
            if self._now - told > TELL_EVERY_S:
                told = self._now
                self._tell(self._counts)

    def _count_of(self, flood: Flood) -> int:
        """How many of all records are this worker's; those of all workers add up, whatever their shares."""
        if flood.count is None:
            return 2**63
        before = sum(share_of(self._task.scenario, worker) for worker in range(self._task.worker))
        return round(flood.count * (before + self._share)) - round(flood.count * before)

    def _produce(self, operation: Operation) -> None:
        self._counts.sent += 1
        told = partial(self._delivered, operation, self._now)
        try:
            self._producer.produce(
                TOPIC, operation.value, operation.key, partition=operation.partition, on_delivery=told
            )
        except BufferError:
            self._note(operation, self._now, "fail")

    def _delivered(self, operation: Operation, began: float, error: KafkaError | None, message: Any) -> None:
        if error is None:
            self._counts.acked += 1
            self._history.write(
                Sent(
                    operation.command_id,
                    DOMAIN,
                    operation.order_id,
                    began * 1000,
                    time.time() * 1000,
                    "ok",
                    operation.partition,
                    message.offset(),
                )
            )
        else:
            self._note(operation, began, "fail" if error.code() in NOT_SENT else "info")

    def _note(self, operation: Operation, began: float, result: Literal["fail", "info"]) -> None:
        """Count and write down what is not known to lie in the log."""
        if result == "fail":
            self._counts.failed += 1
        else:
            self._counts.unknown += 1
        self._history.write(
            Sent(operation.command_id, DOMAIN, operation.order_id, began * 1000, time.time() * 1000, result)
        )

    def _serve(self, seconds: float = 0.0) -> None:
        """Serve delivery reports."""
        self._producer.poll(seconds)

    def _settle(self) -> None:
        """Wait for the last delivery; what has none in time is given up, and told as such."""
        deadline = time.time() + DELIVERY_S
        while len(self._producer) and time.time() < deadline:
            self._serve(0.05)
            self._tell(self._counts)
        if len(self._producer):
            self._producer.purge()
            self._producer.flush(READY_S)
