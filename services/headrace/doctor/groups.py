"""The consumer groups: has every partition a process, does it get on, does anything wait or is it lost."""

import time
from collections.abc import Iterator
from typing import Final

from confluent_kafka import IsolationLevel
from confluent_kafka.admin import AdminClient, OffsetSpec

from headrace.doctor.finding import Finding, fail, ok, warn
from headrace.doctor.standing import Standing
from headrace.kafka.reading import read_offsets, read_to
from headrace.kafka.records import Place
from headrace.kernel.app import App
from headrace.settings import Settings
from headrace.watch.backlog import Backlog, Behind
from headrace.watch.brokers import GroupState, read_groups
from headrace.watch.groups import groups_of, sources_of_groups, workers_of

STILL_S: Final = 5.0
"""Where something waits a partition moves within this time, or it stands still."""
AGAIN_S: Final = 0.5
SHOWN: Final = 3


def members(admin: AdminClient, app: App, settings: Settings, standing: Standing) -> Iterator[Finding]:
    """Each group has all its partitions taken, and those that are taken get on; one that is empty says what waits."""
    groups = groups_of(app)
    found, unknown = read_groups(admin, groups, settings.partitions)
    for name, why in unknown.items():
        yield fail(
            "groups", f"{name} cannot be looked at: {why}", "bring its coordinator back, or grant Describe on it"
        )
    for name, state in found.items():
        if state.members and state.unassigned:
            yield warn("groups", f"{name}: {state.unassigned} partitions have no process", "wait for its rebalance")
        elif state.unassigned:
            yield _nobody(name, _behind(admin, settings, standing, {name: groups[name]})[name])
    if not unknown and not any(state.unassigned for state in found.values()):
        yield ok("groups", f"{len(found)} groups have a process for each partition")
    yield from _progress(admin, app, settings, standing, found)


def _nobody(name: str, behind: dict[Place, Behind]) -> Finding:
    todo = f"start one: headrace {_command(name)}"
    if count := sum(it.records > 0 for it in behind.values()):
        return fail("groups", f"{name} has no process, and {count} partitions have records that wait", todo)
    return warn("groups", f"{name} has no process; nothing waits for it", todo)


def _progress(
    admin: AdminClient, app: App, settings: Settings, standing: Standing, found: dict[str, GroupState]
) -> Iterator[Finding]:
    """What waits is worked on: positions are compared twice, a while apart where they have not moved."""
    looked_at = groups_of(app) if standing.tells_projectors else workers_of(app)
    running = {name for name, state in found.items() if state.members} & looked_at.keys()
    sources = {name: topics for name, topics in sources_of_groups(app).items() if name in running}
    before = {name: standing.of(name, _places(topics, settings)) for name, topics in sources.items()}
    behind = _behind(admin, settings, standing, sources)
    still = {name: {place for place, it in places.items() if it.records} for name, places in behind.items()}
    deadline = time.monotonic() + STILL_S
    while any(still.values()) and time.monotonic() < deadline:
        time.sleep(AGAIN_S)
        now = {name: standing.of(name, sorted(places)) for name, places in still.items() if places}
        still = {
            name: {it for it in still[name] if it in at and at[it] == before[name].get(it)} for name, at in now.items()
        }
    for name, places in still.items():
        if places:
            yield _stands_still(name, sorted(places), behind[name], settings)
    if not any(still.values()):
        yield ok("progress", "whatever waits is being worked on")


def _stands_still(name: str, places: list[Place], behind: dict[Place, Behind], settings: Settings) -> Finding:
    """A partition may wait for its turn while another one has more than a batch to be worked off."""
    others = any(it.records > settings.batch_size for place, it in behind.items() if place not in places)
    oldest = max(behind[place].seconds for place in places)
    where = ", ".join(f"{topic}[{number}]" for topic, number in places[:SHOWN]) + ", …" * (len(places) > SHOWN)
    what = f"{name} has not moved for {STILL_S:.0f} s in {where}, where records wait, for up to {oldest:.0f} s"
    todo = "its log says why: does the database take writes, is too much parked (headrace parked list)?"
    return (warn if others else fail)("progress", what, todo)


def lost(admin: AdminClient, app: App, settings: Settings, standing: Standing) -> Iterator[Finding]:
    """No record was removed from a topic before a group had it; one mark of a transaction may have been.

    Commands lie in transactions only where a reactor sends them.
    """
    wrong = False
    markless = {aggregate.command_topic for aggregate in app.aggregates if not app.senders_to(aggregate.name)}
    sources = sources_of_groups(app)
    for name in workers_of(app):
        places = _places(sources[name], settings)
        begins = read_offsets(admin, places, OffsetSpec.earliest())
        for place, offset in standing.of(name, places).items():
            if 0 <= offset < begins[place] - (place[0] not in markless):
                wrong = True
                what = f"{name} stands at offset {offset} of {place[0]}[{place[1]}], which begins at {begins[place]}"
                todo = f"what lay between is gone: raise retention.ms of {place[0]}, and have it sent again"
                yield fail("lost", what, todo)
    if not wrong:
        yield ok("lost", "no record was removed before handlers and reactors had it")


def has_records(settings: Settings, place: Place, starts: dict[Place, int], ends: dict[Place, int]) -> bool:
    """Whether a committed record lies between two offsets of a partition, and not only markers."""
    return any(read_to(settings, {place: starts[place]}, {place: ends[place]}))


def _behind(
    admin: AdminClient, settings: Settings, standing: Standing, groups: dict[str, list[str]]
) -> dict[str, dict[Place, Behind]]:
    """What waits for each group; one without a position stands at the beginning."""
    places = sorted({place for topics in groups.values() for place in _places(topics, settings)})
    begins = read_offsets(admin, places, OffsetSpec.earliest())
    stands = {}
    for name, topics in groups.items():
        at = standing.of(name, _places(topics, settings))
        stands[name] = {place: max(begins[place], at.get(place, -1)) for place in _places(topics, settings)}
    return Backlog(settings).look(
        stands, read_offsets(admin, places, OffsetSpec.latest(), IsolationLevel.READ_COMMITTED)
    )


def _command(group: str) -> str:
    """How a member of a group is started: a view's group has the version of the view in its name."""
    _, kind, name = group.split(".", 2)
    base, separator, version = name.rpartition("_v")
    return f"{kind} {base if kind == 'project' and separator and version.isdigit() else name}"


def _places(topics: list[str], settings: Settings) -> list[Place]:
    return [(topic, number) for topic in topics for number in range(settings.partitions)]
