"""Checks of what clients saw against what lies in the log: acknowledged commands, commands of nobody, their order."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from headrace_load.history import BrokenHistory, HistoryReader, Sent
from headrace_load.verify.answers import ACCEPTED
from headrace_load.verify.murmur2 import partition_of
from headrace_load.verify.parking import decisive
from headrace_load.verify.records import Outcome, Partition
from headrace_load.verify.report import CannotVerify, Check

OK = "ok"
INFO = "info"


class Clients(NamedTuple):
    """What the clients of a partition saw, and whether that is all that clients sent to its domain."""

    sent: list[Sent]
    complete: bool


def read_histories(paths: Sequence[Path], places: dict[tuple[str, int], int]) -> dict[tuple[str, int], Clients]:
    """The histories by domain and partition; `places` has those that are wanted, and of how many partitions each is.

    An operation that nobody acknowledged belongs where its key's partition is. Raises `CannotVerify` for a broken file.
    """
    if not paths:
        return {}
    found: dict[tuple[str, int], list[Sent]] = {place: [] for place in places}
    partitions = {domain: count for (domain, _), count in places.items()}
    complete, told = True, set()
    try:
        for path in paths:
            reader = HistoryReader(path)
            for one in reader:
                told.add(one.aggregate)
                number = one.partition
                if number is None and one.aggregate in partitions:
                    number = partition_of(one.aggregate_id.encode(), partitions[one.aggregate])
                if (one.aggregate, number) in found:
                    found[one.aggregate, number or 0].append(one)
            complete = complete and reader.complete
    except BrokenHistory as error:
        raise CannotVerify(str(error)) from error
    return {place: Clients(sent, complete and place[0] in told) for place, sent in found.items()}


def acknowledged(part: Partition, clients: Clients, check: Check) -> None:
    """What a client was told is in the log lies there and is answered; what it was told is not, is nowhere."""
    commands = {command.offset: command for command in part.commands}
    answered = {outcome.command_offset for outcome in part.outcomes} | {parked.origin for parked in part.parked}
    for one in clients.sent:
        check.count(**{one.result: 1})
        if one.result != OK or one.offset is None or one.offset < part.ends["commands"].low:
            continue
        command = commands.get(one.offset)
        place = f"{part.place('commands', one.offset)} ({one.aggregate_id})"
        if command is None or command.command_id != one.command_id:
            lies = "nothing" if command is None else command.command_id or "no command"
            check.problem(f"{place} was acknowledged as {one.command_id or 'no command'}, and {lies} lies there")
        elif one.offset not in answered:
            check.problem(f"{place} was acknowledged, and has no answer")


def sent_by_somebody(part: Partition, clients: Clients, check: Check) -> None:
    """Each command lies in the log no more often than clients sent it, and none that no client sent.

    Reactors send by themselves: theirs follow from events. Looks at nothing where the histories do not hold everything.
    """
    if not clients.complete:
        return
    records = Counter(command.command_id for command in part.commands if command.type and not command.reacted)
    sent = Counter(one.command_id for one in clients.sent if one.result != "fail")
    unknown = Counter(one.command_id for one in clients.sent if one.result == INFO)
    check.count(commands=records.total(), ids_sent=len(sent), unknown=unknown.total())
    for command_id, count in records.items():
        if count > sent[command_id]:
            check.problem(
                f"{part.domain}.commands[{part.number}] has command {command_id} {count} times, clients sent it "
                f"{sent[command_id]} times"
            )


def order(part: Partition, clients: Clients, check: Check) -> None:
    """A command that was acknowledged before another of its aggregate was sent lies and takes effect before it."""
    outcomes = decisive(part)
    by_aggregate: dict[str, list[Sent]] = {}
    for one in clients.sent:
        if one.result == OK and one.command_id:
            by_aggregate.setdefault(one.aggregate_id, []).append(one)
    for sent in by_aggregate.values():
        for before, after in _pairs(sent):
            check.count(pairs=1)
            for problem in _wrong_order(before, after, outcomes):
                check.problem(f"{part.domain}.commands[{part.number}] ({after.aggregate_id}): {problem}")


def _pairs(sent: Iterable[Sent]) -> Iterator[tuple[Sent, Sent]]:
    """Each operation, with the furthest of those that were over before it began."""
    by_end = sorted(sent, key=lambda one: one.end_ms)
    over, furthest = 0, None
    for one in sorted(by_end, key=lambda one: one.start_ms):
        while by_end[over].end_ms < one.start_ms:
            if furthest is None or (by_end[over].offset or 0) > (furthest.offset or 0):
                furthest = by_end[over]
            over += 1
        if furthest is not None:
            yield furthest, one


def _wrong_order(before: Sent, after: Sent, outcomes: dict[int, Outcome]) -> Iterator[str]:
    if (before.offset or 0) >= (after.offset or 0):
        yield (
            f"offset {before.offset} was acknowledged before offset {after.offset} was sent, {after.command_id} after "
            f"{before.command_id}"
        )
    first, second = outcomes.get(before.offset or 0), outcomes.get(after.offset or 0)
    if first and second and _took_effect(first) and _took_effect(second) and first.version >= second.version:
        yield (
            f"offset {before.offset} led to version {first.version}, offset {after.offset}, sent after it was "
            f"acknowledged, to {second.version}"
        )


def _took_effect(outcome: Outcome) -> bool:
    return outcome.result == ACCEPTED and outcome.events > 0 and not outcome.repeated
