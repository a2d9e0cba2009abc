"""Events that cannot be applied are set aside by key, so that one aggregate stands still and no other.

The table `headrace.parked` holds them, written in the transaction that moves the checkpoint past them; later events of
a parked key queue behind it there, in order. A view whose rows gather several aggregates misses the parked ones until
they are redriven, and sees them later than others that came after them.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
from msgspec import Struct
from structlog import get_logger

from headrace.kafka.records import Place, Record, place_of
from headrace.kernel.errors import TooMuchParked
from headrace.postgres.ladder import Rung, judge
from headrace.projector.projection import Projection, apply
from headrace.projector.reading import Pair, Unreadable, key_of
from headrace.projector.reasons import reason, reason_class, said

MAX_KEYS: Final = 100
"""Parked keys of one partition; more than that is a fault of the view, not of some events."""
MAX_RECORDS: Final = 50_000
"""Records in their queues: behind a busy key the table must not grow for good."""

LOAD: Final = """
    SELECT topic, partition, aggregate_id, count(*) FROM headrace.parked
    JOIN unnest(%b::text[], %b::int8[]) AS wanted (topic, partition) USING (topic, partition)
    WHERE projector = %b GROUP BY topic, partition, aggregate_id"""

PARK: Final = """
    INSERT INTO headrace.parked
        (projector, topic, partition, "offset", aggregate_id, record, logged_at, reason_class, reason, said)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"""

Parked = tuple[Record, Exception | None]
"""A record to set aside, and why; None when it only waits behind another."""

log = get_logger("headrace.projector")


class Applied(Struct, frozen=True):
    """What a batch led to: how many rows were written, and what was parked."""

    rows: int = 0
    parked: list[Parked] = []


class Parking:
    """What one projector's replica has set aside in the partitions that it owns."""

    def __init__(self, projector: str, max_keys: int = MAX_KEYS, max_records: int = MAX_RECORDS) -> None:
        self._projector = projector
        self._max_keys = max_keys
        self._max_records = max_records
        self._queues: dict[Place, dict[str, int]] = {}

    def load(self, cursor: psycopg.Cursor[Any], places: Iterable[Place]) -> None:
        """Take over what the table says; only a redrive or a discard takes something out of it behind our back."""
        wanted = sorted(places)
        cursor.execute(LOAD, [[topic for topic, _ in wanted], [number for _, number in wanted], self._projector])
        found: dict[Place, dict[str, int]] = {}
        for topic, number, key, count in cursor.fetchall():
            found.setdefault((topic, number), {})[key] = count
        for place in wanted:  # at no moment is a place that has some seen without
            if place in found:
                self._queues[place] = found[place]
            else:
                self._queues.pop(place, None)

    @property
    def size(self) -> tuple[int, int]:
        """How many keys are parked and how many records wait with them, for another thread."""
        queues = [queue for place in list(self._queues.values()) for queue in list(place.values())]
        return len(queues), sum(queues)

    def forget(self, place: Place) -> None:
        """Another process owns the partition."""
        self._queues.pop(place, None)

    def holds_any(self, places: Iterable[Place]) -> bool:
        """Whether a key of these partitions may be parked; costs nothing where none is."""
        return bool(self._queues) and any(place in self._queues for place in places)

    def apply_around(
        self,
        cursor: psycopg.Cursor[Any],
        projection: Projection,
        pairs: list[Pair],
        unreadable: list[Unreadable],
        *,
        search: bool,
    ) -> Applied:
        """Apply what can be applied and park the rest, within the batch's transaction, after its advance.

        With `search` poison is looked for by halves, in savepoints; without it, it is raised. `TooMuchParked` when
        it is.
        """
        self.load(cursor, {place_of(record) for record, _ in [*pairs, *unreadable]})
        broken: dict[tuple[Place, str], int] = {}
        for record, _ in unreadable:
            broken.setdefault((place_of(record), key_of(record)), record.offset())
        parked: list[Parked] = []
        free: list[Pair] = []
        for record, decoded in pairs:
            first = broken.get((place_of(record), key_of(record)), record.offset())
            if first < record.offset() or self._holds(record):
                parked.append((record, None))
            else:
                free.append((record, decoded))
        rows = 0
        if search:
            rows = self._search(cursor, projection, free, parked)
        elif free:
            rows = apply(projection, cursor, free)
        for record, error in unreadable:
            self._park(record, error, parked)
        self._store(cursor, parked)
        return Applied(rows, parked)

    def _search(
        self, cursor: psycopg.Cursor[Any], projection: Projection, pairs: list[Pair], parked: list[Parked]
    ) -> int:
        """Apply in order, halving what fails until the records are found that do; returns the rows written."""
        free = [pair for pair in pairs if not self._holds(pair[0])]
        parked += [(record, None) for record, _ in pairs if self._holds(record)]
        if not free:
            return 0
        try:
            with cursor.connection.transaction():
                return apply(projection, cursor, free)
        except Exception as error:
            if judge(error, cursor.connection) is not Rung.POISON:
                raise
            if len(free) == 1:
                self._park(free[0][0], error, parked)
                return 0
            middle = len(free) // 2
            rows = self._search(cursor, projection, free[:middle], parked)
            return rows + self._search(cursor, projection, free[middle:], parked)

    def _holds(self, record: Record) -> bool:
        return key_of(record) in self._queues.get(place_of(record), ())

    def _park(self, record: Record, error: Exception, parked: list[Parked]) -> None:
        parked.append((record, error))
        queues = self._queues.setdefault(place_of(record), {})
        queues.setdefault(key_of(record), 0)
        topic, number = place_of(record)
        log.error(
            "event parked",
            projector=self._projector,
            topic=topic,
            partition=number,
            offset=record.offset(),
            why=reason(error),
        )
        if len(queues) > self._max_keys:
            raise TooMuchParked(
                (topic, number),
                f"{self._projector}: more than {self._max_keys} keys of {topic}[{number}] would be parked, the last at "
                f"offset {record.offset()} ({reason(error)}): this is no fault of single events; mend the view, then "
                f"redrive what is parked",
            )

    def _store(self, cursor: psycopg.Cursor[Any], parked: list[Parked]) -> None:
        if not parked:
            return
        cursor.executemany(PARK, [self._row(record, error) for record, error in parked])
        for record, _ in parked:
            self._queues[place_of(record)][key_of(record)] += 1
        for (topic, number), queues in self._queues.items():
            if sum(queues.values()) > self._max_records:
                raise TooMuchParked(
                    (topic, number),
                    f"{self._projector}: more than {self._max_records} events of {topic}[{number}] would wait behind "
                    f"parked ones: redrive or discard them with `headrace parked`",
                )

    def _row(self, record: Record, error: Exception | None) -> tuple[Any, ...]:
        return (
            self._projector,
            *place_of(record),
            record.offset(),
            key_of(record),
            record.value(),
            datetime.fromtimestamp(record.timestamp()[1] / 1000, UTC),
            error and reason_class(error),
            error and reason(error),
            error and said(error),
        )
