"""What a projector has parked, for those who mend it: listed, shown, redriven or discarded by key, in order.

All of it works beside the running projector. Its owner moves a partition's checkpoint in every transaction, so whoever
holds the lock on that row has the partition's rows and parked events to himself until he commits.
"""

from datetime import datetime
from typing import Any, Final, TypeAlias

import psycopg

from headrace.kafka.records import place_of
from headrace.kernel.app import BUILT_IN, App
from headrace.kernel.errors import Fault, Misconfigured
from headrace.postgres.checkpoint import lock, reach
from headrace.postgres.ladder import Rung, judge
from headrace.postgres.schema import refuse_unmigrated
from headrace.postgres.session import Session
from headrace.projector.projection import ViewFold, apply
from headrace.projector.reading import Pair, RecordReader, newest_command
from headrace.projector.reasons import reason as reason_for
from headrace.projector.stored import StoredEvent, milliseconds
from headrace.settings import Settings

Cursor: TypeAlias = psycopg.Cursor[Any]

KEYS: Final = """
    SELECT aggregate_id, count(*), topic, partition, min("offset"),
           (date_part('epoch', min(logged_at)) * 1000)::bigint, (date_part('epoch', min(parked_at)) * 1000)::bigint,
           (array_agg(reason_class ORDER BY "offset") FILTER (WHERE reason_class IS NOT NULL))[1],
           (array_agg(reason ORDER BY "offset") FILTER (WHERE reason IS NOT NULL))[1]
    FROM headrace.parked WHERE projector = %s
    GROUP BY aggregate_id, topic, partition ORDER BY topic, partition, min("offset")"""

QUEUE: Final = """
    SELECT topic, partition, "offset", aggregate_id, record, logged_at, reason_class, reason, said, parked_at
    FROM headrace.parked WHERE projector = %s AND aggregate_id = %s ORDER BY topic, partition, "offset" """

RELEASE: Final = """
    WITH gone AS (
        DELETE FROM headrace.parked WHERE projector = %s AND topic = %s AND partition = %s AND "offset" = ANY(%b)
        RETURNING projector, topic, partition, "offset", aggregate_id, parked_at
    )
    INSERT INTO headrace.released
        (projector, topic, partition, "offset", aggregate_id, parked_at, how, reason, actor)
    SELECT *, %s, %s, %s FROM gone"""

RELEASED: Final = """
    SELECT how, topic, partition, "offset", reason, actor, released_at FROM headrace.released
    WHERE projector = %s AND aggregate_id = %s ORDER BY released_at, topic, partition, "offset" """


class StillBroken(Fault):
    """A parked event cannot be applied by the view's code as it is here."""


class ParkedEvent(StoredEvent, frozen=True):
    """One parked record. Without a reason it only waits behind another."""

    reason_class: str | None
    reason: str | None
    said: str | None
    parked_at: datetime

    @property
    def place(self) -> dict[str, Any]:
        """Where the record lies in the event topic, why it is parked and when that was (milliseconds)."""
        return {
            "topic": self.at_topic,
            "partition": self.at_partition,
            "offset": self.at_offset,
            "log_time": self.timestamp()[1],
            "parked_at": milliseconds(self.parked_at),
            "exception": self.reason_class,
            "where": self.reason,
            "message": self.said or self.reason or "it waits behind another",
        }


