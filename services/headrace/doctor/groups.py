"""The consumer groups: has every partition a process; and does something wait in those that have none."""

from collections.abc import Iterator
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from headrace.doctor.finding import Finding, fail, ok, warn
from headrace.kafka.clients import REQUEST_TIMEOUT_S, reader_config
from headrace.kafka.consumer import Place
from headrace.kafka.reading import list_offsets, read_to
from headrace.kernel.app import App
from headrace.settings import Settings
from headrace.watch.brokers import read_groups
from headrace.watch.groups import groups_of

SERVICES: Final = {"handle": "handle", "react": "react", "project": "project"}


def members(admin: AdminClient, app: App, settings: Settings) -> Iterator[Finding]:
    """Each group that exists has all its partitions taken; one that is empty says whether something waits."""
    groups = groups_of(app)
    found = read_groups(admin, groups, settings.partitions)
    wrong = False
    for name, state in found.items():
        if not state.unassigned:
            continue
        wrong = True
        todo = f"start one: headrace {_command(name)}"
        if state.members:
            yield warn("groups", f"{name}: {state.unassigned} partitions have no process", "wait for its rebalance")
        elif count := _waiting(admin, settings, name, groups[name]):
            yield fail("groups", f"{name} has no process, and {count} partitions have records that wait", todo)
        else:
            yield warn("groups", f"{name} has no process; nothing waits for it", todo)
    if not wrong:
        unknown = f"; {len(groups) - len(found)} have never run" if len(found) < len(groups) else ""
        yield ok("groups", f"{len(found)} groups have a process for each partition{unknown}")


def _command(group: str) -> str:
    """How a member of a group is started: a view's group has the version of the view in its name."""
    _, kind, name = group.split(".", 2)
    base, separator, version = name.rpartition("_v")
    return f"{kind} {base if kind == 'project' and separator and version.isdigit() else name}"


def _waiting(admin: AdminClient, settings: Settings, group: str, topics: list[str]) -> int:
    """How many partitions have a record behind what the group has committed; a marker is none."""
    places = [(topic, number) for topic in topics for number in range(settings.partitions)]
    begins = {
        place: it.offset for place, it in list_offsets(admin, dict.fromkeys(places, OffsetSpec.earliest())).items()
    }
    ends = {place: it.offset for place, it in list_offsets(admin, dict.fromkeys(places, OffsetSpec.latest())).items()}
    committed = _committed(settings, group, places)
    starts = {place: max(begins[place], committed.get(place, -1)) for place in places}
    return sum(1 for place in places if starts[place] < ends[place] and has_records(settings, place, starts, ends))


def has_records(settings: Settings, place: Place, starts: dict[Place, int], ends: dict[Place, int]) -> bool:
    """Whether a committed record lies between two offsets of a partition, and not only markers."""
    return any(read_to(settings, {place: starts[place]}, {place: ends[place]}))


def _committed(settings: Settings, group: str, places: list[Place]) -> dict[Place, int]:
    consumer = Consumer(reader_config(settings) | {"group.id": group})
    try:
        found = consumer.committed([TopicPartition(*place) for place in places], timeout=REQUEST_TIMEOUT_S)
        return {(entry.topic, entry.partition): entry.offset for entry in found}
    except KafkaException:  # an open transaction holds them; what waits is told by the look at transactions
        return {}
    finally:
        consumer.close()
