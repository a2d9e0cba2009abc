"""Where everybody stands: the handlers' group and the ends of the topics in Kafka, the checkpoints in Postgres."""

from typing import Final

import psycopg
from confluent_kafka import Consumer, IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from headrace_load.observe.leaders import End
from headrace_load.verify.topics import ASKING, all_told, client_properties

TIMEOUT_S: Final = 3.0

CHECKPOINTS: Final = """
    SELECT projector, partition, next_offset FROM headrace.checkpoints WHERE topic = %s"""

Place = tuple[str, int]
Ends = dict[Place, int]


class KafkaPositions:
    """What the brokers say; each call raises `KafkaException` when they do not within `timeout_s`."""

    def __init__(self, bootstrap_servers: str, domain: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._admin = AdminClient(client_properties(bootstrap_servers) | ASKING)
        # Not the admin client's call: that one ends the process when a group's coordinator is about to load it.
        self._group = Consumer(
            {
                **client_properties(bootstrap_servers),
                "group.id": f"headrace.handle.{domain}",
                "enable.auto.commit": False,
                "isolation.level": "read_uncommitted",
            }
        )
        self._commands = f"{domain}.commands"

    def partitions(self) -> int:
        """How many the domain's topics have; 0 when they are not there yet."""
        topic = self._admin.list_topics(timeout=self._timeout_s).topics.get(self._commands)
        return len(topic.partitions) if topic else 0

    def committed(self, partitions: int) -> dict[int, int]:
        """The handlers' offsets as they are committed; -1 where there is none."""
        places = [TopicPartition(self._commands, number) for number in range(partitions)]
        return {place.partition: max(place.offset, -1) for place in self._group.committed(places, self._timeout_s)}

    def close(self) -> None:
        """Leave the brokers."""
        self._group.close()

    def stable(self, topics: tuple[str, ...], partitions: int) -> Ends:
        """Where readers of committed records stop, by topic and partition."""
        return {place: end.offset for place, end in self.ends(topics, partitions).items()}

    def ends(self, topics: tuple[str, ...], partitions: int) -> dict[Place, End]:
        """The same, and which leader told it."""
        places = [TopicPartition(topic, number) for topic in topics for number in range(partitions)]
        futures = self._admin.list_offsets(
            dict.fromkeys(places, OffsetSpec.latest()),
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=self._timeout_s,
        )
        told = {(place.topic, place.partition): future.result() for place, future in futures.items()}
        offsets = all_told({place: info.offset for place, info in told.items()})
        return {place: End(offset, told[place].leader_epoch) for place, offset in offsets.items()}


class Checkpoints:
    """What the database says; each call raises `psycopg.Error` when it does not, and the next one connects anew."""

    def __init__(self, url: str, domain: str) -> None:
        self._url = url
        self._topic = f"{domain}.events"
        self._connection: psycopg.Connection[tuple[str, int, int]] | None = None

    def read(self) -> dict[tuple[str, int], int]:
        """The next offset of each projector in each partition."""
        try:
            if self._connection is None:
                self._connection = psycopg.connect(
                    self._url, connect_timeout=3, autocommit=True, application_name="headrace observe"
                )
            rows = self._connection.execute(CHECKPOINTS, [self._topic]).fetchall()
        except psycopg.Error:
            self.close()
            raise
        return {(projector, partition): next_offset for projector, partition, next_offset in rows}

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
