"""How things look to those who read them: one row each."""

from datetime import datetime

from msgspec import Struct

from headrace.kernel.message import Fact, time_of
from headrace.kernel.view import Key, Table, View
from headrace.scaffold.things.events import Event

THINGS_TABLE = """
CREATE TABLE things (
    thing_id   text        PRIMARY KEY,
    version    bigint      NOT NULL,
    status     text        NOT NULL,
    title      text        NOT NULL,
    opened_at  timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
)
"""


class ThingRow(Struct, frozen=True):
    """One thing as of `version`; times in UTC."""

    thing_id: str
    version: int
    status: str
    title: str
    opened_at: datetime
    updated_at: datetime


def keys(fact: Fact[Event]) -> tuple[Key, ...]:
    """The thing's own row, and no other."""
    return ((fact.aggregate_id,),)


def evolve(key: Key, row: ThingRow | None, fact: Fact[Event]) -> ThingRow:
    """The row after the fact."""
    at = time_of(fact.meta.occurred_at)
    thing = fact.state
    return ThingRow(key[0], fact.version, thing.status, thing.title, row.opened_at if row else at, at)


things_view = View(
    name="things",
    sources=("things",),
    table=Table(name="things", row=ThingRow, key=("thing_id",), ddl=THINGS_TABLE),
    keys=keys,
    evolve=evolve,
)
