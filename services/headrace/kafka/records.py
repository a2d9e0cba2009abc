"""A record as it is read from Kafka, and where it lies."""

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from confluent_kafka import KafkaError

Place: TypeAlias = tuple[str, int]
"""Topic and partition."""


class Record(Protocol):
    """A consumed record, as confluent-kafka's `Message` gives it; `timestamp()` is its type and milliseconds."""

    def topic(self) -> str: ...  # noqa: D102
    def partition(self) -> int: ...  # noqa: D102
    def offset(self) -> int: ...  # noqa: D102
    def timestamp(self) -> tuple[int, int]: ...  # noqa: D102
    def key(self) -> bytes | None: ...  # noqa: D102
    def value(self) -> bytes | None: ...  # noqa: D102
    def headers(self) -> list[tuple[str, bytes]] | None: ...  # noqa: D102
    def error(self) -> KafkaError | None: ...  # noqa: D102


def place_of(record: Record) -> Place:
    """The record's topic and partition."""
    return record.topic(), record.partition()


def headers_of(read: Callable[[], list[tuple[str, Any]] | None]) -> list[tuple[str, Any]]:
    """What a record's own `headers` reads; nothing when a name among them is no UTF-8, which any sender may send.

    confluent-kafka raises `SystemError` then. If asked again, it hands out a list with holes, which ends the process.
    """
    try:
        return read() or []
    except SystemError:
        read.__self__.set_headers([])  # type: ignore[attr-defined]  # the bound method of a `Message`
        return []
