"""What a reader of committed records has seen so far, and whether it can still be seen."""

import time
from array import array
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, TopicPartition

from headrace_load.verify.records import Record
from headrace_load.verify.topics import Topics, client_properties

Place = tuple[str, int]
CHUNK: Final = 2_000


class Seen:
    """The records of one partition that became visible, in offset order; 24 bytes each, however large they are.

    `slowest_ms` is the longest time that one took from being appended until being visible here.
    """

    def __init__(self) -> None:
        self.offsets = array("q")
        self.contents = array("q")
        self.keys = array("q")
        self.slowest_ms = 0

    @property
    def newest(self) -> int:
        """The newest record's offset, -1 when nothing was seen."""
        return self.offsets[-1] if self.offsets else -1


class Tail:
    """Reads the topics from where they ended when it began, and keeps of each record what it takes to know it again."""

    def __init__(self, bootstrap_servers: str, starts: dict[Place, int]) -> None:
        self.seen: dict[Place, Seen] = {place: Seen() for place in starts}
        self.problems: list[str] = []
        self._consumer = Consumer(
            {
                **client_properties(bootstrap_servers),
                "group.id": "headrace.observe",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "reconnect.backoff.max.ms": 500,
                "fetch.wait.max.ms": 100,
                "queued.max.messages.kbytes": 8_192,
            }
        )
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in starts.items()])

    def poll(self, seconds: float) -> None:
        """Note what becomes visible within that time."""
        first = self._consumer.poll(seconds)
        for message in [] if first is None else [first, *self._consumer.consume(CHUNK, 0)]:
            error = message.error()
            if error is None:
                self._note(message)
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - the constant's public name
                self.problems.append(f"a reader of committed records cannot go on where it was: {error.str()}")

    def close(self) -> None:
        """Leave the brokers."""
        self._consumer.close()

    def _note(self, message: Any) -> None:
        place = message.topic(), message.partition()
        seen, offset = self.seen[place], message.offset()
        if offset <= seen.newest:
            self.problems.append(f"{place[0]}[{place[1]}] offset {offset} became visible after offset {seen.newest}")
            return
        seen.offsets.append(offset)
        seen.contents.append(hash((message.key(), message.value())))
        seen.keys.append(hash(message.key()))
        seen.slowest_ms = max(seen.slowest_ms, round(time.time() * 1000) - message.timestamp()[1])


def vanished(bootstrap_servers: str, domain: str, seen: dict[Place, Seen]) -> Iterator[str]:
    """What was visible once and is no longer, or is another record now.

    Of events, compaction may have removed those whose key has a newer one; retention, what lies before the log's start.
    """
    with Topics(bootstrap_servers) as topics:
        all_ends = topics.ends(domain, topics.partitions(domain))
        for (topic, number), records in sorted(seen.items()):
            ends = all_ends[number][topic.rpartition(".")[2]]
            now = {record.offset: _content(record) for record in topics.records(topic, number, ends)}
            newest: defaultdict[int, int] = defaultdict(int)
            for key, offset in zip(records.keys, records.offsets, strict=True):
                newest[key] = offset
            for offset, content, key in zip(records.offsets, records.contents, records.keys, strict=True):
                if offset < ends.low or now.get(offset) == content:
                    continue
                if offset in now:
                    yield f"{topic}[{number}] offset {offset} is another record than the one that was visible there"
                elif not (topic.endswith(".events") and newest[key] > offset):
                    yield f"{topic}[{number}] offset {offset} was visible, and is no longer"


def _content(record: Record) -> int:
    return hash((record.key, record.value))
