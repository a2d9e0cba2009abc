"""The metrics that services count and time, by name; `headrace metrics` and docs/metrics.md list them.

Labels hold names from code and settings, and partition numbers: no aggregate's id, nothing of a record.
"""

from platform import python_version
from typing import Final

from confluent_kafka import libversion
from msgspec import Struct
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from headrace import __version__

REGISTRY: Final = CollectorRegistry()
disable_created_metrics()  # type: ignore[no-untyped-call]

SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000)
SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.12, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
LONG_SECONDS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 300)


class Family(Struct, frozen=True, order=True):
    """One metric, as the reference lists it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str


FAMILIES: Final[list[Family]] = []


def _counter(name: str, text: str, *labels: str) -> Counter:
    FAMILIES.append(Family(name, "counter", labels, text))
    return Counter(name, text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    FAMILIES.append(Family(name, "gauge", labels, text))
    return Gauge(name, text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    FAMILIES.append(Family(name, "histogram", labels, text))
    return Histogram(name, text, labels, buckets=buckets, registry=REGISTRY)


COMMANDS: Final = _counter(
    "headrace_commands_total",
    "Commands answered, by outcome (accepted, refused, parked, repeated) and, unless accepted, the reason's code.",
    "aggregate", "command", "outcome", "code",
)  # fmt: skip
EVENTS_APPENDED: Final = _counter(
    "headrace_events_appended_total", "Events written by a handler, by type.", "aggregate", "event"
)
EVENTS_APPLIED: Final = _counter(
    "headrace_events_applied_total", "Events that a projector has dealt with, parked ones included.", "projection"
)
ROWS_WRITTEN: Final = _counter("headrace_rows_written_total", "Rows that a projector has written.", "projection")
AUDIT_CHECKPOINTS: Final = _counter(
    "headrace_audit_checkpoints_total",
    "Attempts of a projector to sign where its hash chains stand: signed; rewritten, where history is no longer so.",
    "projection", "result",
)  # fmt: skip
MESSAGES_SENT: Final = _counter(
    "headrace_messages_sent_total",
    "Commands that a reactor has sent, and timers that it has set or taken back, by topic.",
    "reactor",
    "topic",
)
DEAD_LETTERS: Final = _counter(
    "headrace_dead_letters_total",
    "Records set aside or parked with their key, by the topic they came from and why; KeyParked waits behind another.",
    "topic", "reason",
)  # fmt: skip
TRANSACTIONS: Final = _counter(
    "headrace_transactions_total",
    "Batches by what became of their transaction: committed; aborted, and read again; unanswered, and looked up.",
    "group", "result",
)  # fmt: skip
BATCH_RECORDS: Final = _histogram("headrace_batch_records", "Records in a committed batch.", SIZES, "group")
BATCH_SECONDS: Final = _histogram(
    "headrace_batch_duration_seconds", "From a batch's last record until it is committed.", SECONDS, "group"
)
COMMIT_SECONDS: Final = _histogram(
    "headrace_commit_duration_seconds",
    "The end of a batch's transaction: a handler's flush, offsets and commit; a projector's statements and COMMIT.",
    SECONDS,
    "group",
)
LATENCY: Final = _histogram(
    "headrace_end_to_end_latency_seconds",
    "From a command's place in the log until what a group makes of it is committed, of each batch's first record.",
    SECONDS,
    "group",
)
TAKEOVER_SECONDS: Final = _histogram(
    "headrace_takeover_duration_seconds",
    "From the assignment of partitions until they are restored.",
    LONG_SECONDS,
    "group",
)
PRODUCERS_RECYCLED: Final = _counter(
    "headrace_producers_recycled_total", "Producers given up for a new one, since a late request could still come."
)
DATABASE_RETRIES: Final = _counter(
    "headrace_database_retries_total", "Database transactions tried again, by what was done first.", "rung"
)
DATABASE_CONNECTS: Final = _counter(
    "headrace_database_reconnects_total", "Connections to Postgres that replaced one that broke."
)
BUILD: Final = _gauge(
    "headrace_build_info", "1, with the versions of the code that runs.", "version", "python", "librdkafka"
)
BUILD.labels(__version__, python_version(), libversion()[0]).set(1)

ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)
