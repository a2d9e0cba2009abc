"""How much a projector sets aside before its partition stops, on a real Postgres."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from msgspec import Struct

from headrace.app import shop
from headrace.kernel.errors import TooMuchParked
from headrace.postgres.connection import connect
from headrace.postgres.schema import migrate
from headrace.projector.parking import Parking
from headrace.projector.projection import Reading
from headrace.projector.reasons import said
from headrace.settings import Settings

pytestmark = pytest.mark.edge

Connection = psycopg.Connection[tuple[Any, ...]]


class Consumed(Struct, frozen=True):
    """A record of `orders.events`, as it was read."""

    name: str
    at: int
    place: int = 0

    def topic(self) -> str:
        return "orders.events"

    def partition(self) -> int:
        return self.place

    def offset(self) -> int:
        return self.at

    def timestamp(self) -> tuple[int, int]:
        return 2, 1_700_000_000_000

    def key(self) -> bytes:
        return self.name.encode()

    def value(self) -> bytes:
        return b"record"

    def headers(self) -> None:
        return None

    def error(self) -> None:
        return None


class BreaksOn:
    """A view that cannot take the events of some keys."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self.applied: list[int] = []

    def prepare(self, _reading: Reading, records: list[tuple[Any, Any]], _before: Any = None) -> list[int]:
        broken = [record for record, _ in records if record.name in self._names]
        if broken:
            raise ValueError(f"secret of {broken[0].name}")
        return [record.at for record, _ in records]

    def write(self, _cursor: psycopg.Cursor[Any], prepared: list[int]) -> int:
        self.applied += prepared
        return len(prepared)

    def keep(self, prepared: list[int]) -> None:
        """Nothing is read."""

    def forget(self) -> None:
        """Nothing is kept."""


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    settings = Settings(DATABASE_URL=database)  # type: ignore[call-arg]
    migrate(shop, settings)
    with connect(settings, "test") as connection:
        yield connection


def apply(connection: Connection, parking: Parking, view: BreaksOn, *records: Consumed) -> None:
    """One batch in one transaction, as the projector's loop does it once the batch has failed as a whole."""
    with connection.transaction(), connection.cursor() as cursor:
        parking.apply_around(cursor, view, [(record, None) for record in records], [], search=True)  # type: ignore[list-item, misc]


def parked(connection: Connection) -> list[tuple[Any, ...]]:
    found = connection.execute('SELECT aggregate_id, "offset", reason_class FROM headrace.parked ORDER BY "offset"')
    rows = found.fetchall()
    connection.commit()
    return rows


def test_as_many_keys_as_may_be_are_parked_and_one_more_stops_the_partition(connection: Connection) -> None:
    parking, view = Parking("orders_v1", max_keys=2), BreaksOn("a", "b", "c")
    apply(connection, parking, view, Consumed("a", 0), Consumed("x", 1), Consumed("b", 2), Consumed("a", 3))
    before = [("a", 0, "builtins.ValueError"), ("b", 2, "builtins.ValueError"), ("a", 3, None)]
    assert parked(connection) == before
    with pytest.raises(
        TooMuchParked, match=r"orders_v1: more than 2 keys of orders.events\[0\] would be parked.*offset 5"
    ):
        apply(connection, parking, view, Consumed("x", 4), Consumed("c", 5))
    assert parked(connection) == before


def test_as_many_events_as_may_be_queue_behind_a_key_and_one_more_stops_the_partition(connection: Connection) -> None:
    parking, view = Parking("orders_v1", max_records=3), BreaksOn("a")
    apply(connection, parking, view, *(Consumed("a", at) for at in range(3)))
    with pytest.raises(TooMuchParked, match=r"more than 3 events of orders.events\[0\] would wait behind parked ones"):
        apply(connection, parking, view, Consumed("a", 3))
    assert [at for _, at, _ in parked(connection)] == [0, 1, 2]


def test_caps_are_of_each_partition_by_itself(connection: Connection) -> None:
    parking, view = Parking("orders_v1", max_keys=1, max_records=2), BreaksOn("a", "b")
    apply(connection, parking, view, Consumed("a", 0), Consumed("b", 0, place=1), Consumed("a", 1), Consumed("b", 1, 1))
    assert len(parked(connection)) == 4
    assert view.applied == []


def test_a_key_that_was_redriven_makes_room(connection: Connection) -> None:
    parking, view = Parking("orders_v1", max_keys=1), BreaksOn("a", "b")
    apply(connection, parking, view, Consumed("a", 0))
    connection.execute("DELETE FROM headrace.parked")
    connection.commit()
    apply(connection, parking, view, Consumed("b", 1))
    assert [name for name, *_ in parked(connection)] == ["b"]


def test_the_reason_of_an_error_holds_no_value_of_the_event_and_what_it_said_is_kept_beside(
    connection: Connection,
) -> None:
    apply(connection, Parking("orders_v1"), BreaksOn("a"), Consumed("a", 0), Consumed("a", 1))
    [(reason, said), behind] = connection.execute("SELECT reason, said FROM headrace.parked ORDER BY 1").fetchall()
    assert reason.startswith("ValueError in prepare, test_projector_parking.py line ")
    assert "secret" not in reason
    assert said == "secret of a"
    assert behind == (None, None)


class Mute(Exception):  # noqa: N818 - a class of a domain's that breaks
    def __str__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (ValueError("a\0b\ud800"), "a\\0b\\ud800"),
        (ValueError("x" * 5_000), "x" * 1_000),
        (Mute(), "ZeroDivisionError"),
    ],
    ids=["odd characters", "long", "mute"],
)
def test_what_an_error_said_is_kept_as_postgres_can_hold_it(error: Exception, kept: str) -> None:
    assert said(error) == kept
