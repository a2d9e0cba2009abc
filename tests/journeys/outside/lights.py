"""A team's own domain, outside the package: lamps that are hung up and switched, and how many switchings a room saw."""

from datetime import UTC, datetime
from typing import Any, TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from headrace.kernel.aggregate import Aggregate
from headrace.kernel.app import App
from headrace.kernel.errors import Rejected
from headrace.kernel.message import Fact
from headrace.kernel.view import Key, Table, View


class Hang(Struct, frozen=True):
    """Hang the lamp up."""

    room: str


class Switch(Struct, frozen=True):
    """Switch it on or off."""

    on: bool


class Hung(Struct, frozen=True):
    """The lamp hangs."""

    room: str


class Switched(Struct, frozen=True):
    """The lamp was switched."""

    on: bool


class Lamp(Struct, frozen=True):
    """A lamp as it is."""

    room: str = ""
    on: bool = False
    switched: int = 0


class NotHung(Rejected):
    """The lamp does not hang anywhere."""


Command: TypeAlias = Hang | Switch
Event: TypeAlias = Hung | Switched


def decide(command: Command, lamp: Lamp, at: int) -> list[Event]:  # noqa: ARG001
    match command:
        case Hang(room):
            return [] if lamp.room else [Hung(room)]
        case Switch(on):
            if not lamp.room:
                raise NotHung
            return [] if lamp.on == on else [Switched(on)]
        case _:
            assert_never(command)


def evolve(lamp: Lamp, event: Event) -> Lamp:
    match event:
        case Hung(room):
            return replace(lamp, room=room)
        case Switched(on):
            return replace(lamp, on=on, switched=lamp.switched + 1)
        case _:
            assert_never(event)


class RoomRow(Struct, frozen=True):
    """What a room saw, as far as one partition knows."""

    partition: int
    room: str
    lamps: int
    switchings: int
    last_at: datetime


def keys(fact: Fact[Event]) -> list[Key]:
    return [(fact.partition, fact.state.room)]


def count(key: Key, row: RoomRow | None, fact: Fact[Event]) -> RoomRow:
    at = datetime.fromtimestamp(fact.meta.occurred_at / 1000, UTC)
    before = row or RoomRow(*key, 0, 0, at)
    if isinstance(fact.event, Hung):
        return replace(before, lamps=before.lamps + 1, last_at=at)
    return replace(before, switchings=before.switchings + 1, last_at=at)


ROOMS = """
CREATE TABLE rooms (
    partition  integer     NOT NULL,
    room       text        NOT NULL,
    lamps      bigint      NOT NULL,
    switchings bigint      NOT NULL,
    last_at    timestamptz NOT NULL,
    PRIMARY KEY (partition, room)
)
"""

ROOMS_OF_ALL_PARTITIONS = """
SELECT room, sum(lamps)::bigint AS lamps, sum(switchings)::bigint AS switchings, max(last_at) AS last_at
FROM rooms GROUP BY room
"""

lights: Aggregate[Any, Any, Any] = Aggregate(
    name="lights", initial=Lamp(), decide=decide, evolve=evolve, commands=Command, events=Event
)
rooms = View(
    name="rooms",
    sources=("lights",),
    table=Table(name="rooms", row=RoomRow, key=("partition", "room"), ddl=ROOMS, sums=ROOMS_OF_ALL_PARTITIONS),
    keys=keys,
    evolve=count,
)
app = App(aggregates=(lights,), views=(rooms,))
