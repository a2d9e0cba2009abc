"""Forgers: what somebody can do to the tables of a database that is his."""

from typing import Any

import psycopg

from headrace.audit.chain import Head, beginning, link
from headrace.audit.tables import Tables
from headrace.kafka.consumer import Place
from headrace.postgres.chained import Chained
from headrace.settings import Settings

UNGUARDED = "SET session_replication_role = replica"  # triggers are for others


class Forger:
    """Changes a database that nobody guards."""

    def __init__(self, url: str) -> None:
        self._settings = Settings(DATABASE_URL=url)  # type: ignore[call-arg]
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute(UNGUARDED)

    def ask(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(query.encode(), parameters).fetchall()

    def do(self, statement: str, *parameters: Any) -> None:
        assert self._connection.execute(statement.encode(), parameters).rowcount

    def rehash(self, table: Chained, place: Place) -> None:
        """Compute all hashes of a partition anew, and its head."""
        with Tables(self._settings) as tables:
            rows = list(tables.rows(table, place))
        head = beginning(*place)
        for number, row in enumerate(rows, 1):
            head = Head(0, 0, number, row.offset, link(head.hash, number, row.content))
            self.do(
                f"UPDATE headrace.{table.name} SET link = %s, hash = %s "
                'WHERE topic = %s AND partition = %s AND "offset" = %s',
                *(number, head.hash, *place, row.offset),
            )
        self.do(
            "UPDATE headrace.chains SET length = %s, last_offset = %s, head = %s WHERE topic = %s AND partition = %s",
            *(head.length, head.offset, head.hash, *place),
        )

    def close(self) -> None:
        self._connection.close()
