"""Where each group stands, for those who look twice."""

import psycopg
from confluent_kafka import KafkaException

from headrace.kafka.records import Place
from headrace.postgres.session import Connection
from headrace.settings import Settings
from headrace.watch.positions import Committed, Stands, read_checkpoints


class Standing:
    """A projector by its checkpoints, where a database tells them; all others by their committed offsets."""

    def __init__(self, settings: Settings, connection: Connection | None) -> None:
        self._committed = Committed(settings)
        self._connection = connection

    def of(self, group: str, places: list[Place]) -> dict[Place, int]:
        """The next offset of each partition, below 0 where it has none; nothing when the group's are not told."""
        known = (self._checkpoints() or {}).get(group)
        if known is not None:
            return {place: known.get(place, -1) for place in places}
        try:
            return self._committed.of(group, places)
        except KafkaException:
            return {}

    @property
    def tells_projectors(self) -> bool:
        """Whether a database tells where projectors stand: what they commit to Kafka is a hint, and may be behind."""
        return self._checkpoints() is not None

    def close(self) -> None:
        """Leave the brokers; the connection is its owner's."""
        self._committed.close()

    def _checkpoints(self) -> Stands | None:
        try:
            return read_checkpoints(self._connection) if self._connection else None
        except psycopg.Error:  # not migrated, or away: the looks at the database tell
            return None
