"""Checkpoints: where a projector stands, advanced in the transaction that writes its rows, by its owner only."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import psycopg
from msgspec import Struct

from headrace.kafka.records import Place
from headrace.kernel.errors import Fault, Misconfigured

CREATE: Final = """
    INSERT INTO headrace.checkpoints (projector, topic, partition, next_offset, owner, cluster_id, topic_id)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT DO NOTHING"""

# Checkpoints older than the columns take the ids of the topic that they are first seen with.
ADOPT: Final = """
    UPDATE headrace.checkpoints SET cluster_id = %s, topic_id = %s
    WHERE projector = %s AND topic = %s AND partition = %s AND cluster_id IS NULL"""

READ: Final = """
    SELECT topic, partition, next_offset, cluster_id, topic_id FROM headrace.checkpoints WHERE projector = %s"""

# Whoever finds another offset than it left is not the owner any more: no row is updated, nothing is written.
ADVANCE: Final = """
    UPDATE headrace.checkpoints
    SET next_offset = %s, command_offset = greatest(command_offset, %s),
        log_time = coalesce(to_timestamp(nullif(%s, 0) / 1000.0), log_time), owner = %s, advanced_at = clock_timestamp()
    WHERE projector = %s AND topic = %s AND partition = %s AND next_offset = %s"""

# The lock waits for a transaction that a lost connection may have left behind, so that its outcome is settled.
LOCK: Final = """
    SELECT next_offset FROM headrace.checkpoints WHERE projector = %s AND topic = %s AND partition = %s FOR UPDATE"""


REACH: Final = """
    UPDATE headrace.checkpoints SET command_offset = greatest(command_offset, %s)
    WHERE projector = %s AND topic = %s AND partition = %s"""


class Superseded(Fault):
    """Another process has applied these events: this one no longer owns the partition."""


class Step(Struct, frozen=True, order=True):
    """One partition's advance: from the offset that was next to the one that is next now, and what was applied last.

    Where that was nothing, `command_offset` is -1 and `log_time` 0.
    """

    topic: str
    partition: int
    before: int
    after: int
    command_offset: int
    log_time: int


class Origin(Struct, frozen=True):
    """Which cluster, and which topics of it by name: a topic that is made anew has another id."""

    cluster_id: str
    topic_ids: dict[str, str]


def positions(
    connection: psycopg.Connection[Any], projector: str, owner: str, starts: dict[Place, int], origin: Origin
) -> dict[Place, int]:
    """The next offset of each partition; a partition that was never read begins at its `starts` offset.

    `Misconfigured` when the database was filled from another cluster, or from a topic that is there no more.
    """
    cluster = origin.cluster_id
    with connection.transaction(), connection.cursor() as cursor:
        ids = {place: (cluster, origin.topic_ids[place[0]]) for place in sorted(starts)}
        cursor.executemany(CREATE, [(projector, *place, starts[place], owner, *known) for place, known in ids.items()])
        cursor.executemany(ADOPT, [(*known, projector, *place) for place, known in ids.items()])
        rows = cursor.execute(READ, [projector]).fetchall()
    found = {(topic, partition): (offset, *known) for topic, partition, offset, *known in rows}
    for place in sorted(starts):
        _, *known = found[place]
        _refuse_other_origin(projector, place[0], (known[0], known[1]), ids[place])
    return {place: found[place][0] for place in starts}


def advance(cursor: psycopg.Cursor[Any], projector: str, owner: str, steps: Iterable[Step]) -> None:
    """Move the checkpoints, in sorted order, as the transaction's first statements; `Superseded` if one has moved."""
    ordered = sorted(steps)
    cursor.executemany(
        ADVANCE,
        [(s.after, s.command_offset, s.log_time, owner, projector, s.topic, s.partition, s.before) for s in ordered],
    )
    if cursor.rowcount != len(ordered):
        raise Superseded(f"{projector}: another process has advanced a checkpoint of this one's partitions")


def was_committed(cursor: psycopg.Cursor[Any], projector: str, steps: Iterable[Step]) -> bool:
    """Whether the steps were taken, once no transaction is left that could still take them.

    `Superseded` when the positions are neither those before the steps nor those after them: another process owns the
    partitions, or the database was replaced by an older one.
    """
    ordered = sorted(steps)
    found = [lock(cursor, projector, (s.topic, s.partition)) for s in ordered]
    if found == [s.after for s in ordered]:
        return True
    if found == [s.before for s in ordered]:
        return False
    raise Superseded(f"{projector}: its checkpoints stand where this process has not left them")


def refuse_moved(connection: psycopg.Connection[Any], projector: str, left: Mapping[Place, int]) -> None:
    """`Superseded` unless these partitions' checkpoints stand where this process has left them."""
    with connection.transaction():
        rows = connection.execute(READ, [projector]).fetchall()
    found = {(topic, partition): offset for topic, partition, offset, *_ in rows}
    if any(found.get(place) != offset for place, offset in left.items()):
        raise Superseded(f"{projector}: its checkpoints stand where this process has not left them")


def reach(cursor: psycopg.Cursor[Any], projector: str, place: Place, command_offset: int) -> None:
    """Note that an event of that command is applied, although the checkpoint has passed it long before."""
    cursor.execute(REACH, [command_offset, projector, *place])


def lock(cursor: psycopg.Cursor[Any], projector: str, place: Place) -> int | None:
    """Keep the partition's owner, and everybody else, from advancing until the transaction ends; the next offset."""
    row = cursor.execute(LOCK, [projector, *place]).fetchone()
    return row and row[0]


def _refuse_other_origin(projector: str, topic: str, known: tuple[str, str], now: tuple[str, str]) -> None:
    if known[0] != now[0]:
        raise Misconfigured(
            f"{projector} was filled from Kafka cluster {known[0]}, this one is {now[0]}: is KAFKA_BOOTSTRAP_SERVERS "
            f"right, is DATABASE_URL?"
        )
    if known[1] != now[1]:
        raise Misconfigured(
            f"topic {topic} was made anew since {projector} read it (its id was {known[1]}, now it is {now[1]}): its "
            f"positions mean nothing here; use a database of its own, or fill the view anew"
        )
