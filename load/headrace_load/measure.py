"""How fast it went: latencies and rates from the times that Kafka and Postgres have stamped on records and rows.

A command's time is its log-append time (`occurred_at` in the event's meta), an event's its own log-append time, a
row's the moment at which Postgres wrote it. No clock of the services counts.
"""

from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from headrace_load.verify.report import CannotVerify
from headrace_load.verify.rows import MODELS
from headrace_load.verify.schemas import NotARecordError, Schemas

EVENTS: Final = """
    SELECT record, date_part('epoch', logged_at) * 1000, date_part('epoch', copied_at) * 1000
    FROM headrace.journal WHERE topic = %s"""


@dataclass(frozen=True, slots=True)
class Latency:
    """How long something took, in milliseconds; half of `count` took at most `p50`. All 0 when there was nothing."""

    count: int
    p50: float
    p99: float
    largest: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> "Latency":
        """The percentiles of some durations."""
        if not samples:
            return cls(0, 0.0, 0.0, 0.0)
        ordered = sorted(samples)
        last = len(ordered) - 1
        p50, p99, largest = (round(ordered[round(last * share)], 1) for share in (0.5, 0.99, 1.0))
        return cls(len(ordered), p50, p99, largest)


@dataclass(frozen=True, slots=True)
class Measured:
    """From the first command to the last row: how many events in how many seconds, and how long each step took."""

    events: int
    seconds: float
    events_per_second: float
    command_to_event: Latency
    command_to_journal: Latency
    command_to_row: Latency

    def as_json(self) -> dict[str, Any]:
        """The figures for programs."""
        return asdict(self)


def measure(database_url: str, schemas_dir: Path, domain: str) -> Measured:
    """The figures of a domain's whole journal; `command_to_row` is of each row's newest event.

    Raises `CannotVerify` when the database cannot be reached or is not migrated.
    """
    schemas = Schemas.read(schemas_dir)
    to_event, to_journal = array("d"), array("d")
    first, last = float("inf"), 0.0
    try:
        with psycopg.connect(database_url, connect_timeout=10) as connection:
            with connection.cursor("measure", binary=True) as cursor:
                cursor.itersize = 5_000
                cursor.execute(EVENTS, [f"{domain}.events"])
                for record, logged_at, copied_at in cursor:
                    asked_at = schemas.meta(record)["occurred_at"]
                    to_event.append(logged_at - asked_at)
                    to_journal.append(copied_at - asked_at)
                    first, last = min(first, asked_at), max(last, copied_at)
            rows = _rows(connection, domain)
    except (psycopg.Error, NotARecordError) as error:
        raise CannotVerify(f"nothing to measure: {' '.join(str(error).split())}") from error
    to_row = [applied_at - asked_at for asked_at, applied_at in rows]
    last = max([last, *(applied_at for _, applied_at in rows)])
    seconds = max(0.0, last - first) / 1000 if to_event else 0.0
    rate = len(to_event) / seconds if seconds else 0.0
    figures = (Latency.of(to_event), Latency.of(to_journal), Latency.of(to_row))
    return Measured(len(to_event), round(seconds, 3), round(rate, 1), *figures)


def _rows(connection: psycopg.Connection[Any], domain: str) -> list[tuple[float, float]]:
    """When each row's newest command was asked and when the row was written."""
    model = MODELS.get(domain)
    if model is None:
        return []
    schema, table = model.TABLE.split(".")
    query = psycopg.sql.SQL(
        "SELECT date_part('epoch', updated_at) * 1000, date_part('epoch', applied_at) * 1000 FROM {}"
    ).format(psycopg.sql.Identifier(schema, table))
    return connection.execute(query).fetchall()
