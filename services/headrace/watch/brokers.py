"""What the brokers say of an app's topics and groups."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from confluent_kafka import ConsumerGroupState, IsolationLevel, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec
from msgspec import Struct

from headrace.kafka.clients import REQUEST_TIMEOUT_S
from headrace.kafka.compaction import LAG
from headrace.kafka.reading import read_offsets
from headrace.kafka.records import Place
from headrace.watch.groups import OPTIONAL

OFFSETS_S: Final = 2.0
"""Less than one request may take: the next look asks anew."""


class TopicState(Struct, frozen=True):
    """One topic: its partitions, those that no broker leads, those that lack replicas, offsets given out in all.

    `unstable_s` is for how many seconds an open transaction has held back the end of one of them; `compaction_lag_s`
    is None for a topic that is not compacted, and each of the last three where it is not known.
    """

    partitions: int
    leaderless: int
    underreplicated: int
    appended: int | None = None
    unstable_s: float | None = None
    compaction_lag_s: float | None = None


class GroupState(Struct, frozen=True):
    """One group: its members, the partitions that they are to have, and those that none of them has."""

    members: int
    partitions: int
    unassigned: int


class Ends:
    """Where partitions end, and for how long open transactions have held that back, looked at again and again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[Place, tuple[int, float]] = {}
        self._high: dict[Place, int] = {}

    def look(self, stable: Mapping[Place, int], high: Mapping[Place, int]) -> dict[str, float]:
        """The longest time of each topic, in seconds, 0 where nothing is held back."""
        now = self._clock()
        self._high |= high
        held = {place: end for place, end in stable.items() if high[place] > end}
        before = self._since
        self._since = {
            place: before[place] if place in before and before[place][0] == end else (end, now)
            for place, end in held.items()
        }
        longest = dict.fromkeys((topic for topic, _ in stable), 0.0)
        for (topic, _), (_, since) in self._since.items():
            longest[topic] = max(longest[topic], now - since)
        return longest

    def appended(self, topic: str, partitions: int) -> int | None:
        """Offsets given out in a topic; None while the end of a partition was never told.

        A partition that has no leader keeps the end that it had: a sum that falls would look like a new count.
        """
        places = [(topic, number) for number in range(partitions)]
        return sum(self._high[place] for place in places) if self._high.keys() >= set(places) else None


def read_partitions(admin: AdminClient, names: Iterable[str]) -> tuple[int, dict[str, list[Any]]]:
    """How many brokers there are, and the partitions of the topics that exist; `KafkaException` without an answer."""
    metadata = admin.list_topics(timeout=REQUEST_TIMEOUT_S)
    there = {name: list(metadata.topics[name].partitions.values()) for name in names if name in metadata.topics}
    return len(metadata.brokers), there


def read_ends(admin: AdminClient, there: Mapping[str, list[Any]]) -> tuple[dict[Place, int], dict[Place, int]]:
    """The last stable offsets, then the high watermarks, of the partitions that are led; `Fault` if nobody tells."""
    led = [(name, entry.id) for name, entries in there.items() for entry in entries if entry.leader >= 0]
    return (
        read_offsets(admin, led, OffsetSpec.latest(), IsolationLevel.READ_COMMITTED, OFFSETS_S),
        read_offsets(admin, led, OffsetSpec.latest(), patience_s=OFFSETS_S),
    )


def topic_state(
    entries: list[Any], appended: int | None = None, unstable_s: float | None = None, lag_s: float | None = None
) -> TopicState:
    """One topic, from its partitions and what else is known."""
    return TopicState(
        partitions=len(entries),
        leaderless=sum(entry.leader < 0 for entry in entries),
        underreplicated=sum(len(entry.isrs) < len(entry.replicas) for entry in entries),
        appended=appended,
        unstable_s=unstable_s,
        compaction_lag_s=lag_s,
    )


def read_groups(
    admin: AdminClient, topics: Mapping[str, list[str]], partitions: int
) -> tuple[dict[str, GroupState], dict[str, str]]:
    """Groups with their members, and why nothing is known of others.

    One that never had a member, or is forgotten, has none, as one that all have left; an optional one is left out.
    """
    found, unknown = {}, {}
    for name, future in admin.describe_consumer_groups(list(topics), request_timeout=REQUEST_TIMEOUT_S).items():
        wanted = {(topic, number) for topic in topics[name] for number in range(partitions)}
        members = []
        try:
            described = future.result()
            members, is_there = described.members, described.state != ConsumerGroupState.DEAD
        except KafkaException as error:
            if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                unknown[name] = f"{error.args[0].name()} {error.args[0].str()}"
                continue
            is_there = False
        if not is_there and name in OPTIONAL:
            continue
        owned = {(entry.topic, entry.partition) for member in members for entry in _owned(member)}
        found[name] = GroupState(len(members), len(wanted), len(wanted - owned))
    return found, unknown


def read_compaction_lags(admin: AdminClient, names: Iterable[str]) -> dict[str, float]:
    """How old a record must be for compaction, in seconds, of the topics that are compacted; 0 guards nothing."""
    resources = {ConfigResource(ConfigResource.Type.TOPIC, name): name for name in names}
    if not resources:
        return {}
    lags = {}
    for resource, future in admin.describe_configs(list(resources), request_timeout=REQUEST_TIMEOUT_S).items():
        config = future.result()
        if "compact" in config["cleanup.policy"].value:
            lags[resources[resource]] = int(config[LAG].value) / 1000
    return lags


def _owned(member: Any) -> list[Any]:
    return member.assignment.topic_partitions if member.assignment else []
