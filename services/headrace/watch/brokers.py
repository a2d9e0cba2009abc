"""What the brokers say of an app's topics and groups."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from confluent_kafka import ConsumerGroupState, IsolationLevel
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec
from msgspec import Struct

from headrace.kafka.clients import REQUEST_TIMEOUT_S
from headrace.kafka.compaction import LAG
from headrace.kafka.consumer import Place
from headrace.kafka.reading import list_offsets

GONE: Final = frozenset({ConsumerGroupState.DEAD, ConsumerGroupState.UNKNOWN})


class TopicState(Struct, frozen=True):
    """One topic: its partitions, those that no broker leads, those that lack replicas, offsets given out in all.

    `unstable_s` is for how many seconds an open transaction has held back the end of one of them; `compaction_lag_s`
    is None for a topic that is not compacted.
    """

    partitions: int
    leaderless: int
    underreplicated: int
    appended: int = 0
    unstable_s: float = 0.0
    compaction_lag_s: float | None = None


class GroupState(Struct, frozen=True):
    """One group: its members, the partitions that they are to have, and those that none of them has."""

    members: int
    partitions: int
    unassigned: int


class Unstable:
    """For how long open transactions have held back the ends of partitions, looked at again and again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[Place, tuple[int, float]] = {}

    def look(self, stable: Mapping[Place, int], high: Mapping[Place, int]) -> dict[str, float]:
        """The longest time of each topic, in seconds, 0 where nothing is held back."""
        now = self._clock()
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


def read_topics(admin: AdminClient, names: Iterable[str], unstable: Unstable) -> tuple[int, dict[str, TopicState]]:
    """How many brokers there are, and how the topics are that exist; `Fault` or `KafkaException` without an answer."""
    metadata = admin.list_topics(timeout=REQUEST_TIMEOUT_S)
    there = {name: list(metadata.topics[name].partitions.values()) for name in names if name in metadata.topics}
    led = {(name, entry.id) for name, entries in there.items() for entry in entries if entry.leader >= 0}
    stable, high = _ends(admin, led, IsolationLevel.READ_COMMITTED), _ends(admin, led, IsolationLevel.READ_UNCOMMITTED)
    longest, lags = unstable.look(stable, high), _compaction_lags(admin, list(there))
    states = {}
    for name, entries in there.items():
        states[name] = TopicState(
            partitions=len(entries),
            leaderless=sum(entry.leader < 0 for entry in entries),
            underreplicated=sum(len(entry.isrs) < len(entry.replicas) for entry in entries),
            appended=sum(end for (topic, _), end in high.items() if topic == name),
            unstable_s=longest.get(name, 0.0),
            compaction_lag_s=lags[name],
        )
    return len(metadata.brokers), states


def read_groups(admin: AdminClient, topics: Mapping[str, list[str]], partitions: int) -> dict[str, GroupState]:
    """The groups that exist; one that never had a member, or is forgotten, does not."""
    found = {}
    for name, future in admin.describe_consumer_groups(list(topics), request_timeout=REQUEST_TIMEOUT_S).items():
        group = future.result()
        if group.state in GONE:
            continue
        wanted = {(topic, number) for topic in topics[name] for number in range(partitions)}
        owned = {(entry.topic, entry.partition) for member in group.members for entry in _owned(member)}
        found[name] = GroupState(len(group.members), len(wanted), len(wanted - owned))
    return found


def _ends(admin: AdminClient, led: set[Place], isolation: IsolationLevel) -> dict[Place, int]:
    found = list_offsets(admin, dict.fromkeys(sorted(led), OffsetSpec.latest()), isolation) if led else {}
    return {place: info.offset for place, info in found.items()}


def _owned(member: Any) -> list[Any]:
    return member.assignment.topic_partitions if member.assignment else []


def _compaction_lags(admin: AdminClient, names: list[str]) -> dict[str, float | None]:
    resources = {ConfigResource(ConfigResource.Type.TOPIC, name): name for name in names}
    if not resources:
        return {}
    lags: dict[str, float | None] = {}
    for resource, future in admin.describe_configs(list(resources), request_timeout=REQUEST_TIMEOUT_S).items():
        config = future.result()
        is_guarded = "compact" in config["cleanup.policy"].value and int(config[LAG].value)
        lags[resources[resource]] = int(config[LAG].value) / 1000 if is_guarded else None
    return lags
