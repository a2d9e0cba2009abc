"""Signed checkpoints in the database: of the chains as they stand, unless what was signed before is no longer so."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC
from typing import Any, Final

import psycopg
from msgspec import structs
from psycopg import sql

from headrace.audit.chain import Head
from headrace.audit.signing import Checkpoint, Signer
from headrace.kafka.records import Place
from headrace.kernel.errors import Fault
from headrace.postgres.chained import AUDIT_TABLE, JOURNAL_TABLE, Chained, heads

EVENTS: Final = ".events"
OUTCOMES: Final = ".outcomes"

EVERY: Final = "SELECT topic, partition FROM headrace.chains"

STORE: Final = """
    INSERT INTO headrace.audit_checkpoints
        (topic, partition, starts_at, unchained, length, last_offset, head, made_at, key_id, signature)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"""

STORED: Final = """
    SELECT topic, partition, starts_at, unchained, length, last_offset, encode(head, 'hex'), made_at, key_id, signature
    FROM headrace.audit_checkpoints ORDER BY topic, partition, length, made_at"""

NEWEST: Final = """
    SELECT topic, partition, starts_at, unchained, length, last_offset, encode(head, 'hex'), made_at, key_id, signature
    FROM unnest(%b::text[], %b::int8[]) AS wanted (of_topic, of_partition), LATERAL (
        SELECT * FROM headrace.audit_checkpoints
        WHERE topic = of_topic AND partition = of_partition AND key_id = %b ORDER BY length DESC, made_at DESC LIMIT 1
    ) AS newest"""

ROW: Final = 'SELECT link, hash FROM headrace.{} WHERE topic = %s AND partition = %s AND "offset" = %s'


class Rewritten(Fault):
    """What was signed of a chain is no longer so."""


def table_of(topic: str) -> Chained:
    """The table whose rows of a topic are chained."""
    return AUDIT_TABLE if topic.endswith(OUTCOMES) else JOURNAL_TABLE


def stored(connection: psycopg.Connection[Any]) -> Iterator[Checkpoint]:
    """All checkpoints, by chain and length."""
    return map(_of_row, connection.execute(STORED))


def sign(
    connection: psycopg.Connection[Any],
    signer: Signer,
    places: Iterable[Place] | None = None,
    known: Mapping[Place, Checkpoint] | None = None,
) -> list[Checkpoint]:
    """Sign where the chains of some partitions stand, or all, and store it; returns what is signed now.

    `known` is what the signer has signed last, which the database may have lost. `Rewritten` when that, or a head
    itself, is not what the rows say: whoever forges is not helped by a signature.
    """
    with connection.transaction(), connection.cursor() as cursor:
        wanted = list(places if places is not None else cursor.execute(EVERY))
        if not wanted:
            return []
        found = heads(cursor, wanted)
        columns = [[topic for topic, _ in found], [number for _, number in found]]
        last = {it.place: it for it in map(_of_row, cursor.execute(NEWEST, [*columns, signer.key_id]))}
        last |= known or {}
        for place, head in found.items():
            if said := last.get(place):
                signed = f"what was signed at {said.made_at:%Y-%m-%d %H:%M:%S}"
                _refuse_rewritten(cursor, place, said.chain, head, signed)
            _refuse_rewritten(cursor, place, head, head, "its head")
        made = signer.sign(found)
        cursor.executemany(STORE, [_as_row(checkpoint) for checkpoint in made])
    return made


def _refuse_rewritten(cursor: psycopg.Cursor[Any], place: Place, said: Head, now: Head, source: str) -> None:
    if not said.length:
        return
    row = cursor.execute(sql.SQL(ROW).format(sql.Identifier(table_of(place[0]).name)), [*place, said.offset]).fetchone()
    begins = (said.starts_at, said.unchained) == (now.starts_at, now.unchained)
    if row != (said.length, said.hash) or not begins:
        raise Rewritten(
            f"{place[0]}[{place[1]}]: {source} is not what its row at offset {said.offset} says: nothing is signed; "
            f"`headrace audit verify` tells what was forged"
        )


def _of_row(row: tuple[Any, ...]) -> Checkpoint:
    checkpoint = Checkpoint(*row)
    # The very text that was signed names UTC by its letter.
    return structs.replace(checkpoint, made_at=checkpoint.made_at.astimezone(UTC))


def _as_row(checkpoint: Checkpoint) -> tuple[Any, ...]:
    values = structs.asdict(checkpoint)
    return tuple((values | {"head": bytes.fromhex(checkpoint.head)}).values())
