"""Where groups stand: handlers and reactors by their committed offsets, projectors by their checkpoints."""

from typing import Any, Final

import psycopg
from confluent_kafka import Consumer, TopicPartition

from headrace.kafka.clients import reader_config
from headrace.kafka.records import Place
from headrace.projector.rights import group_of
from headrace.settings import Settings

PATIENCE_S: Final = 3.0

CHECKPOINTS: Final = "SELECT projector, topic, partition, next_offset FROM headrace.checkpoints"

Stands = dict[str, dict[Place, int]]
"""The next offset of each partition, by group."""


class Committed:
    """Asks for committed offsets.

    By a consumer of each group, which never joins it: the admin client's own question may end the process. An offset
    that an open transaction may yet change is told as it was.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumers: dict[str, Consumer] = {}

    def of(self, group: str, places: list[Place]) -> dict[Place, int]:
        """Where a group stands, below 0 where it has no offset; `KafkaException` when its coordinator does not tell."""
        consumer = self._consumers.get(group)
        if consumer is None:
            config = reader_config(self._settings) | {"group.id": group, "isolation.level": "read_uncommitted"}
            consumer = self._consumers[group] = Consumer(config)
        found = consumer.committed([TopicPartition(*place) for place in places], timeout=PATIENCE_S)
        return {(entry.topic, entry.partition): entry.offset for entry in found}

    def close(self) -> None:
        """Leave the brokers."""
        for consumer in self._consumers.values():
            consumer.close()


def read_checkpoints(connection: psycopg.Connection[Any]) -> Stands:
    """Where all projectors stand; `psycopg.Error` without an answer."""
    stands: Stands = {}
    for projector, topic, number, offset in connection.execute(CHECKPOINTS).fetchall():
        stands.setdefault(group_of(projector), {})[topic, number] = offset
    return stands
