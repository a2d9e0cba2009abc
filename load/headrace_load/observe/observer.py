"""Watches a domain from outside while it runs, and says afterwards what it saw."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

import psycopg
from confluent_kafka import KafkaException

from headrace_load.observe.leaders import Leaders
from headrace_load.observe.positions import Checkpoints, KafkaPositions, Place
from headrace_load.observe.progress import Progress, Standstill
from headrace_load.observe.visible import Tail, vanished
from headrace_load.verify.topics import KINDS

HANDLER: Final = "handler"
JOIN_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Observed:
    """What an observer saw, from its start to its stop.

    `standstills` has one entry for each of the handlers' and projectors' partitions, the longest first. `visible`
    counts the records that became visible, by topic; `slowest_ms` is how long the slowest of them took from being
    appended until a reader of committed records saw it. `samples` counts the samples of "kafka" and "database",
    `blind_s` is the longest time in seconds between two of them: how long the brokers or the database did not answer.
    """

    problems: tuple[str, ...]
    standstills: tuple[Standstill, ...]
    visible: dict[str, int]
    slowest_ms: dict[str, int]
    samples: dict[str, int]
    blind_s: dict[str, float]

    def longest(self, who: str) -> float:
        """The longest time in seconds without progress on any partition, of "handler" or of a projector."""
        return max((one.seconds for one in self.standstills if one.who == who), default=0.0)

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        return asdict(self) | {"standstills": [one._asdict() for one in self.standstills]}


class Observer:
    """Observes one domain on these servers, several times a second, in threads of its own.

    `start` returns at once, even when no server is up; `stop` ends the observation; `report` is for after that, when
    the brokers are up again, and raises `CannotVerify` when they are not. As a context it starts and stops. A projector
    is observed from its first checkpoint on.
    """

    def __init__(self, kafka: str, database: str, domain: str = "orders", every_s: float = 0.25) -> None:
        self._kafka = kafka
        self._domain = domain
        self._every_s = every_s
        self._positions = KafkaPositions(kafka, domain)
        self._checkpoints = Checkpoints(database, domain)
        self._topics = tuple(f"{domain}.{kind}" for kind in KINDS)
        self._tail: Tail | None = None
        self._progress: dict[tuple[str, int], Progress] = {}
        # By who, topic and partition: positions that may not lie beyond the stable end that is read after them.
        self._claims: dict[tuple[str, str, int], int] = {}
        self._problems: list[str] = []
        self._leaders: dict[Place, Leaders] = {}
        self._samples: Counter[str] = Counter()
        self._blind_s: dict[str, float] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._began = time.monotonic()
        self._threads = [
            threading.Thread(target=self._watch, args=(watch,), daemon=True)
            for watch in (
                partial(self._sample, "kafka", self._sample_kafka),
                partial(self._sample, "database", self._sample_database),
                self._read,
            )
        ]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> Self:
        """Begin to observe."""
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """Observe no longer; a server that hangs is not waited for longer than some seconds."""
        self._stopping.set()
        deadline = time.monotonic() + JOIN_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if not any(thread.is_alive() for thread in self._threads):
            self._positions.close()
            self._checkpoints.close()

    def is_tailing(self) -> bool:
        """Whether it knows where the topics ended: records from there on will be seen."""
        return self._tail is not None

    def visible(self) -> Counter[str]:
        """How many records became visible so far, by topic."""
        seen = self._tail.seen if self._tail else {}
        return sum((Counter({topic: len(records.offsets)}) for (topic, _), records in seen.items()), Counter())

    def samples(self) -> Counter[str]:
        """How many samples were taken so far, of "kafka" and of "database"."""
        return Counter(self._samples)

    def blind_for(self, name: str) -> float:
        """The longest time in seconds so far without an answer of "kafka" or of "database"."""
        return self._blind_s.get(name, 0.0)

    def standstills(self) -> list[Standstill]:
        """The longest standstill so far of each handlers' and projectors' partition, the longest of them first."""
        found = [
            Standstill(*place, round(one.longest, 3), round(one.began, 3))
            for place, one in list(self._progress.items())
        ]
        return sorted(found, key=lambda one: one.seconds, reverse=True)

    def report(self) -> Observed:
        """What was seen, and whether all of it can still be seen."""
        problems = list(self._problems)
        if self._tail is not None:
            problems += [*self._tail.problems, *vanished(self._kafka, self._domain, self._tail.seen)]
        return Observed(
            tuple(problems),
            tuple(self.standstills()),
            dict(self.visible()),
            self._slowest_ms(),
            dict(self._samples),
            {name: round(seconds, 3) for name, seconds in self._blind_s.items()},
        )

    def _slowest_ms(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for (topic, _), records in self._tail.seen.items() if self._tail else ():
            found[topic] = max(found.get(topic, 0), records.slowest_ms)
        return found

    def _watch(self, watch: Callable[[], None]) -> None:
        """An observer that is blind for another reason than that servers are down may not pass for a content one."""
        try:
            watch()
        except Exception as error:  # noqa: BLE001 - whatever it is
            self._problem(f"the observer itself failed: {type(error).__name__}: {error}")

    def _sample(self, name: str, sample: Callable[[], None]) -> None:
        """Sample until told to stop, whatever does not answer."""
        answered = time.monotonic()
        while not self._stopping.is_set():
            try:
                sample()
                self._samples[name] += 1
                answered, before = time.monotonic(), answered
            except (KafkaException, psycopg.Error):
                before = answered
            self._blind_s[name] = max(self._blind_s.get(name, 0.0), time.monotonic() - before)
            self._stopping.wait(self._every_s)

    def _read(self) -> None:
        """Tail the topics from where they end now."""
        while self._tail is None and not self._stopping.is_set():
            try:
                if partitions := self._positions.partitions():
                    self._tail = Tail(self._kafka, self._positions.stable(self._topics, partitions))
            except KafkaException:
                pass  # not up yet
            self._stopping.wait(self._every_s)
        while self._tail is not None and not self._stopping.is_set():
            self._tail.poll(self._every_s)
        if self._tail is not None:
            self._tail.close()

    def _sample_kafka(self) -> None:
        partitions = self._positions.partitions()
        if not partitions:
            return  # no topics yet
        with self._lock:
            claims = dict(self._claims)
        for number, offset in self._positions.committed(partitions).items():
            claims[HANDLER, f"{self._domain}.commands", number] = offset
            self._note(HANDLER, number, offset, "commands")
        standing: dict[Place, dict[str, int]] = defaultdict(dict)
        for (who, topic, number), offset in claims.items():
            standing[topic, number][who] = offset
        for (topic, number), told in self._positions.ends(self._topics, partitions).items():
            leaders = self._leaders.setdefault((topic, number), Leaders())
            beyond = leaders.beyond(told, standing[topic, number], time.monotonic())
            for who, offset in beyond.items():
                where = f"{topic}[{number}]"
                self._problem(f"{who} stands at {offset} of {where}, where committed records end at {leaders.end}")

    def _sample_database(self) -> None:
        found = self._checkpoints.read()
        for projector, number in {place for place in list(self._progress) if place[0] != HANDLER} - found.keys():
            self._problem(f"{projector} has no checkpoint in partition {number} any more")
        for (projector, number), offset in found.items():
            self._note(projector, number, offset, "events")
            with self._lock:
                self._claims[projector, f"{self._domain}.events", number] = offset

    def _note(self, who: str, number: int, position: int, kind: str) -> None:
        progress = self._progress.setdefault((who, number), Progress())
        before = progress.position
        newest = self._tail.seen[f"{self._domain}.{kind}", number].newest if self._tail else -1
        if progress.note(time.monotonic() - self._began, position, newest + 1):
            self._problem(f"{who} went back from {before} to {position} in {self._domain}.{kind}[{number}]")

    def _problem(self, text: str) -> None:
        if text not in self._problems:
            self._problems.append(text)
