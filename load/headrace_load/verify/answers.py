"""Checks of commands against what they led to: one answer each, events exactly as answered, no effect twice."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

from headrace_load.verify.parking import ALONE, ENGINE, KEY, PARKED, REUSED, by_key, decisive, waiting
from headrace_load.verify.records import Command, Event, Outcome, Parked, Partition
from headrace_load.verify.report import Check

ACCEPTED: Final = "accepted"
REFUSED: Final = "refused"

Place = Callable[[], str]
"""How a record is named: made only where something is wrong, as a log has millions."""


def answers(part: Partition, check: Check) -> None:
    """One outcome for every command, one parked record for everything else, none for what was never sent.

    A command that was parked has both, and an outcome more once it was released.
    """
    outcomes, parked, queued = _outcomes_by_command(part), _parked_by_origin(part), by_key(part)
    outcomes_from = _known_from(part.ends["outcomes"].low, (offset for offset in outcomes if offset not in queued))
    parked_from = _known_from(part.ends["parked"].low, parked)
    still = {offset for queue in waiting(part).values() for offset in queue}
    for command in part.commands:
        answered, aside = outcomes.pop(command.offset, []), parked.pop(command.offset, [])
        if command.offset >= (part.committed or 0) and not answered and not aside:
            continue  # still to come: `positions` says so
        place = partial(part.place, "commands", command.offset)
        if command.offset in queued and command.type not in ENGINE and command.type:
            _one(check, place, "parked record", aside, 1)
            if command.offset >= outcomes_from:
                _check_parked(check, place, answered, released=command.offset not in still)
        elif command.type:
            _one(check, place, "outcome", answered, 0 if command.offset < outcomes_from else 1)
            _one(check, place, "parked record", aside, 0)
            if answered and answered[0].result == PARKED and not answered[0].repeated and parked_from == 0:
                check.problem(f"{place()} is answered as parked, and is not")
        else:
            _one(check, place, "outcome", answered, 0, command.why)
            _one(check, place, "parked record", aside, 0 if command.offset < parked_from else 1, command.why)
        _compare(part, check, command, answered, aside)
    for offset in sorted(outcomes.keys() | parked.keys()):
        if offset >= part.ends["commands"].low:
            kind, found = ("outcomes", outcomes[offset]) if offset in outcomes else ("parked", parked[offset])
            check.problem(f"{part.place(kind, found[0].offset)} answers command offset {offset}, where none lies")
    commands = sum(bool(command.type) for command in part.commands)
    check.count(commands=commands, others=len(part.commands) - commands)
    check.count(outcomes=len(part.outcomes), parked=len(part.parked))


def effects(part: Partition, check: Check) -> None:
    """A command has as many events as its outcome says, up to the version that it says; refused ones have none."""
    events: defaultdict[int, list[Event]] = defaultdict(list)
    for event in part.events:
        events[event.command_offset].append(event)
    outcomes, queued = decisive(part), by_key(part)
    known_from = _known_from(part.ends["outcomes"].low, (offset for offset in outcomes if offset not in queued))
    reached: dict[str, int] = {}
    for offset in sorted(events.keys() | outcomes.keys()):
        found, outcome = events.get(offset, []), outcomes.get(offset)
        reached.update((event.aggregate_id, event.version) for event in found)
        if outcome is not None:
            for problem in _wrong_effect(outcome, found, reached.get(outcome.aggregate_id, 0)):
                check.problem(f"{part.place('commands', offset)} ({outcome.command_type}): {problem}")
        elif offset >= known_from:
            first = found[0]
            check.problem(
                f"{part.place('events', first.offset)} ({first.aggregate_id} version {first.version}) comes from "
                f"command offset {offset}, which has no outcome"
            )
    results = [outcome.result for outcome in part.outcomes]
    check.count(accepted=results.count(ACCEPTED), refused=results.count(REFUSED), parked=results.count(PARKED))
    check.count(events=len(part.events))


def resends(part: Partition, check: Check, window_ms: int) -> None:
    """Within the window a command id has one effect: each resend gets the first answer, another body is refused."""
    outcomes = decisive(part)
    provisional = {
        outcome.command_offset: outcome
        for outcome in part.outcomes
        if outcome.result == PARKED and not outcome.repeated
    }
    complete = part.ends["commands"].low == part.ends["outcomes"].low == 0  # else a first answer may be deleted
    firsts: dict[str, tuple[Command, Outcome]] = {}
    for command in part.commands:
        outcome = outcomes.get(command.offset)
        if not command.type or outcome is None:
            continue
        first = firsts.get(command.command_id)
        if first is None and not complete:
            firsts.update({command.command_id: (command, outcome)} if outcome.code != REUSED else {})
            continue
        if first is not None and outcome.repeated and outcome.offset < first[1].offset:
            first = first[0], provisional.get(first[0].offset, first[1] if complete else outcome)
        for problem in _wrong_resend(command, outcome, first, window_ms):
            check.problem(f"{part.place('commands', command.offset)}: command {command.command_id} {problem}")
        if first is not None:
            check.count(resends=1)
        if not outcome.repeated and outcome.code != REUSED:
            firsts[command.command_id] = command, outcome
    effective: dict[str, Event] = {}
    for event in part.events:
        before = effective.setdefault(event.command_id, event)
        close = abs(event.occurred_at - before.occurred_at) <= window_ms
        if close and event.command_offset != before.command_offset:
            check.problem(
                f"command {event.command_id} has events from two records, command offsets {before.command_offset} and "
                f"{event.command_offset} of {part.domain}.commands[{part.number}]"
            )
        effective[event.command_id] = event
    check.count(command_ids=len(firsts))


def _one(
    check: Check, place: Place, what: str, found: list[Outcome] | list[Parked], wanted: int, why: str = ""
) -> None:
    if len(found) != wanted:
        offsets = ", ".join(str(record.offset) for record in found) or "none"
        where = f"{place()} ({why})" if why else place()
        check.problem(f"{where} has {len(found)} {what}s instead of {wanted} (offsets: {offsets})")


def _check_parked(check: Check, place: Place, answered: list[Outcome], *, released: bool) -> None:
    """A command that is parked is answered so first, and once more when it is released."""
    _one(check, place, "outcome", answered, 2 if released else 1)
    for outcome, first in zip(answered, (True, False), strict=False):
        if (outcome.result == PARKED) != first or outcome.repeated:
            check.problem(f"{place()} is parked, and its {'first' if first else 'last'} outcome is {outcome.result}")


def _compare(
    part: Partition, check: Check, command: Command, answered: Iterable[Outcome], aside: Iterable[Parked]
) -> None:
    """Whether an answer is the answer to this very record."""
    asked = (command.command_id, command.type, command.aggregate_id, command.aggregate_id.encode(), command.log_time)
    for outcome in answered:
        said = (outcome.command_id, outcome.command_type, outcome.aggregate_id, outcome.key, outcome.occurred_at)
        if command.type and asked != said:
            check.problem(f"{part.place('outcomes', outcome.offset)} answers {said}, the command was {asked}")
        elif command.type and outcome.told != command.told and not outcome.repeated:
            check.problem(
                f"{part.place('outcomes', outcome.offset)}: its actor, correlation or causation is not its command's"
            )
        elif command.type and outcome.body_hash != command.content:
            check.problem(f"{part.place('outcomes', outcome.offset)}: its hash is not that of its command's content")
    content, wanted = (part.whole.get(command.offset), KEY) if command.type else (command.content, ALONE)
    name = command.aggregate_id
    origin = (f"{part.domain}.commands", part.number, command.log_time, content, wanted, name)
    for parked in aside:
        told = (parked.topic, parked.partition, parked.log_time, parked.content, parked.kind, parked.aggregate_id)
        if origin != told:
            check.problem(
                f"{part.place('parked', parked.offset)} is not the record that it says it is: "
                f"{part.place('commands', command.offset)} has another key, value or time"
            )


def _wrong_effect(outcome: Outcome, found: list[Event], reached: int) -> Iterator[str]:
    effective = outcome.result == ACCEPTED and not outcome.repeated
    wanted = outcome.events if effective else 0
    if outcome.result not in (ACCEPTED, REFUSED, PARKED):
        yield f"its result is {outcome.result!r}"
    if outcome.result != ACCEPTED and (outcome.events or not outcome.code):
        yield f"it was {outcome.result}, and its outcome has {outcome.events} events and the code {outcome.code}"
    if len(found) != wanted:
        kind = "repeated" if outcome.repeated else outcome.result
        yield f"it was {kind} with {wanted} events, the log has {len(found)} (offsets {[e.offset for e in found]})"
    elif any((event.aggregate_id, event.command_id) != (outcome.aggregate_id, outcome.command_id) for event in found):
        yield f"its outcome is for {outcome.aggregate_id}, its events are not"
    elif not outcome.repeated and outcome.code != REUSED and not _fits(outcome, reached):
        yield f"its outcome says version {outcome.version}, the log says {reached}"


def _fits(outcome: Outcome, reached: int) -> bool:
    """Whether the version is the one that the commands up to this one lead to.

    What waits is passed by what is answered meanwhile: who waits, and who asks about it, may see an older version.
    """
    if outcome.result == PARKED or outcome.command_type in ENGINE:
        return outcome.version <= reached
    return outcome.version == reached


def _wrong_resend(
    command: Command, outcome: Outcome, first: tuple[Command, Outcome] | None, window_ms: int
) -> Iterator[str]:
    if first is None:
        if outcome.repeated or outcome.code == REUSED:
            yield "is answered as a resend, and nothing of its id was answered before"
        return
    asked, known = first
    same = (command.type, command.aggregate_id, command.content) == (asked.type, asked.aggregate_id, asked.content)
    if outcome.repeated:
        if _content(outcome) != _content(known):
            yield f"is answered {_content(outcome)}, the first time {_content(known)}"
        if not same:
            yield "has another content than the first time, and is answered like it"
    elif outcome.code == REUSED and same:
        yield "is refused as another command, and has the first one's content"
    elif outcome.code != REUSED and command.log_time - asked.log_time <= window_ms:
        yield f"is a resend of command offset {asked.offset}, and answered as if it were new ({outcome.result})"


def _content(outcome: Outcome) -> tuple[object, ...]:
    return outcome.result, outcome.code, outcome.message, outcome.version, outcome.events, outcome.body_hash.hex()


def _outcomes_by_command(part: Partition) -> dict[int, list[Outcome]]:
    found: dict[int, list[Outcome]] = {}
    for outcome in part.outcomes:
        found.setdefault(outcome.command_offset, []).append(outcome)
    return found


def _parked_by_origin(part: Partition) -> dict[int, list[Parked]]:
    found: dict[int, list[Parked]] = {}
    for parked in part.parked:
        if parked.kind in (ALONE, KEY):
            found.setdefault(parked.origin, []).append(parked)
    return found


def _known_from(low: int, offsets: Iterable[int]) -> float:
    """The command offset from which on answers are still kept, when older ones were deleted from the topic."""
    return 0 if low == 0 else min(offsets, default=float("inf"))
