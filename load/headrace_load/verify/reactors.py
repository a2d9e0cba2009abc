"""Check of what reactors keep in topics of their own: timers, of which none is overdue, and what they have parked.

A timer lies under its name and its process's id until a record without a value ends it, which says up to which offset
timers of that name have fired; one that was set later stays. A timer that is written again says where it was first set.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from headrace_load.verify.parking import KEY, RELEASED
from headrace_load.verify.reading import read_parked
from headrace_load.verify.records import Ends, Parked, Partition, Record
from headrace_load.verify.report import Check
from headrace_load.verify.topics import Topics

TIMERS: Final = "timers"
PARKED: Final = "reactions.parked"
DUE: Final = "headrace-due"
SINCE: Final = "headrace-since"
FIRED: Final = "headrace-fired"
OVERDUE_MS: Final = 60_000


class Timer(NamedTuple):
    """When a timer is due, in milliseconds, and the offset at which it was first set."""

    due_at: int
    since: int


def reactors(topics: Topics, names: Iterable[str], check: Check) -> None:
    """No transaction is open in what the reactors keep, no timer is overdue; what is parked is counted."""
    now_ms = time.time() * 1000
    for name in sorted(names):
        for kind in (TIMERS, PARKED):
            for number, ends in enumerate(topics.own_ends(f"{name}.{kind}")):
                own(name, kind, number, ends, topics.records(f"{name}.{kind}", number, ends), now_ms, check)
        check.count(reactors=1)


def own(name: str, kind: str, number: int, ends: Ends, records: Iterable[Record], now_ms: float, check: Check) -> None:
    """One partition of a reactor's timers, or of what it has parked."""
    place = f"{name}.{kind}[{number}]"
    if ends.stable < ends.high:
        check.problem(
            f"{place}: a transaction is open, readers of committed records stop at {ends.stable} of {ends.high}"
        )
    if kind == TIMERS:
        _check_timers(place, records, now_ms, check)
    else:
        _check_parked(name, number, ends, records, check)


def _check_timers(place: str, records: Iterable[Record], now_ms: float, check: Check) -> None:
    waiting, broken = waiting_timers(records)
    for offset, why in broken:
        check.problem(f"{place} offset {offset} is no timer: {why}")
    for key, timer in waiting.items():
        late_ms = now_ms - timer.due_at
        if late_ms > OVERDUE_MS:
            check.problem(f"{place}: the timer {key} was due {late_ms / 1000:,.0f} s ago, and has not fired")
    check.count(timers=len(waiting))


def waiting_timers(records: Iterable[Record]) -> tuple[dict[str, Timer], list[tuple[int, str]]]:
    """The timers that wait, by name and process; and the records that are none, each with why."""
    waiting: dict[str, Timer] = {}
    ended: dict[str, int] = {}
    broken = []
    for record in records:
        key = (record.key or b"").decode(errors="replace")
        try:
            _fold(key, record, waiting, ended)
        except (LookupError, ValueError, TypeError) as error:
            broken.append((record.offset, f"{type(error).__name__}: {error}"))
    return waiting, broken


def _fold(key: str, record: Record, waiting: dict[str, Timer], ended: dict[str, int]) -> None:
    said: dict[str, Any] = dict(reversed(record.headers or []))  # the first of a name is ours
    before = waiting.get(key)
    if record.value is None:
        ended[key] = max(int(said.get(FIRED, record.offset)), ended.get(key, -1))
        if before and before.since <= ended[key]:
            del waiting[key]
        return
    timer = Timer(int(said[DUE]), int(said.get(SINCE, record.offset)))
    if ended.get(key, -1) < timer.since and (before is None or before.since <= timer.since):
        waiting[key] = timer


def _check_parked(name: str, number: int, ends: Ends, records: Iterable[Record], check: Check) -> None:
    part = Partition(f"{name}.reactions", number, 1, {"parked": ends})
    read_parked(part, records)
    for problem in part.unreadable:
        check.problem(problem)
    queues = list(_waiting(part.parked))
    check.count(keys_that_wait=len(queues), records_that_wait=sum(queues))


def _waiting(parked: Iterable[Parked]) -> Iterator[int]:
    """How many records wait, of each key in each of the reactor's sources."""
    queues: defaultdict[tuple[str, int, str], list[int]] = defaultdict(list)
    for one in parked:
        queue = queues[one.topic, one.partition, one.aggregate_id]
        if one.kind == KEY:
            queue.append(one.origin)
        elif one.kind == RELEASED:
            queue[:] = [origin for origin in queue if origin > one.through]
    return (len(queue) for queue in queues.values() if queue)
