"""The chained tables as whoever checks them reads them: journal, audit and their chains, at one moment."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Self

from psycopg import IsolationLevel, sql

from headrace.audit.chain import Head
from headrace.audit.findings import Row
from headrace.kafka.records import Place
from headrace.postgres.chained import SINCE_1970, Chained, head_of
from headrace.postgres.connection import connect
from headrace.postgres.schema import refuse_unmigrated
from headrace.settings import Settings

ROWS_AT_ONCE: Final = 5_000

CHAINS: Final = "SELECT topic, partition, starts_at, unchained, length, last_offset, head FROM headrace.chains"

# From one partition to the next in the index, instead of through all rows.
PLACES: Final = """
    WITH RECURSIVE place AS (
        (SELECT topic, partition FROM headrace.{table} ORDER BY topic, partition LIMIT 1)
        UNION ALL
        SELECT following.* FROM place, LATERAL (
            SELECT topic, partition FROM headrace.{table}
            WHERE (topic, partition) > (place.topic, place.partition) ORDER BY topic, partition LIMIT 1
        ) AS following
    )
    SELECT topic, partition FROM place"""

ROWS: Final = """
    SELECT "offset", aggregate_id, version, link, hash, {columns} FROM headrace.{table}
    WHERE topic = %s AND partition = %s ORDER BY "offset" """

NAMES: Final = """
    SELECT "offset", aggregate_id, version FROM headrace.{table}
    WHERE topic = %s AND partition = %s AND "offset" = ANY(%s)"""

LAST: Final = """
    SELECT link, "offset", hash FROM headrace.{table} WHERE topic = %s AND partition = %s AND hash IS NOT NULL
    ORDER BY "offset" DESC LIMIT 1"""


class Tables:
    """A connection that only reads, and sees one moment."""

    def __init__(self, settings: Settings) -> None:
        with connect(settings, "headrace audit") as first:
            refuse_unmigrated(first, ())
        self.connection = connect(settings, "headrace audit")
        self.connection.isolation_level = IsolationLevel.REPEATABLE_READ
        self.connection.read_only = True
        # A large table takes its time, and nobody waits for a lock of ours.
        self.connection.execute("SET LOCAL statement_timeout = 0")
        self.connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        # All is compared with all: without statistics, as just after a fill, a planner takes tables for small, and
        # goes through one of them for each row of another.
        self.connection.execute("SET LOCAL enable_nestloop = off")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def chains(self) -> dict[Place, Head]:
        """Where each chain stands."""
        rows = self.connection.execute(CHAINS).fetchall()
        return {(topic, partition): head_of(topic, partition, *head) for topic, partition, *head in rows}

    def places(self, table: Chained) -> list[Place]:
        """The partitions that have rows."""
        query = sql.SQL(PLACES).format(table=sql.Identifier(table.name))
        return [(topic, partition) for topic, partition in self.connection.execute(query).fetchall()]

    def rows(self, table: Chained, place: Place) -> Iterator[Row]:
        """A partition's rows, in offset order."""
        columns = sql.SQL(", ").join(
            sql.SQL(SINCE_1970 if at in table.times else "{0}").format(sql.Identifier(name))
            for at, name in enumerate(table.columns)
        )
        query = sql.SQL(ROWS).format(columns=columns, table=sql.Identifier(table.name))
        with self.connection.cursor("rows", binary=True) as cursor:
            cursor.itersize = ROWS_AT_ONCE
            cursor.execute(query, place)
            for offset, aggregate_id, version, number, digest, *content in cursor:
                yield Row(offset, aggregate_id, version, number, digest, tuple(content))

    def names(self, table: Chained, place: Place, offsets: list[int]) -> dict[int, tuple[str, int]]:
        """The aggregate's id and version of rows, by their offsets."""
        query = sql.SQL(NAMES).format(table=sql.Identifier(table.name))
        rows = self.connection.execute(query, [*place, offsets]).fetchall()
        return {offset: (aggregate_id, version) for offset, aggregate_id, version in rows}

    def last(self, table: Chained, place: Place) -> tuple[int, int, bytes] | None:
        """Number, offset and hash of a partition's last chained row."""
        row = self.connection.execute(sql.SQL(LAST).format(table=sql.Identifier(table.name)), place).fetchone()
        return None if row is None else (row[0], row[1], row[2])

    def ask(self, query: str, parameters: Any = ()) -> Sequence[tuple[Any, ...]]:
        """What the database answers."""
        return self.connection.execute(query.encode(), parameters).fetchall()
