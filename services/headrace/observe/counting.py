"""What loops count, a batch at a time: each label's child is looked up once and kept, since looking up costs more."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, TypeAlias

from msgspec import Struct

from headrace.kernel.app import BUILT_IN
from headrace.observe import metrics

Told: TypeAlias = tuple[str, str, str]
"""How a command ended: its type, the outcome, and the code of the reason, empty when it is accepted."""


class Tally(Struct):
    """What a batch led to in one partition, once for each command and once for each event: noted in the hot loop."""

    commands: list[Told] = []
    events: list[str] = []


class Counts:
    """Counters of one family whose first labels are fixed."""

    def __init__(self, family: Any, *fixed: str) -> None:
        self._family = family
        self._fixed = fixed
        self._children: dict[Hashable, Any] = {}

    def add(self, count: float, *labels: str) -> None:
        """Count so many under the other labels."""
        child = self._children.get(labels)
        if child is None:
            child = self._children[labels] = self._family.labels(*self._fixed, *labels)
        child.inc(count)

    def add_all(self, counts: Mapping[Any, int]) -> None:
        """Count under each key, which is a label or a tuple of them."""
        for key, count in counts.items():
            self.add(count, *((key,) if isinstance(key, str) else key))


class HandlerMetrics:
    """What a handler counts."""

    def __init__(self, aggregate: str) -> None:
        self._commands = Counts(metrics.COMMANDS, aggregate)
        self._events = Counts(metrics.EVENTS_APPENDED, aggregate)
        self._dead_letters = Counts(metrics.DEAD_LETTERS)

    def answered(self, tallies: Sequence[Tally], dead: Iterable[tuple[str, str]]) -> None:
        """What a committed batch led to, partition by partition, and what was parked, by topic and why."""
        self._commands.add_all(Counter(chain.from_iterable([tally.commands for tally in tallies])))
        self._events.add_all(Counter(chain.from_iterable([tally.events for tally in tallies])))
        self._dead_letters.add_all(Counter(dead))


class ReactorMetrics:
    """What a reactor counts."""

    def __init__(self, reactor: str) -> None:
        self._sent = Counts(metrics.MESSAGES_SENT, reactor)
        self._dead_letters = Counts(metrics.DEAD_LETTERS)

    def reacted(self, topics: Iterable[str], dead: Iterable[tuple[str, str]]) -> None:
        """What a committed batch led to: the topics of what was sent, and what was parked, by topic and why."""
        self._sent.add_all(Counter(topics))
        self._dead_letters.add_all(Counter(dead))


class ProjectorMetrics:
    """What a projector counts."""

    def __init__(self, projection: str) -> None:
        self._applied = metrics.EVENTS_APPLIED.labels(projection)
        self._rows = metrics.ROWS_WRITTEN.labels(projection)
        if projection in BUILT_IN:
            # Whoever looks for an increase must have seen the count before it: the first one may be the only one.
            for result in ("signed", "rewritten"):
                metrics.AUDIT_CHECKPOINTS.labels(projection, result)
        self._dead_letters = Counts(metrics.DEAD_LETTERS)

    def applied(self, events: int, rows: int, dead: Iterable[tuple[str, str]]) -> None:
        """What a committed batch led to."""
        self._applied.inc(events)
        self._rows.inc(rows)
        self._dead_letters.add_all(Counter(dead))
