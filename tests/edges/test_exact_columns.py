"""Columns give back what they were given, or refuse it: a view's rows do not depend on when they were read again."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any

import psycopg
import pytest
from msgspec import Struct

from edges.test_rows import create, view_of
from headrace.kernel.errors import Misconfigured
from headrace.postgres.connection import connect
from headrace.postgres.rows import ViewRows
from headrace.settings import Settings

pytestmark = pytest.mark.edge

Connection = psycopg.Connection[tuple[Any, ...]]
NOON = datetime(2010, 12, 1, 12, tzinfo=UTC)
TYPES = """
    CREATE TYPE colour AS ENUM ('red', 'green');
    CREATE DOMAIN label AS varchar(3);
    CREATE DOMAIN shorter AS label CHECK (VALUE <> 'no');
"""


class Colour(StrEnum):
    RED = "red"


class Rank(IntEnum):
    FIRST = 1


class Pot(Struct, frozen=True):
    name: Any
    what: Any = None


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with connect(Settings(DATABASE_URL=database), "test") as connection:  # type: ignore[call-arg]
        yield connection


def pots(connection: Connection, kind: str, key: str = "text") -> ViewRows:
    """Pots of whatever a column of that type takes."""
    ddl = f"{TYPES} CREATE TABLE pots (name {key} PRIMARY KEY, what {kind})"
    return create(connection, view_of(Pot, ddl, "name", name="pots"))


def given_back(connection: Connection, rows: ViewRows, *several: Pot) -> list[Any]:
    """Written, and read again."""
    with connection.cursor() as cursor:
        rows.write(cursor, {(row.name,): row for row in several})
        found = rows.read(cursor, [(row.name,) for row in several])
    return [found[row.name,].what for row in several]


@pytest.mark.parametrize("kind", ["varchar(3)", "label", "shorter"])
def test_a_text_that_is_too_long_is_refused_as_an_insert_would_refuse_it(
    connection: Connection,
    kind: str,
) -> None:
    rows = pots(connection, kind)
    assert given_back(connection, rows, Pot("a", "abc"), Pot("b", "äöü"), Pot("c")) == ["abc", "äöü", None]
    with pytest.raises(psycopg.errors.StringDataRightTruncation):
        given_back(connection, rows, Pot("a", "abcd"))


def test_keys_that_are_too_long_are_not_cut_to_the_same_one(connection: Connection) -> None:
    rows = pots(connection, "text", key="varchar(3)")
    given_back(connection, rows, Pot("abc", "the one"))
    with connection.cursor() as cursor:
        assert rows.read(cursor, [("abcd",)]) == {}
        rows.write(cursor, {("abcd",): None})
        assert list(rows.read(cursor, [("abc",)])) == [("abc",)]
        with pytest.raises(psycopg.errors.StringDataRightTruncation):
            rows.write(cursor, {("abcd",): Pot("abcd"), ("abce",): Pot("abce")})


@pytest.mark.parametrize(
    ("kind", "value", "held"),
    [
        ("numeric(12,2)", Decimal("1.005"), Decimal("1.01")),
        ("numeric(12,2)", Decimal("-1.005"), Decimal("-1.01")),
        ("numeric(40,1)", Decimal(10**38) + Decimal("0.05"), Decimal(10**38) + Decimal("0.1")),
        ("numeric(3,-2)", Decimal(1250), Decimal(1300)),
        ("numeric", 5, Decimal(5)),
        ("numeric", Decimal("NaN"), Decimal("NaN")),
        ("double precision", 5, 5.0),
        ("varchar(3)", "ab   ", "ab "),
        ("colour", "red", "red"),
        ("date", date(2010, 12, 1), date(2010, 12, 1)),
        ("timestamp", NOON.replace(tzinfo=None), NOON.replace(tzinfo=None)),
        ("interval", timedelta(days=-1, seconds=1), timedelta(days=-1, seconds=1)),
        ("boolean", False, False),
        ("bigint", None, None),
    ],
    ids=repr,
)
def test_what_a_column_gives_back_is_known_before_it_is_written(
    connection: Connection,
    kind: str,
    value: Any,
    held: Any,
) -> None:
    rows = pots(connection, kind)
    [found] = given_back(connection, rows, Pot("a", value))
    expected = rows.as_held(Pot("a", value)).what if rows.as_held else value
    assert repr((found, expected)) == repr((held, held)) or (found, expected) == (held, held)
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", 5),
        ("text", b"a"),
        ("varchar(9)", 5),
        ("bigint", "5"),
        ("bigint", True),
        ("bigint", 5.0),
        ("numeric", 0.1),
        ("numeric(12,2)", "1.5"),
        ("double precision", Decimal("0.1")),
        ("boolean", 1),
        ("date", NOON),
        ("uuid", "e7a7a4f4-7bfb-4b3b-8f3f-5d9a6a7a8a11"),
        ("timestamptz", NOON.replace(tzinfo=None)),
        ("timestamptz", NOON.replace(tzinfo=timezone(timedelta(hours=1)))),
        ("timestamp", NOON),
        ("colour", 1),
        ("colour", Colour.RED),
        ("text", Colour.RED),
        ("bigint", Rank.FIRST),
        ("numeric", Rank.FIRST),
        ("double precision", Rank.FIRST),
    ],
    ids=repr,
)
def test_a_value_that_would_come_back_as_another_is_refused(connection: Connection, kind: str, value: Any) -> None:
    rows = pots(connection, kind)
    with pytest.raises(TypeError, match="column what takes "):
        given_back(connection, rows, Pot("a", value))
    assert connection.execute("SELECT count(*) FROM pots").fetchone() == (0,)


@pytest.mark.parametrize("kind", ["real", "char(3)", "timestamptz(0)", "interval day", "text[]", "jsonb", "name"])
def test_a_column_that_gives_back_less_or_something_else_is_refused(connection: Connection, kind: str) -> None:
    with pytest.raises(Misconfigured, match=r"view pots: column what is .*, which does not give back all that it is"):
        pots(connection, kind)
