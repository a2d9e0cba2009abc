"""Tables that only grow, with a hash chain per partition: its head moves in the transaction of the rows."""

from collections.abc import Iterable
from typing import Any, Final

import psycopg
from msgspec import Struct
from psycopg import sql

from headrace.audit.chain import Content, Head, beginning, link
from headrace.kafka.records import Place
from headrace.postgres.columns import copied

HEADS: Final = """
    SELECT topic, partition, starts_at, unchained, length, last_offset, head FROM headrace.chains
    JOIN unnest(%b::text[], %b::int8[]) AS wanted (topic, partition) USING (topic, partition)"""

MOVE: Final = """
    INSERT INTO headrace.chains (topic, partition, length, last_offset, head)
    SELECT * FROM unnest(%b::text[], %b::int8[], %b::int8[], %b::int8[], %b::bytea[])
    ON CONFLICT (topic, partition) DO UPDATE
    SET length = excluded.length, last_offset = excluded.last_offset, head = excluded.head"""

TIME: Final = "timestamptz"
# Postgres counts its microseconds from 2000 on, and takes them as the number that they are.
SINCE_2000_US: Final = 946_684_800_000_000
SINCE_1970: Final = "CASE WHEN isfinite({0}) THEN (extract(epoch FROM {0}) * 1000000)::bigint END"
"""A time as the hashes cover it; null for one that no clock tells."""


class Chained(Struct, frozen=True):
    """A table whose rows are chained, with the columns that the hashes cover, in their order, and their types."""

    name: str
    columns: dict[str, str]

    @property
    def times(self) -> list[int]:
        """The places of the columns that hold a time."""
        return [place for place, kind in enumerate(self.columns.values()) if kind == TIME]

    @property
    def copy_from(self) -> sql.Composed:
        """What appends rows."""
        names = sql.SQL(", ").join(map(sql.Identifier, (*self.columns, "link", "hash")))
        return sql.SQL("COPY headrace.{} ({}) FROM STDIN WITH (FORMAT binary)").format(sql.Identifier(self.name), names)


JOURNAL_TABLE: Final = Chained(
    "journal",
    {
        "topic": "text",
        "partition": "int4",
        "offset": "int8",
        "logged_at": TIME,
        "aggregate_id": "text",
        "version": "int8",
        "record_type": "text",
        "record": "bytea",
    },
)
AUDIT_TABLE: Final = Chained(
    "audit",
    {
        "topic": "text",
        "partition": "int4",
        "offset": "int8",
        "logged_at": TIME,
        "asked_at": TIME,
        "actor": "text",
        "command_type": "text",
        "aggregate_id": "text",
        "command_id": "text",
        "command_offset": "int8",
        "correlation_id": "text",
        "causation_id": "text",
        "result": "text",
        "code": "text",
        "message": "text",
        "version": "int8",
        "events": "int4",
        "repeated": "bool",
        "body_hash": "bytea",
    },
)


def heads(cursor: psycopg.Cursor[Any], places: Iterable[Place]) -> dict[Place, Head]:
    """Where the chains of these partitions stand; those without rows at their beginning."""
    wanted = sorted(places)
    found = {place: beginning(*place) for place in wanted}
    cursor.execute(HEADS, [[topic for topic, _ in wanted], [number for _, number in wanted]])
    for topic, partition, starts_at, unchained, length, offset, head in cursor.fetchall():
        found[topic, partition] = head_of(topic, partition, starts_at, unchained, length, offset, head)
    return found


def head_of(
    topic: str, partition: int, starts_at: int, unchained: int, length: int, offset: int, head: bytes | None
) -> Head:
    """A chain's head as its row says it; without a hash, the beginning's."""
    if head is None:
        return beginning(topic, partition, starts_at, unchained)
    return Head(starts_at, unchained, length, offset, head)


def append(cursor: psycopg.Cursor[Any], table: Chained, contents: list[Content], *, by_python: bool = False) -> int:
    """Append rows, each linked to the one before it in its partition, and move the heads; returns how many.

    Nobody else may append to these partitions meanwhile: the caller's transaction has advanced their checkpoints.
    """
    found = heads(cursor, {(content[0], content[1]) for content in contents})
    reached = {place: (head.length, head.offset, head.hash) for place, head in found.items()}
    rows = []
    for content in contents:
        place = (content[0], content[1])
        length, _, before = reached[place]
        number, after = length + 1, link(before, length + 1, content)
        reached[place] = number, content[2], after
        rows.append((*content, number, after))
    _copy(cursor, table, rows, by_python=by_python)
    if reached:
        cursor.execute(MOVE, [list(column) for column in zip(*((*p, *r) for p, r in reached.items()), strict=True)])
    return len(contents)


def _copy(cursor: psycopg.Cursor[Any], table: Chained, rows: list[Any], *, by_python: bool) -> None:
    """Send the rows, all at once where that is compiled."""
    kinds = [*table.columns.values(), "int8", "bytea"]
    data = copied(rows, kinds, by_python=by_python)
    with cursor.copy(table.copy_from) as copy:
        if data is not None:
            copy.write(data)
            return
        copy.set_types(["int8" if kind == TIME else kind for kind in kinds])
        times = table.times
        for each in rows:
            row = [*each]
            for time in times:
                row[time] -= SINCE_2000_US
            copy.write_row(row)
