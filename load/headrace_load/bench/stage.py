"""The servers that are measured on: real, as in production where it counts for speed, emptied before each repeat."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Self

import psutil
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from headrace.avro.codec import Codec
from headrace.avro.contract import read_lock
from headrace.cli.options import load_app
from headrace.handler.rights import group_of
from headrace.kafka.clients import admin_client, producer_config, reader_config
from headrace.kafka.topics import create_topics
from headrace.kernel.errors import Fault
from headrace.local import LocalKafka, LocalPostgres
from headrace.local.process import until
from headrace.postgres.schema import migrate
from headrace.settings import Settings, read_settings
from headrace_load.bench.service import Service, cpu_seconds
from headrace_load.bench.traffic import Frame

PARTITIONS: Final = 4
HEAP_MB: Final = 1024
# The local servers look after their logs every second, for tests that wait for it: back to Kafka's own defaults.
BROKER: Final = {
    "log.cleaner.backoff.ms": "15000",
    "log.retention.check.interval.ms": "300000",
    "log.initial.task.delay.ms": "30000",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "10000",
}
# Every commit waits for the disk, and there is the memory, as in production: see deploy/kubernetes/overlays/production.
DATABASE: Final = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
}
SHOP: Final = "headrace.app:shop"
TIMEOUT_S: Final = 30.0
ROOM: Final = 100_000
"""So many records wait for the broker at most; a producer has room for ten times as many."""


class Stage:
    """Kafka and Postgres in a folder of their own, the topics of one aggregate, and the services on them."""

    def __init__(
        self,
        folder: Path,
        app_path: str = SHOP,
        aggregate: str = "orders",
        partitions: int = PARTITIONS,
    ) -> None:
        self.kafka = LocalKafka(folder / "kafka", BROKER, HEAP_MB, full_jit=True)
        self.postgres = LocalPostgres(folder / "postgres", DATABASE)
        self.app = load_app(app_path)
        self.aggregate = self.app.aggregate(aggregate)
        self.codec = Codec(self.app, read_lock(read_settings().schemas))
        self.partitions = partitions
        self._app_path = app_path
        self._folder = folder
        self._started = 0

    def __enter__(self) -> Self:
        self.kafka.start()
        self.postgres.start()
        self.settings = self._settings(self.postgres.create_database("migrated"))
        self.admin = admin_client(self.settings)
        # Not the admin client's call: that one ends the process when a group's coordinator is about to load it.
        asks = {"group.id": group_of(self.aggregate.name), "isolation.level": "read_uncommitted"}
        self._group = Consumer(reader_config(self.settings) | asks)
        migrate(self.app, self.settings)
        return self

    def __exit__(self, *_: object) -> None:
        self._group.close()
        self.kafka.kill()
        self.postgres.remove()

    def reset(self) -> None:
        """Empty topics, no group, and a migrated database without rows."""
        self.delete_topics(self.aggregate.topics)
        _forget_group(self.admin, group_of(self.aggregate.name))
        create_topics(self.admin, self.app, self.settings)
        self.postgres.drop_database("bench")
        self.settings = self._settings(self.postgres.create_database("bench", "migrated"))

    def delete_topics(self, names: Iterable[str]) -> None:
        """Delete topics as far as they exist, and wait until the broker no longer names them."""
        present = set(names) & set(self.admin.list_topics(timeout=TIMEOUT_S).topics)
        if not present:
            return
        for future in self.admin.delete_topics(list(present), operation_timeout=TIMEOUT_S).values():
            future.result()
        if not until(lambda: not present & set(self.admin.list_topics(timeout=TIMEOUT_S).topics), TIMEOUT_S):
            raise Fault(f"the broker does not delete {', '.join(sorted(present))}")

    def store(self, topic: str, frames: Iterable[Frame]) -> None:
        """Append the records to their partitions, in order."""
        producer = Producer(producer_config(self.settings))
        for number, (partition, key, value) in enumerate(frames, 1):
            producer.produce(topic, value, key, partition=partition)
            if number % ROOM == 0:
                producer.flush(TIMEOUT_S)
        if left := producer.flush(TIMEOUT_S):
            raise Fault(f"the broker does not take {left} records in {TIMEOUT_S:.0f} s")

    def service(self, *arguments: str, **variables: str) -> Service:
        """Start a service, with nothing special about it but these variables of its environment."""
        self._started += 1
        return Service(
            list(arguments),
            environment(self.settings, self._app_path) | variables,
            self._folder / f"{self._started}-{arguments[0]}.log",
        )

    def store_past(self, events: Iterable[Frame]) -> None:
        """Append events whose commands are gone; their group has offsets, without which a handler refuses to begin."""
        self.store(self.aggregate.event_topic, events)
        places = [TopicPartition(self.aggregate.command_topic, number, 0) for number in range(self.partitions)]
        self._group.commit(offsets=places, asynchronous=False)

    def answered(self) -> int:
        """How many commands the handler has committed."""
        places = [TopicPartition(self.aggregate.command_topic, number) for number in range(self.partitions)]
        return sum(max(place.offset, 0) for place in self._group.committed(places, TIMEOUT_S))

    def _settings(self, database: str) -> Settings:
        """The environment's settings, on these servers."""
        found = read_settings()
        where = {"kafka_bootstrap_servers": self.kafka.bootstrap_servers, "database_url": database}
        own = {"schemas": found.schemas.absolute(), "profile": "local", "partitions": self.partitions}
        return found.model_copy(update=where | own)

    @property
    def broker_cpu_s(self) -> float:
        """Seconds of CPU that the broker has used."""
        return cpu_seconds(psutil.Process(self.kafka.pid))

    @property
    def backend_cpu_s(self) -> float:
        """Seconds of CPU that the living processes of Postgres have used."""
        return sum(map(cpu_seconds, psutil.Process(self.postgres.pid).children()))


def environment(settings: Settings, app_path: str = SHOP) -> dict[str, str]:
    """What a service on these servers is told."""
    return {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka,
        "DATABASE_URL": settings.database,
        "HEADRACE_APP": app_path,
        "HEADRACE_PROFILE": settings.profile,
        "HEADRACE_PARTITIONS": str(settings.partitions),
        "HEADRACE_SCHEMAS": str(settings.schemas),
    }


def _forget_group(admin: AdminClient, group: str) -> None:
    """Delete a group if there is one, once a broker that has just started knows its groups."""

    def forgotten() -> bool:
        (future,) = admin.delete_consumer_groups([group]).values()
        try:
            future.result()
        except KafkaException as error:
            if "COORDINATOR" in error.args[0].name():
                return False
            if error.args[0].name() != "GROUP_ID_NOT_FOUND":
                raise
        return True

    if not until(forgotten, TIMEOUT_S):
        raise Fault(f"the broker does not delete the group {group}")
