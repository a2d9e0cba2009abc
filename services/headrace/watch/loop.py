"""`headrace watch`: looks at brokers, topics, groups and Postgres again and again, and shows what it saw as metrics.

It is no part of the work: it writes nothing, reads of a record that waits only when it was appended, and all else goes
on without it. It stays up when what it looks at is down, since that is what it is to tell.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, OffsetSpec
from msgspec import structs
from structlog import get_logger

from headrace.kafka.clients import admin_client
from headrace.kafka.reading import read_offsets
from headrace.kafka.records import Place
from headrace.kernel.app import App
from headrace.kernel.errors import Fault
from headrace.observe.health import Health
from headrace.observe.metrics import REGISTRY
from headrace.postgres.connection import connect
from headrace.postgres.session import Connection
from headrace.settings import Settings
from headrace.watch.backlog import Backlog, Behind
from headrace.watch.brokers import (
    OFFSETS_S,
    Ends,
    GroupState,
    TopicState,
    read_compaction_lags,
    read_ends,
    read_groups,
    read_partitions,
    topic_state,
)
from headrace.watch.database import DatabaseState, answered_within, read_database
from headrace.watch.families import Sights
from headrace.watch.groups import OPTIONAL, groups_of, sources_of_groups, topics_of, workers_of
from headrace.watch.positions import Committed, Stands, read_checkpoints

INTERVAL_S: Final = 5.0
PAUSE_S: Final = 0.1
PATIENCE_S: Final = 10.0
"""How long one look at Postgres may take."""

FoundT = TypeVar("FoundT")

log = get_logger("headrace.watch")


class Watch:
    """One look after the other until `stopping`."""

    def __init__(self, app: App, settings: Settings, health: Health) -> None:
        self.stopping = False
        self.sights = Sights()
        self._settings = settings
        self._health = health
        self._topics, self._groups = topics_of(app), groups_of(app)
        self._workers, self._sources = workers_of(app), sources_of_groups(app)
        self._schemas = ["headrace", *(view.schema for view in app.views)]
        self._ends = Ends()
        self._backlog = Backlog(settings)
        self._committed = Committed(settings)
        self._admin: AdminClient | None = None
        self._connection: Connection | None = None

    def run(self) -> None:
        """Look, wait, look again; what does not answer is a metric and a line in the log, and no end."""
        REGISTRY.register(self.sights)
        self._health.begin()
        try:
            while not self.stopping:
                due = time.monotonic() + INTERVAL_S
                self.look()
                self._health.ready()
                while not self.stopping and time.monotonic() < due:
                    self._health.beat()
                    time.sleep(PAUSE_S)
        finally:
            REGISTRY.unregister(self.sights)
            self.close()

    def close(self) -> None:
        """Leave the servers."""
        self._committed.close()
        if self._connection is not None:
            self._connection.close()

    def look(self) -> None:
        """Look once, at one part after the other: one that does not answer takes no other with it."""
        database = self._part("Postgres", self._look_at_postgres)
        self._see("postgres", database=database)
        stands = self._part("checkpoints", self._look_at_checkpoints) if database else None
        brokers, there = self._part("Kafka", self._look_at_brokers) or (0, {})
        if self._admin is None or not brokers:  # the rest would only wait
            self._see("kafka", brokers=0, topics={}, groups={}, behind={})
            return
        stable, topics = self._look_at_topics(self._admin, there)
        groups = self._part("groups", partial(self._look_at_groups, self._admin))
        behind = self._part("backlog", partial(self._look_at_backlog, self._admin, stands or {}, stable))
        self._see("kafka", brokers=brokers, topics=topics, groups=groups or {}, behind=behind or {})

    def _see(self, server: str, **found: Any) -> None:
        looked = {**self.sights.seen.looked, server: time.time()}
        self.sights.seen = structs.replace(self.sights.seen, looked=looked, **found)

    def _part(self, what: str, ask: Callable[[], FoundT]) -> FoundT | None:
        """What one part of a look brings; None without an answer."""
        try:
            return ask()
        except (Fault, KafkaException, psycopg.Error) as error:
            log.warning("no answer", what=what, why=" ".join(str(error).split()))
            return None
        finally:
            self._health.beat()

    def _look_at_postgres(self) -> DatabaseState:
        return self._asked(partial(read_database, schemas=self._schemas))

    def _look_at_checkpoints(self) -> Stands:
        """Where projectors stand, those that never began, too, but for what not everybody runs."""
        found = self._asked(read_checkpoints)
        wanted = [group for group in self._groups if group not in self._workers]
        return {group: found.get(group, {}) for group in wanted if group in found or group not in OPTIONAL}

    def _asked(self, ask: Callable[[Connection], FoundT]) -> FoundT:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._settings, "headrace watch", autocommit=True)
        try:
            with answered_within(self._connection, PATIENCE_S):
                return ask(self._connection)
        except psycopg.OperationalError:
            self._connection.close()
            raise

    def _look_at_brokers(self) -> tuple[int, dict[str, list[Any]]]:
        self._admin = self._admin or admin_client(self._settings)
        return read_partitions(self._admin, self._topics)

    def _look_at_topics(
        self, admin: AdminClient, there: dict[str, list[Any]]
    ) -> tuple[dict[Place, int], dict[str, TopicState]]:
        """The last stable offsets of partitions, and the topics."""
        stable, high = self._part("ends", partial(read_ends, admin, there)) or ({}, {})
        unstable = self._ends.look(stable, high)
        lags = self._part("settings of topics", partial(read_compaction_lags, admin, there)) or {}
        return stable, {
            name: topic_state(entries, self._ends.appended(name, len(entries)), unstable.get(name), lags.get(name))
            for name, entries in there.items()
        }

    def _look_at_groups(self, admin: AdminClient) -> dict[str, GroupState]:
        found, unknown = read_groups(admin, self._groups, self._settings.partitions)
        for group, why in unknown.items():
            log.warning("the members of a group are not known", group=group, why=why)
        return found

    def _look_at_backlog(
        self, admin: AdminClient, stands: Stands, ends: dict[Place, int]
    ) -> dict[str, dict[Place, Behind]]:
        """How far each group is behind; one that has no position yet stands at the beginning."""
        begins = read_offsets(admin, ends, OffsetSpec.earliest(), patience_s=OFFSETS_S)
        stands = dict(stands)
        for group in self._workers:
            places = [place for place in ends if place[0] in self._sources[group]]
            found = self._part(f"offsets of {group}", partial(self._committed.of, group, places))
            if found is not None:
                stands[group] = found
        return self._backlog.look(
            {
                group: {
                    place: max(begins[place], found.get(place, -1))
                    for place in ends
                    if place[0] in self._sources[group]
                }
                for group, found in stands.items()
            },
            ends,
        )
