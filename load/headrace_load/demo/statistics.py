"""What the shop's owner asks for at the end of the day: the view of the plain name, which adds the partitions up."""

from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

MONEY: Final = ("revenue", "refunds_owed", "average_basket")

DAYS: Final = """
    SELECT business_date::text AS day, currency, created, paid, shipped, delivered, cancelled,
           revenue::bigint AS revenue, refunds_owed::bigint AS refunds_owed, average_basket
    FROM order_statistics ORDER BY business_date, currency"""


def read_days(database_url: str) -> tuple[dict[str, Any], ...]:
    """Each day and currency that the shop had orders in; money in minor units."""
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        return tuple(connection.execute(DAYS).fetchall())