class ParkedEvents:
    """What one view's projector has parked, as the database has it now."""

    def __init__(self, app: App, name: str, settings: Settings) -> None:
        if name in BUILT_IN:
            raise Misconfigured(f"the {name} parks nothing: it stops at what it cannot copy, and its log says where")
        self._app = app
        self._view = app.view(name)
        self._settings = settings
        self._connection = Session(settings, "headrace parked").connection
        refuse_unmigrated(self._connection, (self._view,))
        self._connection.commit()

    def listed(self) -> dict[str, Any]:
        """The keys that wait, in the order of their first events; the reasons hold no value of an event."""
        rows = self._connection.execute(KEYS, [self._view.schema]).fetchall()
        self._connection.commit()
        names = ("key", "events", "topic", "partition", "offset", "log_time", "parked_at", "exception", "message")
        return {"projector": self._view.name, "parked": [dict(zip(names, row, strict=True)) for row in rows]}

    def keys(self) -> list[str]:
        """The keys that wait."""
        return sorted({entry["key"] for entry in self.listed()["parked"]})

    def shown(self, key: str) -> dict[str, Any]:
        """The events that wait for a key, in order, and its releases; `Misconfigured` when there is neither.

        Each has its `record`, as bytes.
        """
        with self._connection.transaction(), self._connection.cursor() as cursor:
            events = self._queue(cursor, key)
            released = cursor.execute(RELEASED, [self._view.schema, key]).fetchall()
        if not events and not released:
            raise self._not_parked(key)
        names = ("result", "topic", "partition", "offset", "reason", "actor", "released_at")
        return {
            "projector": self._view.name,
            "key": key,
            "waiting": [event.place | {"record": event.frame} for event in events],
            "released": [
                dict(zip(names, row, strict=True)) | {"released_at": milliseconds(row[-1])} for row in released
            ],
        }

    def redrive(self, key: str, actor: str | None) -> dict[str, Any]:
        """Apply a key's events in order, by the view's code as it is here, and free the key; or change nothing."""
        projection = ViewFold(self._connection, self._view, self._settings.recent_rows)
        reader = RecordReader(self._app, self._settings, patience_s=0)
        try:
            with self._connection.transaction(), self._connection.cursor() as cursor:
                events = self._locked(cursor, key)
                pairs, unreadable = reader.read(list(events))
                if unreadable:
                    raise _still_broken(unreadable[0][0].offset(), unreadable[0][1])
                _apply_all(cursor, projection, pairs)
                # Which command an event followed from was not known while it did not decode.
                for place in {place_of(it) for it, _ in pairs}:
                    of_place = [pair for pair in pairs if place_of(pair[0]) == place]
                    reach(cursor, self._view.schema, place, newest_command(of_place))
                self._release(cursor, events, ("redriven", None, actor))
        except StillBroken as error:
            return self._tell(key, "still parked", 0, f"{key}: still parked: {error}")
        return self._tell(key, "redriven", len(events), f"{key}: redriven, {len(events)} events")

    def discard(self, key: str, reason: str, actor: str | None, *, everything: bool) -> dict[str, Any]:
        """Give up the oldest event of a key, or all of them; the view then lacks them for good.

        The key stays parked while events are left: those behind the one that broke may be fine.
        """
        with self._connection.transaction(), self._connection.cursor() as cursor:
            events = self._locked(cursor, key)
            given_up = events if everything else events[:1]
            self._release(cursor, given_up, ("discarded", reason, actor))
        left = len(events) - len(given_up)
        said = f"{key}: discarded, {len(given_up)} events{f', {left} left: redrive them' if left else ''}"
        return self._tell(key, "discarded", len(given_up), said) | {"left": left}

    def _queue(self, cursor: Cursor, key: str) -> list[ParkedEvent]:
        return [ParkedEvent(*row) for row in cursor.execute(QUEUE, [self._view.schema, key]).fetchall()]

    def _locked(self, cursor: Cursor, key: str) -> list[ParkedEvent]:
        """The key's events, once nobody else can apply, park or release events of their partitions."""
        for place in sorted({place_of(event) for event in self._queue(cursor, key)}):
            lock(cursor, self._view.schema, place)
        if found := self._queue(cursor, key):
            return found
        raise self._not_parked(key)

    def _release(
        self, cursor: Cursor, events: list[ParkedEvent], how_why_who: tuple[str, str | None, str | None]
    ) -> None:
        for place in sorted({place_of(event) for event in events}):
            offsets = [event.offset() for event in events if place_of(event) == place]
            cursor.execute(RELEASE, [self._view.schema, *place, offsets, *how_why_who])

    def _tell(self, key: str, result: str, count: int, message: str) -> dict[str, Any]:
        return {"projector": self._view.name, "key": key, "result": result, "events": count, "message": message}

    def _not_parked(self, key: str) -> Misconfigured:
        return Misconfigured(
            f"nothing is parked for {key!r} in the projector {self._view.name}: `headrace parked list` says what is"
        )


def _apply_all(cursor: Cursor, projection: ViewFold, pairs: list[Pair]) -> None:
    """Apply all at once; if that fails, one by one, to name the first that does."""
    try:
        with cursor.connection.transaction():
            apply(projection, cursor, pairs)
    except Exception as error:
        if judge(error, cursor.connection) is not Rung.POISON:
            raise
    else:
        return
    for pair in pairs:
        try:
            apply(projection, cursor, [pair])
        except Exception as error:
            raise _still_broken(pair[0].offset(), error) from error


def _still_broken(offset: int, error: Exception) -> StillBroken:
    return StillBroken(f"the event at offset {offset} still fails: {reason_for(error)}; nothing was changed")
