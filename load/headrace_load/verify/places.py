"""Check of where keys lie: on the partition that murmur2 gives them, or refused for lying elsewhere."""

from collections.abc import Iterator
from functools import cache, partial
from typing import Final

from headrace_load.verify.murmur2 import partition_of
from headrace_load.verify.parking import PARKED, decisive
from headrace_load.verify.records import Command, Outcome, Partition
from headrace_load.verify.report import Check

MISKEYED: Final = "KeyMismatch"
MISPLACED: Final = "WrongPartition"
NOT_ACCEPTED: Final = frozenset({MISKEYED, MISPLACED, "AggregateIdInvalid", "CommandIdReused"})


def keys(part: Partition, check: Check) -> None:
    """Aggregates lie on their key's partition; a command with another key or place is refused, and only that one."""
    aggregates = {event.aggregate_id for event in part.events}
    partition = cache(partial(partition_of, partitions=part.partitions))
    for aggregate_id in sorted(aggregates):
        wanted = partition(aggregate_id.encode())
        if wanted != part.number:
            check.problem(f"{part.domain}.events[{part.number}] holds {aggregate_id}, whose partition is {wanted}")
    outcomes = decisive(part)
    command_keys = set()
    for command in part.commands:
        if not command.type:
            continue
        key = command.key
        if key is not None:
            command_keys.add(key)
        outcome = outcomes.get(command.offset)
        if outcome is not None and not outcome.repeated and outcome.result != PARKED:
            wanted = part.number if key is None else partition(key)
            for problem in _wrong_admission(part, command, outcome, wanted):
                check.problem(f"{part.place('commands', command.offset)} ({command.aggregate_id}): {problem}")
    check.count(aggregates=len(aggregates), command_keys=len(command_keys))


def _wrong_admission(part: Partition, command: Command, outcome: Outcome, wanted: int) -> Iterator[str]:
    miskeyed = command.key != command.aggregate_id.encode()
    misplaced = wanted != part.number
    if (miskeyed or misplaced) and outcome.code not in NOT_ACCEPTED:
        why = f"its key is {command.key!r}" if miskeyed else f"its key's partition is {wanted}"
        yield f"{why}, and it was {outcome.result} ({outcome.code})"
    if outcome.code == MISKEYED and not miskeyed:
        yield "it was refused as KeyMismatch, and its key is its aggregate's id"
    if outcome.code == MISPLACED and not misplaced:
        yield "it was refused as WrongPartition, and it lies where its key belongs"
