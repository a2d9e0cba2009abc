"""A view's rows on a real Postgres: read and written a set at a time, whatever they hold."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest
from msgspec import Struct

from headrace.kernel.view import Key, Table, View
from headrace.postgres.connection import connect
from headrace.postgres.rows import MovedRow, ViewRows
from headrace.settings import Settings

pytestmark = pytest.mark.edge

Connection = psycopg.Connection[tuple[Any, ...]]
BIG = 2**63 - 1
NOON = datetime(2010, 12, 1, 12, tzinfo=UTC)


class Item(Struct, frozen=True):
    shop: str
    number: int
    name: str | None = None
    price: int | None = None
    weight: float | None = None
    sold: bool | None = None
    day: date | None = None
    at: datetime | None = None
    seal: bytes | None = None


ITEMS = """
CREATE TABLE items (
    shop text, number bigint, name text, price bigint, weight double precision, sold boolean, day date,
    at timestamptz, seal bytea, small integer, applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    source text NOT NULL DEFAULT 'log', PRIMARY KEY (shop, number)
);
"""


def view_of(row: type[Struct], ddl: str, *key: str, name: str = "items", version: int = 1) -> View[Any]:
    sums = f"TABLE {name}" if "partition" in key else ""
    table: Table[Any] = Table(name=name, row=row, key=key, ddl=ddl, sums=sums)
    return View(
        name=name, sources=("shops",), table=table, keys=lambda _: (), evolve=lambda _, row, __: row, version=version
    )


def create(connection: Connection, view: View[Any]) -> ViewRows:
    """The view's table in its schema, and its rows."""
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {view.schema}; SET search_path TO {view.schema}".encode())
    connection.execute(view.table.ddl.encode())
    connection.commit()
    return ViewRows(connection, view)


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with connect(Settings(DATABASE_URL=database), "test") as connection:  # type: ignore[call-arg]
        yield connection


@pytest.fixture
def items(connection: Connection) -> ViewRows:
    return create(connection, view_of(Item, ITEMS, "shop", "number"))


def write(connection: Connection, rows: ViewRows, *kept: Any, gone: tuple[Key, ...] = ()) -> None:
    with connection.cursor() as cursor:
        rows.write(cursor, {(row.shop, row.number): row for row in kept} | dict.fromkeys(gone))


def read(connection: Connection, rows: ViewRows, *keys: Key) -> dict[Key, Any]:
    with connection.cursor() as cursor:
        return rows.read(cursor, list(keys))


FULL = Item("a", 1, "pot", 250, 1.5, True, date(2010, 12, 1), NOON, b"\0\xff")
BLANK = Item("a", 2)
ODD = Item("Ä'\"\\{},NULL", -BIG - 1, "", BIG, -0.0, False, date(1, 1, 1), datetime(1969, 7, 20, tzinfo=UTC), b"")


@pytest.mark.parametrize("rows", [[FULL], [BLANK], [ODD], [FULL, BLANK, ODD], [BLANK, Item("b", 2)]], ids=len)
def test_rows_are_read_as_they_were_written(connection: Connection, items: ViewRows, rows: list[Item]) -> None:
    write(connection, items, *rows)
    written = {(row.shop, row.number): row for row in rows}
    assert read(connection, items, *written) == written


def test_types_are_the_same_whatever_a_batch_holds(connection: Connection, items: ViewRows) -> None:
    """A column that is empty throughout, small numbers, huge ones: one prepared statement takes them all."""
    for number, price in enumerate([1, None, BIG, 2**31, -1, 0, 2**15, None]):
        row = Item("a", number, price=price)
        write(connection, items, row)
        assert read(connection, items, ("a", number)) == {("a", number): row}


def test_a_row_takes_the_place_of_the_one_before_it_with_all_its_columns(
    connection: Connection, items: ViewRows
) -> None:
    write(connection, items, FULL, BLANK)
    write(connection, items, Item("a", 1, "jug"), Item("a", 3))
    assert read(connection, items, ("a", 1), ("a", 2), ("a", 3)) == {
        ("a", 1): Item("a", 1, "jug"),
        ("a", 2): BLANK,
        ("a", 3): Item("a", 3),
    }


def test_a_key_without_a_row_is_not_read(connection: Connection, items: ViewRows) -> None:
    write(connection, items, FULL)
    assert read(connection, items, ("a", 1), ("a", 9), ("b", 1)) == {("a", 1): FULL}
    assert read(connection, items, ("x", 0)) == {}


def test_rows_that_become_none_are_deleted_and_no_others(connection: Connection, items: ViewRows) -> None:
    write(connection, items, Item("a", 1), Item("a", 2), Item("b", 1), Item("b", 2))
    write(connection, items, gone=(("a", 1), ("b", 2), ("c", 3)))
    assert set(read(connection, items, *((shop, number) for shop in "abc" for number in (1, 2, 3)))) == {
        ("a", 2),
        ("b", 1),
    }


def test_one_batch_inserts_updates_and_deletes(connection: Connection, items: ViewRows) -> None:
    write(connection, items, Item("a", 1), Item("a", 2))
    write(connection, items, Item("a", 2, "new"), Item("a", 3), gone=(("a", 1),))
    keys = [("a", number) for number in (1, 2, 3)]
    assert read(connection, items, *keys) == {("a", 2): Item("a", 2, "new"), ("a", 3): Item("a", 3)}


def test_nothing_to_write_is_nothing_to_do(connection: Connection, items: ViewRows) -> None:
    write(connection, items)
    assert connection.execute("SELECT count(*) FROM items").fetchone() == (0,)


