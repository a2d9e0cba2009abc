"""An aggregate is a name, a blank state and two pure functions."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, get_args

from msgspec import Struct

from headrace.kernel.errors import Misconfigured

CommandT = TypeVar("CommandT")
StateT = TypeVar("StateT")
EventT = TypeVar("EventT")

NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")


class Aggregate(Struct, Generic[CommandT, StateT, EventT], frozen=True, kw_only=True):
    """The rules of one kind of thing.

    `decide(command, state, at)` returns the events that the command leads to, possibly none, or raises a `Rejected`;
    `at` is the command's log-append time in milliseconds, so that rules about time can be replayed.
    `evolve(state, event)` returns the state after the event. Neither knows a clock, a database or a network.
    `commands` and `events` are the unions of the message types; `upcasts` lifts an event of a retired type to today's,
    or to one of a retired type that another of them lifts further.
    """

    name: str
    initial: StateT
    decide: Callable[[CommandT, StateT, int], list[EventT]]
    evolve: Callable[[StateT, EventT], StateT]
    commands: Any
    events: Any
    upcasts: Mapping[type, Callable[[Any], Any]] = {}

    def __post_init__(self) -> None:
        """Refuse a name that could not name a topic, a state that could be changed in place, unions without classes."""
        refuse_bad_name("aggregate", self.name)
        refuse_mutable(f"the state of aggregate {self.name}", self.state_type)
        for union, kinds in (("commands", self.command_types), ("events", self.event_types)):
            if not all(isinstance(kind, type) and issubclass(kind, Struct) for kind in kinds):
                raise Misconfigured(
                    f"aggregate {self.name}: {union} is a union of msgspec Structs, such as Open | Close"
                )

    @property
    def command_types(self) -> tuple[type, ...]:
        """The commands, one class each."""
        return get_args(self.commands) or (self.commands,)

    @property
    def event_types(self) -> tuple[type, ...]:
        """The events, one class each, without the retired ones."""
        return get_args(self.events) or (self.events,)

    @property
    def state_type(self) -> type:
        """The class of the state."""
        return type(self.initial)

    @property
    def command_topic(self) -> str:
        """Where commands are read."""
        return f"{self.name}.commands"

    @property
    def event_topic(self) -> str:
        """Where events are written; compacted by aggregate id."""
        return f"{self.name}.events"

    @property
    def outcome_topic(self) -> str:
        """Where each command is answered."""
        return f"{self.name}.outcomes"

    @property
    def parked_topic(self) -> str:
        """Where records wait that could not be processed."""
        return f"{self.name}.parked"

    @property
    def topics(self) -> tuple[str, str, str, str]:
        """All four topics of the domain."""
        return self.command_topic, self.event_topic, self.outcome_topic, self.parked_topic


def refuse_mutable(what: str, kind: type) -> None:
    """Refuse a Struct that code could change in place: a batch that is given up must leave no trace in memory."""
    config = getattr(kind, "__struct_config__", None)
    if config is not None and not config.frozen:
        raise Misconfigured(
            f"{what} must be frozen: write class {kind.__name__}(Struct, frozen=True), and have evolve return a new "
            f"one, as msgspec.structs.replace makes it"
        )


def refuse_bad_name(part: str, name: str) -> None:
    """`Misconfigured` for a name that could not stand in the names of topics, schemas and tables."""
    if not NAME.fullmatch(name):
        raise Misconfigured(f"{part} {name!r}: a name is 1 to 60 lower-case letters, digits and _, a letter first")
