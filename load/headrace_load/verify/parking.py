"""Check of what was parked by key: kept once, in order, released in order, and nothing of its key passed it."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from headrace_load.verify.records import Command, Outcome, Parked, Partition
from headrace_load.verify.report import Check

ALONE: Final = "alone"
KEY: Final = "key"
RELEASED: Final = "released"
PARKED: Final = "parked"
REUSED: Final = "CommandIdReused"
DISCARDED: Final = "Discarded"
ENGINE: Final = frozenset({"RedriveParked", "DiscardParked"})
"""The commands that are the engine's own, in every domain."""


def by_key(part: Partition) -> dict[int, list[Parked]]:
    """The commands that were parked by key, by their offset."""
    found: dict[int, list[Parked]] = {}
    for parked in part.parked:
        if parked.kind == KEY:
            found.setdefault(parked.origin, []).append(parked)
    return found


def decisive(part: Partition) -> dict[int, Outcome]:
    """The outcome of each command that counts: the first, or the one after it if the command was parked."""
    found: dict[int, Outcome] = {}
    for outcome in part.outcomes:
        before = found.get(outcome.command_offset)
        if before is None or (before.result == PARKED and not before.repeated):
            found[outcome.command_offset] = outcome
    return found


def waiting(part: Partition) -> dict[str, list[int]]:
    """The command offsets that the parked topic leaves waiting, by aggregate."""
    queues: defaultdict[str, list[int]] = defaultdict(list)
    for parked in part.parked:
        queue = queues[parked.aggregate_id]
        if parked.kind == KEY:
            queue.append(parked.origin)
        elif parked.kind == RELEASED:
            queue[:] = [origin for origin in queue if origin > parked.through]
    return {name: queue for name, queue in queues.items() if queue}


def parking(part: Partition, check: Check) -> None:
    """Whoever waits, waits in order; whoever is released, is answered once more, in that order."""
    for problem in (*_wrong_topic(part), *_wrong_order(part), *_passed(part)):
        check.problem(problem)
    left = waiting(part)
    kinds = [parked.kind for parked in part.parked]
    check.count(parked_by_key=kinds.count(KEY), marks=kinds.count(RELEASED), keys_that_wait=len(left))
    check.count(commands_that_wait=sum(map(len, left.values())))


def _wrong_topic(part: Partition) -> Iterator[str]:
    """Whether the parked topic by itself is in order, and each mark a redrive's or a discard's."""
    commands = {command.offset: command for command in part.commands if command.type in ENGINE}
    queues: defaultdict[str, list[int]] = defaultdict(list)
    for parked in part.parked:
        place, queue = part.place("parked", parked.offset), queues[parked.aggregate_id]
        if parked.kind == KEY:
            if queue and queue[-1] >= parked.origin:
                yield f"{place}: command offset {parked.origin} of {parked.aggregate_id} waits behind {queue[-1]}"
            queue.append(parked.origin)
        elif parked.kind == RELEASED:
            released = [origin for origin in queue if origin <= parked.through]
            if not released or released[-1] != parked.through:
                yield f"{place} releases {parked.aggregate_id} through {parked.through}, where {queue} waited"
            del queue[: len(released)]
            if parked.origin >= part.ends["commands"].low:
                yield from _wrong_mark(place, parked, commands.get(parked.origin))
        elif parked.kind != ALONE:
            yield f"{place} is parked as {parked.kind!r}"


def _wrong_mark(place: str, mark: Parked, command: Command | None) -> Iterator[str]:
    if command is None or command.aggregate_id != mark.aggregate_id or command.log_time != mark.log_time:
        yield f"{place} is no answer to command offset {mark.origin}, as it says"


def _wrong_order(part: Partition) -> Iterator[str]:
    """Whether the outcomes tell of the same queues: nobody is answered for good while another waits before him."""
    queues: defaultdict[str, list[int]] = defaultdict(list)
    for outcome in part.outcomes:
        offset, queue = outcome.command_offset, queues[outcome.aggregate_id]
        if outcome.repeated or outcome.code == REUSED or outcome.command_type in ENGINE:
            continue
        if outcome.result == PARKED:
            queue.append(offset)
        elif queue and queue[0] == offset:
            queue.pop(0)
        elif queue and queue[0] < offset:
            yield (
                f"{part.place('outcomes', outcome.offset)}: command offset {offset} of {outcome.aggregate_id} is "
                f"{outcome.result}, while command offset {queue[0]} waits before it"
            )
            queue[:] = [waits for waits in queue if waits != offset]
        elif outcome.code == DISCARDED and part.ends["outcomes"].low == 0:
            yield f"{part.place('outcomes', outcome.offset)}: command offset {offset} is discarded, and was not parked"
    if part.ends["outcomes"].low == part.ends["parked"].low == 0:
        told, kept = {name: queue for name, queue in queues.items() if queue}, waiting(part)
        for name in sorted(told.keys() | kept.keys()):
            if told.get(name) != kept.get(name):
                yield (
                    f"{part.domain}.parked[{part.number}] keeps command offsets {kept.get(name, [])} of {name}, by the "
                    f"outcomes {told.get(name, [])} wait"
                )


def _passed(part: Partition) -> Iterator[str]:
    """Whether an aggregate's events lie in the order of its commands, and none is of a command that waits or later."""
    newest: dict[str, int] = {}
    first = {name: queue[0] for name, queue in waiting(part).items()}
    for event in part.events:
        name, offset = event.aggregate_id, event.command_offset
        before = newest.get(name, -1)
        if offset < before:
            yield f"{part.of_event(event)} comes from command offset {offset}, the one before it from {before}"
        else:
            newest[name] = offset
        if name in first and offset >= first[name]:
            yield f"{part.of_event(event)} comes from command offset {offset}, while {first[name]} waits"
