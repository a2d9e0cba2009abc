"""What a projector has parked, for those who mend it: listed, shown, redriven or discarded by key, in order.

All of it works beside the running projector. Its owner moves a partition's checkpoint in every transaction, so whoever
holds the lock on that row has the partition's rows and parked events to himself until he commits.
"""

from datetime import datetime
from typing import Any, Final

import psycopg
from msgspec import Struct

from headrace.kernel.app import App
from headrace.kernel.errors import Fault, Misconfigured
from headrace.kernel.view import View
from headrace.postgres.checkpoint import lock
from headrace.postgres.ladder import Rung, judge
from headrace.postgres.session import Connection
from headrace.projector.projection import ViewFold
from headrace.projector.reading import EventReader, Pair
from headrace.projector.reasons import reason
from headrace.settings import Settings

KEYS: Final = """
    SELECT aggregate_id, topic, partition, count(*), min("offset"), min(parked_at),
           (array_agg(reason_class ORDER BY "offset") FILTER (WHERE reason_class IS NOT NULL))[1],
           (array_agg(reason ORDER BY "offset") FILTER (WHERE reason IS NOT NULL))[1]
    FROM headrace.parked WHERE projector = %s
    GROUP BY aggregate_id, topic, partition ORDER BY topic, partition, min("offset")"""

QUEUE: Final = """
    SELECT topic, partition, "offset", aggregate_id, record, logged_at, reason_class, reason, parked_at
    FROM headrace.parked WHERE projector = %s AND aggregate_id = %s ORDER BY topic, partition, "offset" """

RELEASE: Final = """
    WITH gone AS (
        DELETE FROM headrace.parked WHERE projector = %s AND topic = %s AND partition = %s AND "offset" = ANY(%b)
        RETURNING projector, topic, partition, "offset", aggregate_id, parked_at
    )
    INSERT INTO headrace.released
        (projector, topic, partition, "offset", aggregate_id, parked_at, how, reason)
    SELECT *, %s, %s FROM gone"""


class ParkedKey(Struct, frozen=True):
    """One key's queue in one partition: how many events it holds, from which offset on, and why the first is there."""

    aggregate_id: str
    topic: str
    partition: int
    events: int
    first_offset: int
    parked_at: datetime
    reason_class: str | None
    reason: str | None


class ParkedEvent(Struct, frozen=True):
    """One parked record. Without a reason it only waits behind another. Reads like a record just consumed."""

    at_topic: str
    at_partition: int
    at_offset: int
    aggregate_id: str
    frame: bytes
    logged_at: datetime
    reason_class: str | None
    reason: str | None
    parked_at: datetime

    def topic(self) -> str:
        """The topic that it was read from."""
        return self.at_topic

    def partition(self) -> int:
        """The partition."""
        return self.at_partition

    def offset(self) -> int:
        """The offset."""
        return self.at_offset

    def key(self) -> bytes:
        """The record's key."""
        return self.aggregate_id.encode()

    def value(self) -> bytes:
        """The record's bytes."""
        return self.frame

    def timestamp(self) -> tuple[int, int]:
        """Kafka's kind of log-append time, and its milliseconds."""
        return 2, round(self.logged_at.timestamp() * 1000)

    def headers(self) -> None:
        """Not kept."""

    def error(self) -> None:
        """None: it was consumed."""


def list_parked(connection: Connection, view: View[Any]) -> list[ParkedKey]:
    """The parked keys, in the order of their first events."""
    return [ParkedKey(*row) for row in connection.execute(KEYS, [view.schema]).fetchall()]


def show_parked(connection: Connection, view: View[Any], key: str) -> list[ParkedEvent]:
    """The events of a parked key, in order; `Misconfigured` when there is none."""
    events = [ParkedEvent(*row) for row in connection.execute(QUEUE, [view.schema, key]).fetchall()]
    if not events:
        raise Misconfigured(f"{view.name} has parked nothing of {key!r}: `headrace projector-parked list` says what")
    return events


def redrive(connection: Connection, app: App, view: View[Any], settings: Settings, key: str) -> int:
    """Apply a key's parked events in order and free the key, or change nothing; how many events it were.

    `Fault` names the first event that still cannot be applied.
    """
    projection = ViewFold(connection, view)
    reader = EventReader(app, settings, patience_s=0)
    with connection.transaction(), connection.cursor() as cursor:
        events = _locked(connection, cursor, view, key)
        pairs, unreadable = reader.read(list(events))
        if unreadable:
            raise _still_broken(view, unreadable[0][0].offset(), unreadable[0][1])
        _apply_all(cursor, projection, view, pairs)
        _release(cursor, view, events, "redriven", None)
    return len(events)


def discard(connection: Connection, view: View[Any], key: str, why: str, *, everything: bool = False) -> int:
    """Give up the oldest parked event of a key, or all of them, for a reason that is kept; how many events it were.

    The key stays parked while events are left. The view then lacks what was discarded, for good.
    """
    if not why.strip():
        raise Misconfigured("a discard needs a reason, which is kept beside what was discarded")
    with connection.transaction(), connection.cursor() as cursor:
        events = _locked(connection, cursor, view, key)
        if not everything:
            del events[1:]
        _release(cursor, view, events, "discarded", why)
    return len(events)


def _apply_all(cursor: psycopg.Cursor[Any], projection: ViewFold, view: View[Any], pairs: list[Pair]) -> None:
    """Apply all at once; if that fails, one by one, to name the first that does."""
    try:
        with cursor.connection.transaction():
            projection.apply(cursor, pairs)
    except Exception as error:
        if judge(error, cursor.connection) is not Rung.POISON:
            raise
    else:
        return
    for pair in pairs:
        try:
            projection.apply(cursor, [pair])
        except Exception as error:
            raise _still_broken(view, pair[0].offset(), error) from error


def _locked(connection: Connection, cursor: psycopg.Cursor[Any], view: View[Any], key: str) -> list[ParkedEvent]:
    """The key's events, once nobody else can apply, park or release events of their partitions."""
    for place in sorted({(event.at_topic, event.at_partition) for event in show_parked(connection, view, key)}):
        lock(cursor, view.schema, place)
    return show_parked(connection, view, key)


def _release(
    cursor: psycopg.Cursor[Any], view: View[Any], events: list[ParkedEvent], how: str, why: str | None
) -> None:
    for topic, partition in sorted({(event.at_topic, event.at_partition) for event in events}):
        offsets = [e.at_offset for e in events if (e.at_topic, e.at_partition) == (topic, partition)]
        cursor.execute(RELEASE, [view.schema, topic, partition, offsets, how, why])


def _still_broken(view: View[Any], offset: int, error: Exception) -> Fault:
    return Fault(f"{view.name}: the event at offset {offset} still fails: {reason(error)}; nothing was changed")
