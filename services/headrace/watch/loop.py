"""`headrace watch`: looks at brokers, topics, groups and Postgres again and again, and shows what it saw as metrics.

It is no part of the work: it reads no record, writes nothing, and everything goes on without it. It stays up when what
it looks at is down, since that is what it is to tell.
"""

import time
from typing import Final

import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from structlog import get_logger

from headrace.kafka.clients import admin_client
from headrace.kernel.app import App
from headrace.kernel.errors import Fault
from headrace.observe.health import Health
from headrace.observe.metrics import REGISTRY
from headrace.postgres.connection import connect
from headrace.postgres.session import Connection
from headrace.settings import Settings
from headrace.watch.brokers import GroupState, TopicState, Unstable, read_groups, read_topics
from headrace.watch.database import DatabaseState, read_database
from headrace.watch.families import Seen, Sights
from headrace.watch.groups import groups_of, topics_of

INTERVAL_S: Final = 5.0
PAUSE_S: Final = 0.1

log = get_logger("headrace.watch")


class Watch:
    """One look after the other until `stopping`."""

    def __init__(self, app: App, settings: Settings, health: Health) -> None:
        self.stopping = False
        self.sights = Sights()
        self._settings = settings
        self._health = health
        self._topics, self._groups = topics_of(app), groups_of(app)
        self._schemas = ["headrace", *(view.schema for view in app.views)]
        self._unstable = Unstable()
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
            if self._connection is not None:
                self._connection.close()

    def look(self) -> None:
        """Look once."""
        brokers, topics, groups = self._look_at_kafka()
        self._health.beat()
        self.sights.seen = Seen(brokers, topics, groups, self._look_at_postgres())

    def _look_at_kafka(self) -> tuple[int, dict[str, TopicState], dict[str, GroupState]]:
        try:
            self._admin = self._admin or admin_client(self._settings)
            brokers, topics = read_topics(self._admin, self._topics, self._unstable)
            self._health.beat()
            return brokers, topics, read_groups(self._admin, self._groups, self._settings.partitions)
        except (Fault, KafkaException) as error:
            log.warning("Kafka does not answer", why=str(error))
            return 0, {}, {}

    def _look_at_postgres(self) -> DatabaseState | None:
        try:
            if self._connection is None or self._connection.closed:
                self._connection = connect(self._settings, "headrace watch", autocommit=True)
            return read_database(self._connection, self._schemas)
        except (Fault, psycopg.Error) as error:
            log.warning("Postgres does not answer", why=" ".join(str(error).split()))
            if self._connection is not None:
                self._connection.close()
            return None
