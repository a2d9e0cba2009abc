"""What the verifier keeps of each record: enough for every check, and no more, since there may be millions."""

from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

Headers = list[tuple[str, Any]] | None
Place = tuple[str, int]
"""An event's aggregate id and offset."""


class Record(NamedTuple):
    """A record of a topic as Kafka gives it; `log_time` in milliseconds."""

    offset: int
    log_time: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Row(NamedTuple):
    """A row of the journal; `log_time` in milliseconds."""

    offset: int
    aggregate_id: str
    version: int
    record_type: str
    log_time: int
    record: bytes


class Command(NamedTuple):
    """A record of a command topic. `type` is empty for what is not a command; `why` says then what it is instead."""

    offset: int
    log_time: int
    key: bytes | None
    type: str
    command_id: str
    aggregate_id: str
    content: bytes | int
    """Hash of the command's type and own fields; of key and value for what is not a command."""
    why: str = ""
    expected_version: int | None = None
    issued_at: int | None = None
    told: int = 0
    """Hash of what its events and its outcome repeat: its actor, its correlation and its causation; 0 for none."""
    reacted: bool = False
    """Whether a reactor sent it, as it says, because of an event."""


class Outcome(NamedTuple):
    """The answer to one command record."""

    offset: int
    key: bytes | None
    command_offset: int
    command_id: str
    aggregate_id: str
    command_type: str
    occurred_at: int
    body_hash: bytes
    result: str
    code: str | None
    message: str | None
    version: int
    events: int
    repeated: bool
    told: int = 0


class Parked(NamedTuple):
    """A parked record, and what its headers say: where it came from, and why it is there.

    `kind` is alone (no command), key (a command that waits with its aggregate), or released: a mark that says that the
    commands of its aggregate up to the offset `through` no longer wait; its origin is the command that asked for it.
    """

    offset: int
    topic: str
    partition: int
    origin: int
    log_time: int
    content: int
    """Hash of key and value."""
    reason: str
    kind: str = "alone"
    aggregate_id: str = ""
    through: int = -1


class Event(NamedTuple):
    """An event as the journal has it, or as the topic has it where the journal has none.

    `differences` says how the two, or the record and what surrounds it, disagree.
    """

    offset: int
    in_topic: bool
    in_journal: bool
    log_time: int
    type: str
    aggregate_id: str
    version: int
    strange_id: str
    """The event's id where it is not made of domain, aggregate and version, else empty."""
    occurred_at: int
    command_id: str
    command_offset: int
    restored_to: int
    content: int
    """Hash of the record's value; 0 when nothing of the partition is held back, which alone is compared with it."""
    differences: tuple[str, ...] = ()
    told: int = 0


class Ends(NamedTuple):
    """A topic's partition: its first offset, where readers of committed records stop, and its end."""

    low: int
    stable: int
    high: int


class Checkpoint(NamedTuple):
    """Where a projector stands in a partition."""

    next_offset: int
    command_offset: int


class Held(NamedTuple):
    """An event that a projector set aside and holds back, as its table has it; `log_time` in milliseconds."""

    offset: int
    aggregate_id: str
    log_time: int
    record: bytes


ANSWERS: Final = ("events", "outcomes", "parked")
"""The kinds of topics that handlers write, in their transactions."""


@dataclass(slots=True)
class Partition:
    """One partition number of a domain's four topics, with all that is stored about it; lists are in offset order."""

    domain: str
    number: int
    partitions: int
    ends: dict[str, Ends]
    """By the topic's kind: commands, events, outcomes, parked."""
    committed: int | None = None
    """The handlers' offset in the command topic; None when there is none."""
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)
    reacted: dict[tuple[str, str], int | None] = field(default_factory=dict)
    """The reactors' offsets, by group and kind of topic; None where a group has none in this partition alone."""
    held: dict[str, list[Held]] = field(default_factory=dict)
    """What projectors hold back, by projector; in offset order."""
    commands: list[Command] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    whole: dict[int, int] = field(default_factory=dict)
    """Hash of key and value of the commands that were parked by key, by offset."""
    erased: set[str] = field(default_factory=set)
    """Aggregates whose newest record in the event topic has no value."""
    leads: Mapping[str, Any] = field(default_factory=dict)
    """What each type of command leads to, of the domain's model; empty where there is none."""
    asked: "array[int]" = field(default_factory=lambda: array("q"))
    """What the event of each command must repeat, as a hash, in the order of `commands`; empty without a model."""
    compared: int = 0
    """How many events were compared with their commands."""
    unlike: list[str] = field(default_factory=list)
    """How events differ from what their commands asked for."""
    audit: Checkpoint | None = None
    """Where the audit stands in the outcome topic; None when no audit is kept."""
    unkept: list[str] = field(default_factory=list)
    """How outcomes and the audit disagree."""
    unreadable: list[str] = field(default_factory=list)
    """Events, outcomes and parked records that are not what their topic is for."""
    read: Counter[str] = field(default_factory=Counter)
    """How many records were read, by kind, the journal's rows among them."""
    visible: dict[str, "array[int]"] = field(default_factory=lambda: {kind: array("q") for kind in ANSWERS})
    """The offsets that a reader of committed records sees, of the topics that handlers write."""
    known: dict[Any, Any] = field(default_factory=dict)
    """One of several equal values, so that only that is kept: ids, times and offsets stand in three topics."""

    def place(self, kind: str, offset: int) -> str:
        """How a record is named in a report."""
        return f"{self.domain}.{kind}[{self.number}] offset {offset}"

    def of_event(self, event: Event) -> str:
        """How an event is named in a report."""
        return f"{self.place('events', event.offset)} ({event.aggregate_id} version {event.version})"
