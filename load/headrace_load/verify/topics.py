"""The topics as a reader of committed records sees them, one partition at a time."""

import os
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, Self, TypeVar

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from headrace_load.verify.records import Ends, Record
from headrace_load.verify.report import CannotVerify

ResultT = TypeVar("ResultT")

REACTORS: Final = "headrace.react."
KINDS: Final = ("commands", "events", "outcomes", "parked")
# A broker that was away for a moment leads nothing until the controller has heard of it again.
# Brokers that come up, or hand over to each other, say so for a moment.
ON_THE_MOVE: Final = (
    KafkaError._NOENT,  # noqa: SLF001 - the constant's public name
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)
TIMEOUT_S: Final = 15.0
STALLED_S: Final = 30.0
CHUNK: Final = 5_000
# Else a broker that is down is connected to without any pause while a request waits for it (librdkafka 2.16).
ASKING: Final = {"enable.sparse.connections": False}
READER: Final = {
    "enable.auto.commit": False,
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
    "fetch.wait.max.ms": 10,
    # The default sits a full second out whenever the queue is full, and a small queue is full all the time.
    "fetch.queue.backoff.ms": 5,
    "fetch.message.max.bytes": 1_000_000,
    # Enough to keep the reader busy, little enough to keep memory flat: small records need several times their size.
    "queued.max.messages.kbytes": 2_048,
}


class Topics:
    """A connection to the brokers that only reads."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._where = bootstrap_servers
        self._client = client_properties(bootstrap_servers)
        self._admin = AdminClient(self._client | ASKING)
        self._readers: dict[tuple[str, str], Consumer] = {}
        self._partitions = self._list()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for reader in self._readers.values():
            reader.close()

    def partitions(self, domain: str) -> int:
        """How many partitions each topic of a domain has."""
        names = [f"{domain}.{kind}" for kind in KINDS]
        if missing := [name for name in names if name not in self._partitions]:
            raise CannotVerify(f"no topic {', '.join(missing)} at {self._where}: run `headrace topics create`")
        counts = {name: self._partitions[name] for name in names}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{name} has {count}" for name, count in counts.items())
            raise CannotVerify(f"the topics of {domain} differ in partitions, so that their keys do not meet: {listed}")
        return counts[names[0]]

    def ends(self, domain: str, partitions: int) -> list[dict[str, Ends]]:
        """The ends of a domain's topics, by kind, for each partition number."""
        found = self._ends([(f"{domain}.{kind}", number) for number in range(partitions) for kind in KINDS])
        return [{kind: found[f"{domain}.{kind}", number] for kind in KINDS} for number in range(partitions)]

    def own_ends(self, topic: str) -> list[Ends]:
        """The ends of a topic's partitions; none where there is no such topic."""
        places = [(topic, number) for number in range(self._partitions.get(topic, 0))]
        return list(self._ends(places).values()) if places else []

    def committed(self, group: str, topic: str, partitions: int) -> list[int | None]:
        """A consumer group's offset in each partition of a topic, None where it has none; settled ones only.

        Not by the admin client's call, which ends the process when a group's coordinator is about to load it.
        """
        places = [TopicPartition(topic, number) for number in range(partitions)]
        reader = self._reader(group=group)
        found = {place.partition: place.offset for place in _once_settled(lambda: reader.committed(places, TIMEOUT_S))}
        return [found[number] if found.get(number, -1) >= 0 else None for number in range(partitions)]

    def reacted(self, domain: str, partitions: int) -> dict[tuple[str, str], list[int | None]]:
        """The same of each reactor that has read any of a domain's events or outcomes, by group and kind of topic."""
        listed = self._admin.list_consumer_groups(request_timeout=TIMEOUT_S).result().valid
        groups = sorted(group.group_id for group in listed if group.group_id.startswith(REACTORS))
        found = {
            (group, kind): self.committed(group, f"{domain}.{kind}", partitions)
            for group in groups
            for kind in ("events", "outcomes")
        }
        return {reader: offsets for reader, offsets in found.items() if any(offset is not None for offset in offsets)}

    def records(self, topic: str, partition: int, ends: Ends) -> Iterator[Record]:
        """The committed records of a partition, oldest first; read one partition to its end before the next."""
        for chunk in _chunks(self._reader(), TopicPartition(topic, partition, ends.low), ends.stable):
            yield from map(_record, chunk)

    def others(self, topic: str, partition: int, ends: Ends, known: set[int]) -> Iterator[Record]:
        """All records but those at `known` offsets, open and aborted ones too; `known` keeps what was not there."""
        reader = self._reader("read_uncommitted")
        for chunk in _chunks(reader, TopicPartition(topic, partition, ends.low), ends.high):
            offsets = {message.offset() for message in chunk}
            if not offsets <= known:
                yield from (_record(message) for message in chunk if message.offset() not in known)
            known -= offsets

    def _reader(self, level: str = "read_committed", group: str = "headrace.verify") -> Consumer:
        """A reader of committed or of all records; it asks for its group's offsets, and never joins the group."""
        if (level, group) not in self._readers:
            self._readers[level, group] = Consumer(
                {**self._client, **READER, "isolation.level": level, "group.id": group}
            )
        return self._readers[level, group]

    def _list(self) -> dict[str, int]:
        # Asked through the consumer, which then knows all leaders: it takes a second to find each by itself.
        try:
            found = self._reader().list_topics(timeout=TIMEOUT_S).topics
        except KafkaException as error:
            raise CannotVerify(
                f"no Kafka broker answers at {self._where} ({error.args[0].str()}): is it up, is the address right?"
            ) from error
        return {name: len(topic.partitions) for name, topic in found.items()}

    def _ends(self, names: list[tuple[str, int]]) -> dict[tuple[str, int], Ends]:
        places = [TopicPartition(*name) for name in names]
        low = self._offsets(places, OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED)
        stable = self._offsets(places, OffsetSpec.latest(), IsolationLevel.READ_COMMITTED)
        high = self._offsets(places, OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED)
        return {name: Ends(low[name], stable[name], high[name]) for name in names}

    def _offsets(self, places: list[TopicPartition], spec: Any, isolation: Any) -> dict[tuple[str, int], int]:
        """Offsets by topic and partition; a partition that has no leader at the moment is asked for again."""
        asked = dict.fromkeys(places, spec)

        def ask() -> dict[tuple[str, int], int]:
            futures = self._admin.list_offsets(asked, isolation_level=isolation, request_timeout=TIMEOUT_S)
            return all_told(
                {(place.topic, place.partition): future.result().offset for place, future in futures.items()}
            )

        return _once_settled(ask)


