"""A reactor is a process manager: it turns what happened, and how commands ended, into further commands."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from msgspec import Struct

from headrace.kernel.aggregate import Aggregate, refuse_bad_name
from headrace.kernel.errors import Fault, Misconfigured
from headrace.kernel.message import Fact, Outcome


class Send(Struct, frozen=True):
    """A command to one aggregate of the app. Its id is derived from what it follows from, so a replay repeats none."""

    aggregate: str
    aggregate_id: str
    command: Struct


class Schedule(Struct, frozen=True):
    """Send a command once its time has come: `due_at` is in milliseconds since 1970, UTC.

    The timer lies in the log under the id of the aggregate that the reaction is to, and a name of its own; another one
    of the same name and id takes its place. Where a reactor reads aggregates of several kinds that may have one id, the
    name tells them apart.
    """

    name: str
    due_at: int
    send: Send

    def __post_init__(self) -> None:
        """Refuse what could not be read from the log again: a float, a datetime."""
        if type(self.due_at) is not int:
            raise Fault(
                f"timer {self.name}: due_at is a {type(self.due_at).__name__}, must be an int: milliseconds since 1970"
            )


class Unschedule(Struct, frozen=True):
    """Forget the timer of that name, if it is still there."""

    name: str


Reaction: TypeAlias = Send | Schedule | Unschedule


class Answered(Struct, frozen=True):
    """How a command ended that this reactor had sent: the outcome, the aggregate it was sent to, and what it was for.

    `process_id` is the id of the aggregate of the event that the command followed from, `version` that event's.
    """

    outcome: Outcome
    aggregate: str
    process: str
    process_id: str
    version: int


class Reactor(Struct, frozen=True, kw_only=True):
    """What follows from what: a pure function from one fact or answer to commands, possibly none.

    `events` names the aggregates whose events are read, `answers` those whose outcomes are, as far as they answer
    commands of this reactor. All that is read of one aggregate id comes in its order; between two ids there is none.
    `sends` names the aggregates that its commands are to, None any of the app: no other right is asked for.
    `process` names the aggregate whose state is the process, and `waits_for(state)` says which step it waits for, None
    when it is over: for `headrace processes`.
    """

    name: str
    events: tuple[str, ...]
    answers: tuple[str, ...]
    react: Callable[[Fact[Any] | Answered], Sequence[Reaction]]
    sends: tuple[str, ...] | None = None
    process: str = ""
    waits_for: Callable[[Any], str | None] = lambda _state: None

    def __post_init__(self) -> None:
        """Refuse a name that could not stand in the name of a topic, and a reactor that reads nothing."""
        refuse_bad_name("reactor", self.name)
        if not self.events:
            raise Misconfigured(f"reactor {self.name}: name the aggregates whose events it reads")

    def targets(self, aggregates: Iterable[Aggregate[Any, Any, Any]]) -> tuple[str, ...]:
        """The names of the aggregates that it may send commands to, of those of an app."""
        return tuple(each.name for each in aggregates) if self.sends is None else self.sends

    @property
    def actor(self) -> str:
        """Who asks, in the commands that it sends."""
        return f"reactor/{self.name}"

    @property
    def timer_topic(self) -> str:
        """Where timers lie until they fire; compacted."""
        return f"{self.name}.timers"

    @property
    def topics(self) -> tuple[str, str]:
        """The topics that are its own."""
        return self.timer_topic, self.parked_topic

    @property
    def parked_topic(self) -> str:
        """Where records wait that could not be reacted to."""
        return f"{self.name}.reactions.parked"
