"""Sending commands from Python and waiting for their outcomes; any other Kafka client can do the same."""

import time
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition, murmur2
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from headrace.avro.codec import MAX_META_BYTES, Codec, Undecodable, Unencodable
from headrace.kafka.clients import producer_config, reader_config
from headrace.kafka.reading import high_watermarks
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.errors import Fault
from headrace.kernel.message import CommandMeta, Outcome
from headrace.settings import Settings

DELIVERY_TIMEOUT_S: Final = 30.0


class CommandClient:
    """Appends commands to their topic, in order per aggregate."""

    def __init__(self, codec: Codec, settings: Settings) -> None:
        self._codec = codec
        self._settings = settings
        self._failed: list[str] = []
        self._producer = Producer(producer_config(settings) | {"max.in.flight.requests.per.connection": 1})

    def send(self, aggregate: Aggregate[Any, Any, Any], command: Struct, meta: CommandMeta) -> int:
        """Hand a command to the producer; returns the partition that it goes to.

        `Unencodable` for one that no handler would take, such as a record of over a million bytes.
        """
        key = meta.aggregate_id.encode()
        partition: int = murmur2(key, self._settings.partitions)
        frame = self._codec.encode(command, meta)
        if len(frame) > MAX_META_BYTES:
            self._refuse_too_large(command, frame)
        while True:
            try:
                self._producer.produce(aggregate.command_topic, frame, key, partition=partition, on_delivery=self._note)
            except BufferError:
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return partition

    def _refuse_too_large(self, command: Struct, frame: bytes) -> None:
        try:
            self._codec.decode(frame)
        except Undecodable as error:
            raise Unencodable(f"this {type(command).__name__} is too large: {error}") from error

    def flush(self) -> None:
        """Wait until the brokers have every command; `Fault` says what they refused."""
        waiting = self._producer.flush(DELIVERY_TIMEOUT_S)
        if waiting or self._failed:
            raise Fault(
                f"{waiting + len(self._failed)} commands are not known to be delivered: {'; '.join(self._failed[:3])}"
            )

    def _note(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failed.append(error.str())


class OutcomeWatch:
    """Reads a partition's outcomes from now on; make it before the command is sent."""

    def __init__(self, codec: Codec, settings: Settings, admin: AdminClient, topic: str, partition: int) -> None:
        self._codec = codec
        self._consumer = Consumer(reader_config(settings))
        start = high_watermarks(admin, [(topic, partition)])[topic, partition]
        self._consumer.assign([TopicPartition(topic, partition, start)])

    def wait(self, wanted: Callable[[Outcome], bool], timeout_s: float) -> Outcome | None:
        """The first outcome that is wanted; None when there is none in time."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            message = self._consumer.poll(0.2)
            if message is None or message.error() is not None:
                if message is not None and not _passes(message.error()):
                    raise KafkaException(message.error())
                continue
            outcome = self._codec.decode(message.value()).body
            if wanted(outcome):
                return outcome  # type: ignore[no-any-return]
        return None

    def close(self) -> None:
        """Stop reading."""
        self._consumer.close()


def _passes(error: KafkaError | None) -> bool:
    return error is None or error.code() == KafkaError._PARTITION_EOF or error.retriable()  # noqa: SLF001
