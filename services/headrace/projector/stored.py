"""An event as Postgres holds it, in the journal or parked, that reads like a record just consumed."""

from datetime import datetime

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME
from msgspec import Struct


def milliseconds(at: datetime) -> int:
    """A time as Kafka keeps it, since 1970."""
    return round(at.timestamp() * 1000)


class StoredEvent(Struct, frozen=True):
    """One event with its coordinates in the log."""

    at_topic: str
    at_partition: int
    at_offset: int
    aggregate_id: str
    frame: bytes
    logged_at: datetime

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
        return TIMESTAMP_LOG_APPEND_TIME, milliseconds(self.logged_at)

    def headers(self) -> None:
        """Not kept."""

    def error(self) -> None:
        """None: it was consumed."""
