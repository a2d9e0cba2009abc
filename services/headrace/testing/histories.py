"""Given, when, then: an aggregate's past, what a command leads to, and what follows from it."""

from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Any, Generic, TypeVar

from msgspec import Struct

from headrace.kernel.aggregate import Aggregate
from headrace.kernel.message import EventMeta, Fact, Writer
from headrace.kernel.reactor import Answered, Reaction, Reactor
from headrace.kernel.view import Key, View

CommandT = TypeVar("CommandT")
StateT = TypeVar("StateT")
EventT = TypeVar("EventT")
RowT = TypeVar("RowT", bound=Struct)


class History(Struct, Generic[CommandT, StateT, EventT], frozen=True):
    """An aggregate to which some events have happened; `state` is the fold of them."""

    aggregate: Aggregate[CommandT, StateT, EventT]
    state: StateT

    def when(self, command: CommandT, at: int = 0) -> list[EventT]:
        """The events that the command leads to at that log-append time (milliseconds), or its refusal, raised."""
        return self.aggregate.decide(command, self.state, at)


def given(aggregate: Aggregate[CommandT, StateT, EventT], *events: EventT) -> History[CommandT, StateT, EventT]:
    """The aggregate after these events, oldest first."""
    return History(aggregate, reduce(aggregate.evolve, events, aggregate.initial))


def facts(
    aggregate: Aggregate[CommandT, StateT, EventT], aggregate_id: str, *events: EventT, at: int = 1
) -> Iterator[Fact[EventT]]:
    """The events as they would stand in the log, a millisecond apart, the first one `at` that one."""
    state = aggregate.initial
    for version, event in enumerate(events, start=1):
        now = at + version - 1
        state = aggregate.evolve(state, event)
        meta = EventMeta(
            version=version,
            event_id=f"event-{version}",
            aggregate_id=aggregate_id,
            occurred_at=now,
            command_id=f"command-{version}",
            command_offset=version - 1,
            correlation_id="correlation",
            causation_id="causation",
            actor=None,
            writer=Writer("test", 0),
        )
        yield Fact(event, meta, state, aggregate.event_topic, 0, version - 1, now)


def fold(view: View[RowT], log: Iterable[Fact[Any]]) -> dict[Key, RowT]:
    """The rows of the view after these facts, by key."""
    rows: dict[Key, RowT] = {}
    for fact in log:
        for key in view.touched(fact):
            row = view.evolve(key, rows.get(key), fact)
            if row is None:
                rows.pop(key, None)
            else:
                rows[key] = row
    return rows


def reactions(reactor: Reactor, seen: Iterable[Fact[Any] | Answered]) -> list[Reaction]:
    """What a reactor sends and schedules after the last of these facts, or answers."""
    return list(reactor.react(list(seen)[-1]))
