"""A service's loop as it is looked at from outside: its signs of life, its place in the log, its batches."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, Self

from confluent_kafka.admin import AdminClient

from headrace.kafka.records import Place
from headrace.observe import metrics
from headrace.observe.counting import Counts
from headrace.observe.ends import Ends
from headrace.observe.health import Health
from headrace.observe.lag import Lag
from headrace.observe.states import STATES, Held, Watched
from headrace.settings import Settings


class Member(Protocol):
    """A consumer in its group."""

    @property
    def is_settled(self) -> bool:
        """Whether the group has given its partitions, and all of them are made ready."""

    def positions(self, places: list[Place]) -> dict[Place, int]:
        """The client's positions."""


class Timing:
    """When the parts of one batch began, by the monotonic clock."""

    def __init__(self) -> None:
        self.began = self.committing = time.monotonic()
        self.ended = 0.0

    def commit(self) -> None:
        """The batch is processed, and its transaction is to be ended."""
        self.committing = time.monotonic()

    def end(self) -> None:
        """Its transaction is committed."""
        self.ended = time.monotonic()


class ObservedLoop:
    """What one group's member tells; within its `with` the loop runs."""

    def __init__(
        self,
        settings: Settings,
        admin: AdminClient,
        health: Health,
        group: str,
        held: Callable[[], Held],
        view: str = "",
    ) -> None:
        self.health = health
        self._lag = Lag()
        self._ends = Ends(settings, admin, self._lag, health)
        self._takeover = metrics.TAKEOVER_SECONDS.labels(group)
        self._transactions = Counts(metrics.TRANSACTIONS, group)
        self._records = metrics.BATCH_RECORDS.labels(group)
        self._seconds = metrics.BATCH_SECONDS.labels(group)
        self._commit = metrics.COMMIT_SECONDS.labels(group)
        self._latency = metrics.LATENCY.labels(group)
        self._taking_since = 0.0
        STATES.watch(Watched(group, health, self._lag, held, view, self._takeover_s))

    def __enter__(self) -> Self:
        self.health.wait_for("the consumer group has assigned no partitions yet")
        self.health.begin()
        self._ends.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._ends.__exit__()
        if kind is not None:
            self.health.fail(f"ended by {kind.__name__}")

    def turn(self, member: Member, *, is_idle: bool = True) -> None:
        """The loop has come round, with no batch under way if it is idle."""
        self.health.beat()
        if member.is_settled:
            self._taking_since = 0.0
            self.health.ready()
        if is_idle:
            self._lag.look(member.positions)

    def acquiring(self, places: Iterable[Place]) -> None:
        """The group has given these partitions."""
        self._taking_since = self._taking_since or time.monotonic()
        self.health.wait_for(f"restoring {len(list(places))} partitions")

    def filling(self, starts: Mapping[Place, int]) -> None:
        """They are filled from elsewhere first, from these offsets on."""
        self._lag.filling(starts)

    def acquired(self, starts: Mapping[Place, int], seconds: float) -> None:
        """They are restored, to go on at these offsets."""
        self._lag.acquired(starts)
        self._takeover.observe(seconds)

    def released(self, places: Iterable[Place]) -> None:
        """Others own them."""
        self._lag.released(places)

    def halted(self, place: Place) -> None:
        """The partition is kept, and nothing of it processed any more."""
        self._lag.halted(place)

    def committed(
        self, after: Mapping[Place, int], records: int, timing: Timing, log_times: Mapping[Place, int], asked_at: int
    ) -> None:
        """A batch of so many records is committed, now unless its timing has ended.

        `after` has each partition's next offset and `log_times` its newest record, `asked_at` is the oldest record's
        command, in milliseconds of log time.
        """
        now = time.monotonic()
        ended = timing.ended or now
        self._lag.moved(after, log_times)
        self._transactions.add(1, "committed")
        self._records.observe(records)
        self._seconds.observe(ended - timing.began)
        self._commit.observe(ended - timing.committing)
        self._latency.observe(max(0.0, time.time() - (now - ended) - asked_at / 1000))

    def not_committed(self, first: Iterable[Place]) -> None:
        """A batch of these partitions is aborted and will be read again."""
        self._lag.rewound(first)
        self._transactions.add(1, "aborted")

    def unanswered(self) -> None:
        """Nobody has told whether a batch is committed: it is looked up."""
        self._transactions.add(1, "unanswered")

    def _takeover_s(self) -> float:
        since = self._taking_since
        return time.monotonic() - since if since else 0.0
