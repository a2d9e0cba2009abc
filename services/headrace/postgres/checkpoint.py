"""Checkpoints: where a projector stands, advanced in the transaction that writes its rows, by its owner only."""

from collections.abc import Iterable
from typing import Any, Final

import psycopg
from msgspec import Struct

from headrace.kafka.consumer import Place
from headrace.kernel.errors import Fault

CREATE: Final = """
    INSERT INTO headrace.checkpoints (projector, topic, partition, next_offset, owner)
    VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT DO NOTHING"""

READ: Final = """
    SELECT topic, partition, next_offset FROM headrace.checkpoints WHERE projector = %s"""

# Whoever finds another offset than it left is not the owner any more: no row is updated, nothing is written.
ADVANCE: Final = """
    UPDATE headrace.checkpoints
    SET next_offset = %s, command_offset = greatest(command_offset, %s), log_time = to_timestamp(%s / 1000.0),
        owner = %s, advanced_at = clock_timestamp()
    WHERE projector = %s AND topic = %s AND partition = %s AND next_offset = %s"""


class Superseded(Fault):
    """Another process has applied these events: this one no longer owns the partition."""


class Step(Struct, frozen=True, order=True):
    """One partition's advance: from the offset that was next to the one that is next now, and what was applied last."""

    topic: str
    partition: int
    before: int
    after: int
    command_offset: int
    log_time: int


def positions(
    connection: psycopg.Connection[Any], projector: str, owner: str, starts: dict[Place, int]
) -> dict[Place, int]:
    """The next offset of each partition; a partition that was never read begins at its `starts` offset."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(CREATE, [(projector, *place, start, owner) for place, start in sorted(starts.items())])
        rows = cursor.execute(READ, [projector]).fetchall()
    found = {(topic, partition): offset for topic, partition, offset in rows}
    return {place: found[place] for place in starts}


def advance(cursor: psycopg.Cursor[Any], projector: str, owner: str, steps: Iterable[Step]) -> None:
    """Move the checkpoints, in sorted order, as the transaction's first statements; `Superseded` if one has moved."""
    ordered = sorted(steps)
    cursor.executemany(
        ADVANCE,
        [(s.after, s.command_offset, s.log_time, owner, projector, s.topic, s.partition, s.before) for s in ordered],
    )
    if cursor.rowcount != len(ordered):
        raise Superseded(f"{projector}: another process has advanced a checkpoint of this one's partitions")