def all_told(found: dict[tuple[str, int], int]) -> dict[tuple[str, int], int]:
    """The offsets; `KafkaException` when one is none, which is what the client says, without an error, of no leader."""
    if OFFSET_INVALID in found.values():
        raise KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE))
    return found


def _once_settled(ask: Callable[[], ResultT]) -> ResultT:
    """What brokers answer, asked again while they say that another of them is to be asked."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in ON_THE_MOVE or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _chunks(consumer: Consumer, place: TopicPartition, end: int) -> Iterator[list[Any]]:
    if place.offset >= end:
        return
    consumer.assign([place])
    moved = time.monotonic()
    while time.monotonic() - moved < STALLED_S:
        if not (came := _next_messages(consumer)):
            continue
        at_end = any(_is_end(message, error, end) for message in came if (error := message.error()) is not None)
        found = [message for message in came if message.error() is None]
        if found and found[-1].offset() + 1 >= end:
            at_end = True
            found = [message for message in found if message.offset() < end]
        yield found
        if at_end:
            consumer.unassign()
            return
        moved = time.monotonic()
    raise CannotVerify(f"{place.topic}[{place.partition}] cannot be read to its end, offset {end}: is a broker down?")


def _next_messages(consumer: Consumer) -> list[Any]:
    """What comes within a moment; `consume` alone would sit its timeout out although the end is reached."""
    first = consumer.poll(0.5)
    return [] if first is None else [first, *consumer.consume(CHUNK, 0)]


def _record(message: Any) -> Record:
    return Record(message.offset(), message.timestamp()[1], message.key(), message.value(), message.headers())


def _is_end(message: Any, error: KafkaError, end: int) -> bool:
    """Whether this is the event of the end: where markers and aborted records come last, nothing else tells of it."""
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the constant's public name
        return bool(message.offset() >= end)
    if error.retriable() or error.code() in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):  # noqa: SLF001
        return False
    raise KafkaException(error)


def client_properties(bootstrap_servers: str) -> dict[str, Any]:
    """What every client is given; it logs nothing, since who asks is told by what the calls raise.

    KAFKA_CLIENT__SECURITY_PROTOCOL=SASL_SSL in the environment is librdkafka's security.protocol, and so on.
    """
    prefix = "KAFKA_CLIENT__"
    given = {
        name.removeprefix(prefix).lower().replace("_", "."): value
        for name, value in os.environ.items()
        if name.startswith(prefix)
    }
    return {"bootstrap.servers": bootstrap_servers, "log_level": 0, "error_cb": lambda _: None, **given}
