"""The tables, read in one snapshot."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Self, cast

import psycopg
from psycopg import sql

from headrace_load.verify.audited import Kept
from headrace_load.verify.records import Checkpoint, Held, Place, Row
from headrace_load.verify.report import CannotVerify

CONNECT_TIMEOUT_S: Final = 10
ROWS_AT_ONCE: Final = 5_000
OPTIONS: Final = (
    "-c timezone=UTC -c default_transaction_read_only=on -c default_transaction_isolation=repeatable\\ read"
)

CHECKPOINTS: Final = """
    SELECT projector, partition, next_offset, command_offset FROM headrace.checkpoints WHERE topic = %s"""

JOURNAL: Final = """
    SELECT "offset", aggregate_id, version, record_type, (date_part('epoch', logged_at) * 1000)::bigint, record
    FROM headrace.journal WHERE topic = %s AND partition = %s ORDER BY "offset" """

HISTORY: Final = """
    SELECT aggregate_id, "offset", record FROM headrace.journal WHERE topic = %s AND aggregate_id = ANY(%s)
    ORDER BY aggregate_id, version"""

HELD: Final = """
    SELECT projector, "offset", aggregate_id, (date_part('epoch', logged_at) * 1000)::bigint, record
    FROM headrace.parked WHERE topic = %s AND partition = %s ORDER BY "offset" """

NOT_APPLIED: Final = """
    SELECT aggregate_id, "offset" FROM headrace.parked WHERE topic = %(topic)s AND projector = %(projector)s
    UNION
    SELECT aggregate_id, "offset" FROM headrace.released
    WHERE topic = %(topic)s AND projector = %(projector)s AND how = 'discarded'"""

AUDIT: Final = """
    SELECT "offset", (date_part('epoch', logged_at) * 1000)::bigint, (date_part('epoch', asked_at) * 1000)::bigint,
           actor, command_type, aggregate_id, command_id, command_offset, correlation_id, causation_id, result, code,
           message, version, events, repeated, body_hash
    FROM headrace.audit WHERE topic = %s AND partition = %s ORDER BY "offset" """

STRAYS: Final = """
    SELECT partition, count(*) FROM {} WHERE topic = %s AND (partition < 0 OR partition >= %s)
    GROUP BY partition ORDER BY partition"""


class Database:
    """A connection to the database that only reads, and sees one moment of it: its own, or that of a `snapshot`."""

    def __init__(self, url: str, snapshot: str = "") -> None:
        try:
            self._connection = psycopg.connect(
                url, connect_timeout=CONNECT_TIMEOUT_S, application_name="headrace verify", options=OPTIONS
            )
        except psycopg.Error as error:
            where = _address(url)
            why = " ".join(str(error).split())
            raise CannotVerify(f"no Postgres at {where} lets us in ({why}): is it up, is the address right?") from error
        if snapshot:
            self._connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(snapshot))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def has_rows(self, table: str) -> bool:
        """Whether a table exists and is not empty."""
        query = sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(*table.split(".")))
        return self._exists(table) and self._connection.execute(query).fetchone() is not None

    def has_audited(self, topic: str) -> bool:
        """Whether the audit holds anything of a topic."""
        query = "SELECT 1 FROM headrace.audit WHERE topic = %s LIMIT 1"
        return self._exists("headrace.audit") and self._connection.execute(query, [topic]).fetchone() is not None

    def _exists(self, table: str) -> bool:
        return self._connection.execute("SELECT to_regclass(%s)", [table]).fetchone() != (None,)

    def require(self, *tables: str) -> None:
        """Raise `CannotVerify` unless these tables exist."""
        names = list(tables)
        found = self._connection.execute("SELECT t FROM unnest(%s::text[]) t WHERE to_regclass(t) IS NULL", [names])
        if missing := ", ".join(name for (name,) in found):
            raise CannotVerify(f"no table {missing} in the database: run `headrace migrate`")

    def snapshot(self) -> str:
        """The moment that this connection sees, for others to see the same while it is open."""
        (name,) = self._connection.execute("SELECT pg_export_snapshot()").fetchone() or ("",)
        return str(name)

    def checkpoints(self, topic: str) -> dict[int, dict[str, Checkpoint]]:
        """The checkpoints of a topic, by partition and projector."""
        found: dict[int, dict[str, Checkpoint]] = {}
        for projector, partition, *position in self._connection.execute(CHECKPOINTS, [topic]):
            found.setdefault(partition, {})[projector] = Checkpoint(*position)
        return found

    def journal(self, topic: str, partition: int) -> Iterator[Row]:
        """The journal of a partition in offset order."""
        return map(Row._make, self._stream(JOURNAL, [topic, partition]))

    def audit(self, topic: str, partition: int) -> Iterator[Kept]:
        """The audit of a partition of outcomes, in offset order."""
        return map(Kept._make, self._stream(AUDIT, [topic, partition]))

    def strays(self, table: str, topic: str, partitions: int) -> list[tuple[int, int]]:
        """Partition numbers that the topic does not have, with how many rows a table holds under each."""
        query = sql.SQL(STRAYS).format(sql.Identifier(*table.split(".")))
        return cast("list[tuple[int, int]]", self._connection.execute(query, [topic, partitions]).fetchall())

    def held(self, topic: str, partition: int) -> dict[str, list[Held]]:
        """What projectors hold back of a partition, by projector, in offset order."""
        found: dict[str, list[Held]] = {}
        for projector, *event in self._connection.execute(HELD, [topic, partition]):
            found.setdefault(projector, []).append(Held(*event))
        return found

    def not_applied(self, topic: str, projector: str) -> set[Place]:
        """Aggregate id and offset of the events that a projector holds back or was told to give up."""
        places = {"topic": topic, "projector": projector}
        return set(self._connection.execute(NOT_APPLIED, places).fetchall())

    def history(self, topic: str, aggregate_ids: Sequence[str]) -> Iterator[tuple[str, int, bytes]]:
        """Aggregate id, offset and record of all events of some aggregates, each in order of version."""
        return self._stream(HISTORY, [topic, list(aggregate_ids)])

    def table(self, name: str, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """A table's rows; times come as milliseconds since 1970."""
        query = sql.SQL("SELECT {} FROM {}").format(
            sql.SQL(", ").join(map(_column, columns)), sql.Identifier(*name.split("."))
        )
        return self._stream(query, [])

    def _stream(self, query: Any, parameters: list[Any]) -> Iterator[Any]:
        with self._connection.cursor("verify", binary=True) as cursor:
            cursor.itersize = ROWS_AT_ONCE
            cursor.execute(query, parameters)
            yield from cursor


def _column(name: str) -> sql.Composable:
    column = sql.Identifier(name)
    if name.endswith("_at"):
        return sql.SQL("(date_part('epoch', {}) * 1000)::bigint").format(column)
    return column


def _address(url: str) -> str:
    """Host and port, without what else the address may hold."""
    try:
        parts = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return "that address"
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}"
