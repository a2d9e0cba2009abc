"""What readers see of a day: the partitions' rows added up, and the average basket."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import psycopg
import pytest

from headrace.app import shop
from headrace.orders.statistics import DayRow
from headrace.postgres.connection import connect
from headrace.postgres.schema import migrate
from headrace.settings import Settings

pytestmark = pytest.mark.edge

Connection = psycopg.Connection[tuple[Any, ...]]
DAY = date(2010, 12, 1)


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    settings = Settings(DATABASE_URL=database)  # type: ignore[call-arg]
    migrate(shop, settings)
    with connect(settings, "test") as connection:
        yield connection


def store(connection: Connection, *rows: DayRow) -> None:
    names = DayRow.__struct_fields__
    places = ", ".join(["%s"] * len(names))
    for row in rows:
        connection.execute(
            f"INSERT INTO order_statistics_v1.order_statistics ({', '.join(names)}) VALUES ({places})".encode(),
            [getattr(row, name) for name in names],
        )


def seen(connection: Connection, columns: str) -> list[tuple[Any, ...]]:
    return connection.execute(
        f"SELECT {columns} FROM order_statistics ORDER BY business_date, currency".encode()
    ).fetchall()


def test_a_day_is_one_row_whatever_partitions_its_orders_are_in(connection: Connection) -> None:
    store(
        connection,
        DayRow(0, DAY, "GBP", 5, 4, 3, 2, 1, 3, 300, 100),
        DayRow(7, DAY, "GBP", 1, 1, 0, 0, 0, 1, 50, 0),
        DayRow(7, DAY, "EUR", 1),
    )
    steps = "currency, created, paid, shipped, delivered, cancelled, sold, revenue, refunds_owed"
    assert seen(connection, steps) == [("EUR", 1, 0, 0, 0, 0, 0, 0, 0), ("GBP", 6, 5, 3, 2, 1, 4, 350, 100)]


@pytest.mark.parametrize(
    ("sold", "revenue", "average"),
    [(4, 351, 88), (4, 350, 88), (4, 349, 87), (3, 0, 0), (0, 0, None)],
    ids=["up", "half is up", "down", "nothing", "none sold"],
)
def test_the_average_basket_is_rounded_to_whole_minor_units(
    connection: Connection, sold: int, revenue: int, average: int | None
) -> None:
    store(connection, DayRow(0, DAY, "GBP", 9, sold=sold, revenue=revenue), DayRow(1, DAY, "GBP", 1))
    assert seen(connection, "average_basket") == [(average,)]


def test_sums_of_more_than_64_bits_are_exact(connection: Connection) -> None:
    largest = 2**63 - 1
    store(connection, *(DayRow(number, DAY, "GBP", sold=2**20, revenue=largest) for number in range(3)))
    [(revenue, average)] = seen(connection, "revenue, average_basket")
    assert (revenue, average) == (3 * largest, (largest + 2**19) // 2**20)
