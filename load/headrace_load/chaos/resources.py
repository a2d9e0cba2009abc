"""What services hold, over time: memory, file descriptors, threads; and transactions that are open."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from statistics import linear_regression
from typing import Final, Self

import psutil
from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from headrace_load.chaos.cast import Cast
from headrace_load.demo.stage import DOMAIN, PARTITIONS
from headrace_load.verify.topics import ASKING, client_properties

EVERY_S: Final = 2.0
WARM_UP_S: Final = 30.0
"""What a process takes in its first seconds says nothing about the hours after them."""
LONG_LIVED_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process held at a time."""

    at: float
    rss_mb: float
    fds: int
    threads: int


@dataclass(frozen=True, slots=True)
class Trend:
    """What a process held in the end, and the slope a minute of a straight line through its samples."""

    service: str
    pid: int
    seconds: float
    rss_mb: float
    rss_mb_a_minute: float
    fds: int
    fds_a_minute: float
    threads: int
    threads_a_minute: float


class Resources:
    """Samples all services of a cast, and the topics' open transactions, until the `with` ends."""

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        self._samples: defaultdict[tuple[str, int], list[Sample]] = defaultdict(list)
        self.longest_open_s = 0.0
        """The longest time in which a partition's last stable offset stood still below its high watermark."""
        self._stuck_since: dict[TopicPartition, tuple[int, float]] = {}
        self._admin = AdminClient(client_properties(cast.stage.settings.kafka) | ASKING)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="resources")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def trends(self) -> list[Trend]:
        """Of each process that lived long enough."""
        return list(self._trends())

    def _trends(self) -> Iterator[Trend]:
        for (service, pid), samples in sorted(self._samples.items()):
            born = samples[0].at
            settled = [sample for sample in samples if sample.at - born >= WARM_UP_S]
            if len(settled) < 3 or settled[-1].at - settled[0].at < LONG_LIVED_S - WARM_UP_S:  # noqa: PLR2004
                continue
            minutes = [sample.at / 60 for sample in settled]
            slopes = [
                linear_regression(minutes, [getattr(sample, name) for sample in settled]).slope
                for name in ("rss_mb", "fds", "threads")
            ]
            last = settled[-1]
            yield Trend(
                service,
                pid,
                round(last.at - born, 1),
                round(last.rss_mb, 1),
                round(slopes[0], 2),
                last.fds,
                round(slopes[1], 2),
                last.threads,
                round(slopes[2], 2),
            )

    def _run(self) -> None:
        while not self._over.wait(EVERY_S):
            for name in tuple(self._cast.playing):
                with suppress(psutil.Error, KeyError):
                    self._sample(name)
            with suppress(KafkaException):
                self._note_open_transactions()

    def _sample(self, name: str) -> None:
        pid = self._cast.stage.services.pid(name)
        if pid is None:
            return
        process = psutil.Process(pid)
        with process.oneshot():
            rss = process.memory_info().rss / 1e6
            sample = Sample(time.monotonic(), rss, process.num_fds(), process.num_threads())
        if sample.threads > 1:  # else it is about to end
            self._samples[name, pid].append(sample)

    def _note_open_transactions(self) -> None:
        places = [TopicPartition(f"{DOMAIN}.{kind}", n) for kind in ("events", "outcomes") for n in range(PARTITIONS)]
        self._admin.list_topics(timeout=2.0)  # or it goes on asking whom it knew before a restart
        # The high watermark first: what is committed between the two questions must not look open.
        high, stable = (
            {place: future.result().offset for place, future in found.items()}
            for found in [
                self._admin.list_offsets(
                    dict.fromkeys(places, OffsetSpec.latest()), isolation_level=level, request_timeout=2.0
                )
                for level in (IsolationLevel.READ_UNCOMMITTED, IsolationLevel.READ_COMMITTED)
            ]
        )
        now = time.monotonic()
        for place in places:
            at, since = self._stuck_since.get(place, (-1, now))
            if stable[place] >= high[place] or stable[place] != at:
                since = now
            self._stuck_since[place] = stable[place], since
            self.longest_open_s = max(self.longest_open_s, now - since)
