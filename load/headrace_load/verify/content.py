"""Check of what commands say against what came of them: an event repeats it, and none is accepted for nothing."""

from bisect import bisect_left
from operator import attrgetter
from typing import Any, Final, NamedTuple

from headrace_load.verify.records import Partition
from headrace_load.verify.report import Check
from headrace_load.verify.schemas import Decoded, Schemas

OFFSET: Final = attrgetter("offset")
ACCEPTED: Final = "accepted"


class Led(NamedTuple):
    """What a command of a model leads to when it is accepted: one event of these, which repeats these fields of it.

    `called` are the event's names of them, where these differ; `if_given` those that a command may leave to the rules.
    `again` says that it is accepted without an event where it was done before.
    """

    to: tuple[str, ...]
    repeats: tuple[str, ...] = ()
    called: tuple[str, ...] = ()
    if_given: tuple[str, ...] = ()
    again: bool = False


def asked(led: Led | None, schemas: Schemas, frame: bytes | None) -> int:
    """A hash of what a command's event must repeat, since millions of commands wait for theirs; 0 where it is nothing.

    Only of what is a command.
    """
    if led is None or not led.repeats:
        return 0
    fields = schemas.decode(frame).fields
    left_out = [name for name in led.if_given if fields[name] is None]
    return _hash(fields, tuple(name for name in led.repeats if name not in left_out))


def compare(part: Partition, offset: int, event: Decoded) -> None:
    """Note how the event at an offset differs from what its command asked for, if that still lies in the log."""
    of = event.fields["meta"]["command_offset"]
    at = bisect_left(part.commands, of, key=OFFSET)
    if at == len(part.commands) or part.commands[at].offset != of or not part.commands[at].type:
        return
    kind, name = part.commands[at].type, event.form.name
    led = part.leads.get(kind)
    part.compared += 1
    if led is None or name not in led.to:
        part.unlike.append(f"{_place(part, offset, event)} comes from a {kind}, which leads to {_listed(led)}")
    elif led.repeats and part.asked[at] not in _said(led, event.fields):
        what = ", ".join(led.repeats)
        part.unlike.append(f"{_place(part, offset, event)} does not say what its {kind} asked for: {what}")


def content(part: Partition, check: Check) -> None:
    """An event says what its command asked for; an accepted command has one, or was done before."""
    for problem in part.unlike:
        check.problem(problem)
    for outcome in part.outcomes:
        led = part.leads.get(outcome.command_type)
        if led is None or outcome.result != ACCEPTED or outcome.repeated:
            continue
        if outcome.events > 1 or not (outcome.events or led.again):
            check.problem(
                f"{part.place('commands', outcome.command_offset)} ({outcome.command_type}) was accepted with "
                f"{outcome.events} events, and leads to {_listed(led)}"
            )
    check.count(compared=part.compared)


def _said(led: Led, event: dict[str, Any]) -> tuple[int, ...]:
    """The hashes that a command may have which leads to the event: with all fields, and without those it may leave."""
    names = led.called or led.repeats
    if not led.if_given:
        return (_hash(event, names),)
    return _hash(event, names), _hash(event, tuple(name for name in names if name not in led.if_given))


def _hash(fields: dict[str, Any], names: tuple[str, ...]) -> int:
    return hash(repr([fields.get(name) for name in names]))


def _place(part: Partition, offset: int, event: Decoded) -> str:
    meta = event.fields["meta"]
    return f"{part.place('events', offset)} ({meta['aggregate_id']} version {meta['version']}, a {event.form.name})"


def _listed(led: Led | None) -> str:
    return " or ".join(led.to) if led else "no event that the verifier knows"