def test_a_column_that_the_row_does_not_name_takes_its_default_at_every_write(
    connection: Connection, items: ViewRows
) -> None:
    write(connection, items, FULL)
    connection.execute("UPDATE items SET applied_at = 'epoch', source = 'hand', small = 7")
    write(connection, items, FULL)
    row = connection.execute("SELECT applied_at > now() - interval '1 hour', source, small FROM items").fetchone()
    assert row == (True, "log", None)


def test_a_thousand_rows_are_one_statement(connection: Connection, items: ViewRows) -> None:
    rows = [Item(f"shop {number % 7}", number, f"item {number}", number) for number in range(1000)]
    write(connection, items, *rows)
    keys = [(row.shop, row.number) for row in rows]
    assert read(connection, items, *keys) == dict(zip(keys, rows, strict=True))
    write(connection, items, gone=tuple(keys[1:]))
    assert connection.execute("SELECT number FROM items").fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (Item("a", 1, price=2**63), "view items: a row holds a whole number of more than 64 bits"),
        (Item("a", 1, name="a\0b"), 'invalid byte sequence for encoding "UTF8": 0x00'),
    ],
    ids=["65 bits", "NUL"],
)
def test_what_a_column_cannot_hold_is_an_error_and_changes_nothing(
    connection: Connection, items: ViewRows, row: Item, why: str
) -> None:
    write(connection, items, BLANK)
    connection.commit()
    with pytest.raises((OverflowError, psycopg.DataError), match=why):
        write(connection, items, BLANK, row)
    connection.rollback()
    assert connection.execute("SELECT count(*) FROM items").fetchone() == (1,)


class Day(Struct, frozen=True):
    partition: int
    day: date
    orders: int


DAYS = """CREATE TABLE days (partition integer, day date, orders smallint, PRIMARY KEY (partition, day))"""


def test_a_key_of_a_date_and_narrower_numbers_than_ours(connection: Connection) -> None:
    rows = create(connection, view_of(Day, DAYS, "partition", "day", name="days"))
    days = {(1, date(1969, 12, 31)): Day(1, date(1969, 12, 31), 3), (2, date.max): Day(2, date.max, -3)}
    with connection.cursor() as cursor:
        rows.write(cursor, dict(days))
        assert rows.read(cursor, [*days, (1, date.max)]) == days
        rows.write(cursor, {(2, date.max): None})
        assert list(rows.read(cursor, list(days))) == [(1, date(1969, 12, 31))]
        with pytest.raises(psycopg.errors.NumericValueOutOfRange):
            rows.write(cursor, {(1, date.max): Day(1, date.max, 2**15)})


class Seen(Struct, frozen=True):
    who: str
    what: str


def test_a_table_that_is_nothing_but_its_key(connection: Connection) -> None:
    ddl = "CREATE TABLE seen (who text, what text, PRIMARY KEY (who, what))"
    rows = create(connection, view_of(Seen, ddl, "who", "what", name="seen"))
    seen = {("ann", "a"): Seen("ann", "a"), ("bob", "b"): Seen("bob", "b")}
    with connection.cursor() as cursor:
        for _ in range(2):
            rows.write(cursor, dict(seen))
        assert rows.read(cursor, list(seen)) == seen


class Reordered(Struct, frozen=True):
    count: int
    key: str
    select: str


def test_columns_are_found_by_name_even_if_sql_has_other_uses_for_it(connection: Connection) -> None:
    ddl = """CREATE TABLE words (
        "select" text, total bigint GENERATED ALWAYS AS (count * 2) STORED, count bigint, key text PRIMARY KEY
    )"""
    rows = create(connection, view_of(Reordered, ddl, "key", name="words"))
    with connection.cursor() as cursor:
        for count in (1, 2):
            rows.write(cursor, {("k",): Reordered(count, "k", "s")})
        assert rows.read(cursor, [("k",)]) == {("k",): Reordered(2, "k", "s")}
    assert connection.execute("SELECT total FROM words").fetchone() == (4,)


def test_a_column_that_counts_by_itself_is_left_alone(connection: Connection) -> None:
    ddl = "CREATE TABLE seen (id bigint GENERATED ALWAYS AS IDENTITY, who text PRIMARY KEY, what text)"
    rows = create(connection, view_of(Seen, ddl, "who", name="seen"))
    with connection.cursor() as cursor:
        rows.write(cursor, {("ann",): Seen("ann", "a"), ("bob",): Seen("bob", "b")})
        rows.write(cursor, {("bob",): Seen("bob", "c")})
    assert connection.execute("SELECT id, what FROM seen ORDER BY id").fetchall() == [(1, "a"), (2, "c")]


def test_a_version_of_a_view_has_its_own_table(connection: Connection) -> None:
    first = create(connection, view_of(Seen, "CREATE TABLE seen (who text PRIMARY KEY, what text)", "who", name="seen"))
    second = create(
        connection, view_of(Seen, "CREATE TABLE seen (who text PRIMARY KEY, what text)", "who", name="seen", version=2)
    )
    with connection.cursor() as cursor:
        first.write(cursor, {("ann",): Seen("ann", "a")})
        assert second.read(cursor, [("ann",)]) == {}
    assert connection.execute("SELECT count(*) FROM seen_v1.seen").fetchone() == (1,)


def test_a_row_under_another_key_than_its_own_is_refused(connection: Connection, items: ViewRows) -> None:
    with (
        connection.cursor() as cursor,
        pytest.raises(MovedRow, match=r"view items: evolve gave the key \('a', 1\) the row of \('a', 2\)"),
    ):
        items.write(cursor, {("a", 1): BLANK})
