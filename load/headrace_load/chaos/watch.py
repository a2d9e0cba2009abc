"""When each partition got on: a reader of the outcomes notes when it sees the next one of each."""

import threading
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

from confluent_kafka import Consumer, TopicPartition

from headrace.kafka.clients import reader_config
from headrace.settings import Settings
from headrace_load.chaos.schedule import KINDS, Planned
from headrace_load.demo.stage import DOMAIN

POLL_S: Final = 0.2
AFTERMATH_S: Final = 16.0
"""What happens so long after a fault is healed may still be its doing."""


@dataclass(frozen=True, slots=True)
class Happened:
    """A fault, and when it began and was healed, in seconds of the monotonic clock."""

    planned: Planned
    began: float
    healed: float


@dataclass(frozen=True, slots=True)
class Gap:
    """The longest time in which a partition had no outcome, for a class of faults."""

    fault_class: str
    fault: str
    seconds: float
    after_heal: float
    """How much of it lies after the fault was healed."""
    partition: int
    number: int
    """Of the fault in the schedule."""


class Watch:
    """Reads the outcomes as any client would, until the `with` ends."""

    def __init__(self, settings: Settings, partitions: int) -> None:
        self.outcomes = 0
        self._seen: list[list[float]] = [[] for _ in range(partitions)]
        self._consumer = Consumer(reader_config(settings) | {"error_cb": lambda _: None, "log_level": 0})
        self._consumer.assign([TopicPartition(f"{DOMAIN}.outcomes", number, 0) for number in range(partitions)])
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._consumer.close()

    def gaps(self, happened: list[Happened], until: float) -> list[Gap]:
        """For each class of faults the longest gap that overlaps one of them; gaps that began after `until` are none.

        A gap that overlaps several faults is told for the one that covers most of it, the later one of two that do.
        """
        longest: dict[str, Gap] = {}
        for partition, seen in enumerate(self._seen):
            for begin, end in pairwise(seen):
                blamed = max(happened, key=lambda one: (_overlap(one, begin, end), one.began), default=None)
                if begin > until or blamed is None or _overlap(blamed, begin, end) <= 0:
                    continue
                name = KINDS[blamed.planned.fault].number
                if name not in longest or end - begin > longest[name].seconds:
                    after = max(0.0, end - max(begin, blamed.healed))
                    fault = blamed.planned
                    longest[name] = Gap(name, fault.fault, end - begin, after, partition, fault.number)
        return sorted(longest.values(), key=lambda gap: int(gap.fault_class[1:]))

    def _run(self) -> None:
        while not self._over.is_set():
            first = self._consumer.poll(POLL_S)
            if first is None:
                continue
            now = time.monotonic()
            for message in (first, *self._consumer.consume(10_000, 0)):
                if message.error() is None:  # else it is the end of a partition, or a broker that is away
                    self.outcomes += 1
                    self._seen[message.partition() or 0].append(now)


def _overlap(one: Happened, begin: float, end: float) -> float:
    return min(end, one.healed + AFTERMATH_S) - max(begin, one.began)
