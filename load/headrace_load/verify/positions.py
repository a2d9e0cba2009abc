"""Check of stored positions: within their topic, beyond what was applied, and at the end when all is quiet."""

from bisect import bisect_left
from collections.abc import Iterator
from operator import attrgetter
from typing import Final

from headrace_load.verify.audited import AUDIT
from headrace_load.verify.history import JOURNAL
from headrace_load.verify.records import Checkpoint, Ends, Partition
from headrace_load.verify.report import Check

OFFSET: Final = attrgetter("offset")
COMMAND_OFFSET: Final = attrgetter("command_offset")


def positions(part: Partition, check: Check, projectors: tuple[str, ...]) -> None:
    """Projectors, handlers and reactors stand at the end of their topics, and no transaction is open."""
    for kind, ends in part.ends.items():
        if ends.stable < ends.high:
            check.problem(
                f"{part.domain}.{kind}[{part.number}]: a transaction is open, readers of committed records stop at "
                f"{ends.stable} of {ends.high}"
            )
    for projector in projectors:
        checkpoint = part.checkpoints.get(projector)
        for problem in _wrong_checkpoint(part, projector, checkpoint):
            check.problem(f"{projector} at {part.domain}.events[{part.number}]: {problem}")
        check.count(checkpoints=checkpoint is not None)
    if part.audit is not None:
        for problem in _wrong_audit(part, part.audit):
            check.problem(f"audit at {part.domain}.outcomes[{part.number}]: {problem}")
        check.count(checkpoints=1)
    for (group, kind), offset in part.reacted.items():
        for problem in _wrong_reaction(part, kind, offset):
            check.problem(f"{group} at {part.domain}.{kind}[{part.number}]: {problem}")
        check.count(group_offsets=offset is not None)
    for problem in _wrong_offset(part):
        check.problem(f"handlers at {part.domain}.commands[{part.number}]: {problem}")
    check.count(group_offsets=part.committed is not None)


def _wrong_checkpoint(part: Partition, projector: str, checkpoint: Checkpoint | None) -> Iterator[str]:
    if checkpoint is None:
        if part.events:
            yield f"no checkpoint, although {len(part.events)} events lie there"
        return
    next_offset, end = checkpoint.next_offset, part.ends["events"].stable
    if next_offset > end:
        yield f"next offset {next_offset} is past the end of what is committed, {end}"
    reached = bisect_left(part.events, next_offset, key=OFFSET)
    later = part.events[reached:]
    behind = [event.offset for event in later if event.in_topic]
    if behind:
        yield f"next offset {next_offset} is {len(behind)} events behind the newest, offset {behind[-1]}"
    ahead = [event.offset for event in later if event.in_journal]
    if ahead and projector == JOURNAL:
        yield f"next offset {next_offset} is not past the newest journaled event, offset {ahead[-1]}"
    applied = max(map(COMMAND_OFFSET, part.events[:reached]), default=-1)
    if checkpoint.command_offset != applied:
        yield f"command offset {checkpoint.command_offset} is not the newest applied one, {applied}"


def _unread(reached: int | None, ends: Ends, of: str, marks: int = 1) -> Iterator[str]:
    """Whether what a reader had not come to yet is deleted: one offset may be the mark of the last transaction."""
    if reached is not None and ends.low - reached > marks:
        before = f"{ends.low - reached} before the oldest of the {of}, {ends.low}"
        yield f"offset {reached} is {before}: some were deleted unread"


def _wrong_reaction(part: Partition, kind: str, offset: int | None) -> Iterator[str]:
    reached, end = offset or 0, part.ends[kind].stable
    if reached > end:
        yield f"offset {reached} is past the end of what is committed, {end}"
    waiting = sum(1 for other in part.visible[kind] if other >= reached)
    if waiting:
        yield f"offset {reached} leaves {waiting} {kind} without a reaction"
    yield from _unread(offset, part.ends[kind], kind)


def _wrong_audit(part: Partition, audit: Checkpoint) -> Iterator[str]:
    next_offset, end = audit.next_offset, part.ends["outcomes"].stable
    if not next_offset and part.read[AUDIT]:
        yield f"no checkpoint, although the audit holds {part.read[AUDIT]} of its outcomes"
        return
    if next_offset > end:
        yield f"next offset {next_offset} is past the end of what is committed, {end}"
    behind = [offset for offset in part.visible["outcomes"] if offset >= next_offset]
    if behind:
        yield f"next offset {next_offset} is {len(behind)} outcomes behind the newest, offset {behind[-1]}"
    # Where an audit has not come to yet, it may have begun after they were deleted.
    yield from _unread(next_offset or None, part.ends["outcomes"], "outcomes")


def _wrong_offset(part: Partition) -> Iterator[str]:
    committed, end = part.committed or 0, part.ends["commands"].stable
    if committed > end:
        yield f"offset {committed} is past the end of what is committed, {end}"
    waiting = sum(command.offset >= committed for command in part.commands)
    if waiting:
        yield f"offset {committed} leaves {waiting} records unanswered"
    early = [outcome.command_offset for outcome in part.outcomes if outcome.command_offset >= committed]
    early += [parked.origin for parked in part.parked if parked.origin >= committed]
    if early:
        yield f"offset {committed} is not past the newest answered command, offset {max(early)}"
    # Of those who send commands only reactors do it in transactions.
    marks = bool(part.reacted) or any(command.reacted for command in part.commands)
    yield from _unread(part.committed, part.ends["commands"], "commands", int(marks))
