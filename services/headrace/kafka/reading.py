"""Reading a partition from an offset to the end that it had, past markers, aborts and compacted gaps."""

import contextlib
import time
from collections.abc import Collection, Iterator
from typing import Any, Final, cast

from confluent_kafka import OFFSET_INVALID, Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from headrace.kafka.clients import REQUEST_TIMEOUT_S, reader_config
from headrace.kafka.consumer import passes
from headrace.kafka.records import Place, Record
from headrace.kernel.errors import Fault, Misconfigured
from headrace.settings import Settings

STALLED_S: Final = 60.0
LEADERLESS_S: Final = 30.0
MISSING_S: Final = 3.0
"""So long a broker has to learn of a topic that was made just now."""
UNKNOWN: Final = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})  # noqa: SLF001
ATTEMPT_S: Final = 3.0
"""So long one request for offsets may take: it waits for the leaders that it knew, and the next one knows others."""
REFUSED: Final = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED})
RETRY_S: Final = 0.1
CHUNK: Final = 10_000
FIRST_BYTES: Final = 20_000
"""So much of each partition is fetched where only its first record is asked for; a batch comes whole all the same."""


def list_offsets(
    admin: AdminClient,
    wanted: dict[Place, Any],
    isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED,
    patience_s: float = LEADERLESS_S,
) -> dict[Place, Any]:
    """Offset and timestamp of each partition as the spec says; `latest()` is the high watermark, pending too.

    A broker that comes or goes leaves partitions without a leader, or with one that the client does not know yet, for
    a while: they are asked again, and a `Fault` says so only after half a minute, or whatever patience there is.
    """
    began = time.monotonic()
    deadline = began + patience_s
    while True:
        futures = admin.list_offsets(
            {TopicPartition(*place): spec for place, spec in wanted.items()},
            isolation_level=isolation,
            request_timeout=ATTEMPT_S,
        )
        try:
            found = {(entry.topic, entry.partition): future.result() for entry, future in futures.items()}
            # Without an error, and without an offset: taken for one, it would make a full partition an empty one.
            if all(info.offset != OFFSET_INVALID for info in found.values()):
                return found
            why = "a partition has no leader"
        except KafkaException as error:
            why = error.args[0].str()
            if error.args[0].code() in REFUSED:
                deadline = 0.0
        if time.monotonic() > deadline:
            raise Fault(f"the brokers do not tell their offsets: {why}")
        time.sleep(RETRY_S)
        missing = _learn_leaders(admin, {topic for topic, _ in wanted})
        if missing and time.monotonic() - began > MISSING_S:
            raise Misconfigured(f"topics {', '.join(missing)} do not exist: run `headrace topics create`")


def _learn_leaders(admin: AdminClient, topics: set[str]) -> list[str]:
    """The admin client asks the leaders that it once knew, by their old epochs, until it is made to look anew.

    Returns the topics that the broker which answers knows nothing of; of a new one it learns a moment later.
    """
    missing = []
    for topic in sorted(topics):
        with contextlib.suppress(KafkaException):
            found = admin.list_topics(topic, timeout=REQUEST_TIMEOUT_S).topics.get(topic)
            if found is not None and found.error is not None and found.error.code() in UNKNOWN:
                missing.append(topic)
    return missing


def read_offsets(
    admin: AdminClient,
    places: Collection[Place],
    spec: OffsetSpec,
    isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED,
    patience_s: float = LEADERLESS_S,
) -> dict[Place, int]:
    """The same offset of all these partitions; a `Fault` as `list_offsets` has it."""
    found = list_offsets(admin, dict.fromkeys(places, spec), isolation, patience_s) if places else {}
    return {place: info.offset for place, info in found.items()}


def high_watermarks(admin: AdminClient, places: list[Place]) -> dict[Place, int]:
    """The offset after the newest record of each partition, committed or not."""
    return read_offsets(admin, places, OffsetSpec.latest())


def read_to(
    settings: Settings, starts: dict[Place, int], ends: dict[Place, int], *, uncommitted: bool = False
) -> Iterator[list[Record]]:
    """The committed records from `starts` to `ends`, in chunks; `Fault` when it does not get on for a minute.

    `uncommitted`: all records, those of open and of aborted transactions among them.

    A chunk is empty when nothing came for a moment, so that whoever reads can do something else meanwhile.

    Each call has a consumer of its own: one that is connected already takes most of a second to learn of a new topic.
    The end of a partition is told by its EOF event, since markers, aborted records and compacted gaps leave no record
    to count.
    """
    remaining = {place for place, end in ends.items() if starts[place] < end}
    if not remaining:
        return
    isolation = {"isolation.level": "read_uncommitted"} if uncommitted else {}
    consumer = Consumer(reader_config(settings) | isolation)
    try:
        consumer.assign([TopicPartition(*place, starts[place]) for place in remaining])
        yield from _chunks(consumer, remaining, ends)
    finally:
        consumer.close()


def read_whole(admin: AdminClient, settings: Settings, places: list[Place]) -> Iterator[list[Record]]:
    """The committed records that the partitions hold now, in chunks, as `read_to` has them."""
    yield from read_to(settings, read_offsets(admin, places, OffsetSpec.earliest()), high_watermarks(admin, places))


def _chunks(consumer: Consumer, remaining: set[Place], ends: dict[Place, int]) -> Iterator[list[Record]]:
    silent = 0.0  # seconds of waiting here; what the reader does between two chunks does not count
    while remaining:
        began = time.monotonic()
        chunk = []
        for message in available(consumer):
            place = (message.topic(), message.partition())
            error = message.error()
            if error is None:
                offset, end = message.offset(), ends[place]
                if offset < end:  # what lies behind is another owner's, while other partitions are read to their ends
                    chunk.append(message)
                if offset + 1 >= end:
                    remaining.discard(place)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                if message.offset() >= ends[place]:
                    remaining.discard(place)
            elif not passes(error):
                raise Fault(f"cannot read {place[0]}[{place[1]}]: {error.str()}")
        silent = 0.0 if chunk else silent + time.monotonic() - began
        yield chunk
        if silent > STALLED_S:
            stuck = ", ".join(f"{topic}[{partition}]" for topic, partition in sorted(remaining))
            raise Fault(f"{stuck} cannot be read to its end for {STALLED_S:.0f} s: does a transaction hang there?")


def first_times(
    settings: Settings, starts: dict[Place, int], ends: dict[Place, int], patience_s: float
) -> dict[Place, int | None]:
    """When the first committed record from each start was appended, in milliseconds; None for none before the end.

    A partition of which nothing is heard in time is missing.
    """
    found: dict[Place, int | None] = {}
    deadline = time.monotonic() + patience_s
    consumer = Consumer(reader_config(settings) | {"fetch.message.max.bytes": FIRST_BYTES, "queued.min.messages": 1})
    try:
        consumer.assign([TopicPartition(*place, offset) for place, offset in starts.items()])
        while len(found) < len(starts) and time.monotonic() < deadline:
            for message in available(consumer):
                place, error = (message.topic(), message.partition()), message.error()
                if error is None:
                    found.setdefault(place, message.timestamp()[1] if message.offset() < ends[place] else None)
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                    if message.offset() >= ends[place]:
                        found.setdefault(place, None)
                elif not passes(error):
                    raise Fault(f"cannot read {place[0]}[{place[1]}]: {error.str()}")
    finally:
        consumer.close()
    return found


def available(consumer: Consumer) -> list[Record]:
    """What has come, without waiting for a full chunk."""
    first = consumer.poll(0.1)
    return cast("list[Record]", [first, *consumer.consume(CHUNK, 0)] if first is not None else [])
