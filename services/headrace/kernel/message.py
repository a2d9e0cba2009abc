"""What surrounds a command, an event and an answer: ids, versions, times.

Times are whole milliseconds since 1970 in UTC, as Kafka keeps them; offsets and versions are whole numbers.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

from msgspec import UNSET, Struct

EventT = TypeVar("EventT")

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

ACCEPTED = "accepted"
REFUSED = "refused"
PARKED = "parked"


@lru_cache(maxsize=256)
def time_of(milliseconds: int) -> datetime:
    """Milliseconds since 1970 as a time in UTC; under load many events have the same."""
    # By position, and in units that timedelta keeps: a third of what `milliseconds=` takes, and as exact.
    return EPOCH + timedelta(0, milliseconds // 1000, milliseconds % 1000 * 1000)


class CommandMeta(Struct, frozen=True, kw_only=True, gc=False):
    """Who asks what of which aggregate; `expected_version` and `issued_at` are conditions that the handler checks."""

    command_id: str
    aggregate_id: str
    expected_version: int | None = None
    issued_at: int | None = None
    actor: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None


class Writer(Struct, frozen=True, gc=False):
    """The process that wrote an event, and the high watermark that it had restored the partition to: it only grows."""

    instance: str
    restored_to: int


class EventMeta(Struct, frozen=True, gc=False):
    """Where an event stands: `version` counts from 1; `occurred_at` is its command's log-append time."""

    version: int
    event_id: str
    aggregate_id: str
    occurred_at: int
    command_id: str
    command_offset: int
    correlation_id: str
    causation_id: str
    actor: str | None
    writer: Writer

    @property
    def time(self) -> datetime:
        """When the event occurred."""
        return time_of(self.occurred_at)


class Outcome(Struct, frozen=True, kw_only=True, gc=False):
    """The answer to one command record: `result` is accepted, refused or parked; `code` and `message` say why.

    A parked command waits for a redrive, which answers it once more, with the result that it ends in.

    `version` is the aggregate's version after the command and `events` how many events the command added;
    `repeated` marks the answer to a resend, which has the first answer's content and no effect of its own.
    """

    command_id: str
    occurred_at: int
    aggregate_id: str
    command_type: str
    command_offset: int
    body_hash: bytes
    result: str
    code: str | None = None
    message: str | None = None
    version: int
    events: int
    repeated: bool = False
    actor: str | None = None
    correlation_id: str
    causation_id: str


class RedriveParked(Struct, frozen=True):
    """Process the parked commands of the aggregate that the meta names, in their order, as if nothing had happened."""


class DiscardParked(Struct, frozen=True):
    """Give up the parked commands of the aggregate that the meta names; each is refused as `Discarded`."""

    reason: str


class Later(Struct, gc=False):
    """A value that is made when it is first asked for, of what it is made of."""

    make: Callable[..., Any]
    of: tuple[Any, ...]
    made: Any = UNSET

    def value(self) -> Any:
        """The value; raises what making it raises."""
        if self.made is UNSET:
            self.made = self.make(*self.of)
        return self.made


class Fact(Struct, Generic[EventT], frozen=True, gc=False):
    """An event as it stands in the log: its meta, the state after it, at once or later, and its coordinates."""

    event: EventT
    meta: EventMeta
    state_or_later: Any
    topic: str
    partition: int
    offset: int
    log_time: int

    @property
    def state(self) -> Any:
        """The aggregate after the event; it is decoded when it is first asked for."""
        state = self.state_or_later
        return state.value() if type(state) is Later else state

    @property
    def aggregate_id(self) -> str:
        """The id of the aggregate that the event belongs to."""
        return self.meta.aggregate_id

    @property
    def version(self) -> int:
        """The aggregate's version after the event."""
        return self.meta.version
