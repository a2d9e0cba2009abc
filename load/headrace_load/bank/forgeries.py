"""What somebody can do to the history of a bank, in a database that is his, and whether the audit names each row."""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import psycopg
from msgspec import structs

from headrace.accounts.events import MoneyDeposited
from headrace.audit.chain import Head, beginning, link
from headrace.audit.findings import CHANGED, INSERTED, MOVED, REMOVED, REWRITTEN, Finding
from headrace.audit.tables import Tables
from headrace.avro.codec import Codec
from headrace.kafka.records import Place
from headrace.postgres.chained import JOURNAL_TABLE, Chained
from headrace.settings import Settings

EVENTS: Final = "accounts.events"
UNGUARDED: Final = "SET session_replication_role = replica"
"""Triggers are for others."""
CHANGE: Final = 'UPDATE headrace.journal SET record = %s WHERE topic = %s AND partition = %s AND "offset" = %s'
DELETE: Final = 'DELETE FROM headrace.journal WHERE topic = %s AND partition = %s AND "offset" = %s'
MOVE: Final = 'UPDATE headrace.journal SET "offset" = %s WHERE topic = %s AND partition = %s AND "offset" = %s'
REHASH: Final = 'UPDATE headrace.{} SET link = %s, hash = %s WHERE topic = %s AND partition = %s AND "offset" = %s'


class Planted(NamedTuple):
    """One forgery, and what must name it: findings by kind, offset (None: any) and aggregate id (None: any)."""

    what: str
    place: Place
    expected: tuple[tuple[str, int | None, str | None], ...]

    def is_named(self, findings: list[Finding]) -> bool:
        """Whether each of them was found."""
        here = [it for it in findings if (it.topic, it.partition) == self.place]
        return all(
            any(it.kind == kind and offset in (None, it.offset) and name in (None, it.aggregate_id) for it in here)
            for kind, offset, name in self.expected
        )


class Forger:
    """Changes a database that nobody guards."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection = psycopg.connect(settings.database, autocommit=True)
        self._connection.execute(UNGUARDED)

    def ask(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """The rows that a query finds."""
        return self._connection.execute(query.encode(), parameters).fetchall()

    def do(self, statement: str, *parameters: Any) -> None:
        """Change something; a `LookupError` when nothing was."""
        if not self._connection.execute(statement.encode(), parameters).rowcount:
            raise LookupError(statement)

    def rehash(self, table: Chained, place: Place) -> None:
        """Compute all hashes of a partition anew, and its head."""
        with Tables(self._settings) as tables:
            rows = list(tables.rows(table, place))
        head = beginning(*place)
        anew = []
        for number, row in enumerate(rows, 1):
            head = Head(0, 0, number, row.offset, link(head.hash, number, row.content))
            anew.append((number, head.hash, *place, row.offset))
        with self._connection.pipeline(), self._connection.cursor() as cursor:
            cursor.executemany(REHASH.format(table.name).encode(), anew)
        self.do(
            "UPDATE headrace.chains SET length = %s, last_offset = %s, head = %s WHERE topic = %s AND partition = %s",
            *(head.length, head.offset, head.hash, *place),
        )

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()


def plant(forger: Forger, codec: Codec) -> Iterator[Planted]:
    """Forge five partitions of the journal, each in another way."""
    ways: tuple[Callable[[Forger, Codec, Place], Planted], ...] = (_change, _delete, _swap, _insert, _change_all)
    for partition, way in enumerate(ways):
        yield way(forger, codec, (EVENTS, partition))


def _deposit(forger: Forger, place: Place) -> tuple[int, str, bytes]:
    """Offset, aggregate id and record of a deposit in the middle."""
    [row] = forger.ask(
        'SELECT "offset", aggregate_id, record FROM headrace.journal WHERE topic = %s AND partition = %s '
        "AND record_type = 'MoneyDeposited' ORDER BY \"offset\" OFFSET (SELECT count(*) / 2 FROM headrace.journal "
        "WHERE topic = %s AND partition = %s AND record_type = 'MoneyDeposited') LIMIT 1",
        *(*place, *place),
    )
    return row


def _richer(forger: Forger, codec: Codec, place: Place) -> tuple[int, str]:
    """Make a deposit of another amount; returns its offset, and whose it is."""
    offset, name, record = _deposit(forger, place)
    decoded = codec.decode(record)
    if not isinstance(decoded.body, MoneyDeposited):
        raise TypeError(type(decoded.body))
    richer = structs.replace(decoded.body, amount=decoded.body.amount + 1)
    changed = codec.encode(richer, decoded.meta, decoded.state)
    forger.do(CHANGE, changed, *place, offset)
    return offset, name


def _change(forger: Forger, codec: Codec, place: Place) -> Planted:
    offset, name = _richer(forger, codec, place)
    return Planted("a changed amount", place, ((CHANGED, offset, name),))


def _change_all(forger: Forger, codec: Codec, place: Place) -> Planted:
    _richer(forger, codec, place)
    forger.rehash(JOURNAL_TABLE, place)
    return Planted("a changed amount with all hashes computed anew", place, ((REWRITTEN, None, None),))


def _delete(forger: Forger, _: Codec, place: Place) -> Planted:
    offset, name, _record = _deposit(forger, place)
    forger.do(DELETE, *place, offset)
    return Planted("a deleted row", place, ((REMOVED, None, None), (REMOVED, None, name)))


def _swap(forger: Forger, _: Codec, place: Place) -> Planted:
    rows = forger.ask(
        'SELECT "offset", aggregate_id FROM headrace.journal WHERE topic = %s AND partition = %s '
        'ORDER BY "offset" LIMIT 100',
        *place,
    )
    (one, its), (two, others) = rows[20], rows[80]
    for to, at in ((-1, one), (one, two), (two, -1)):
        forger.do(MOVE, to, *place, at)
    return Planted("two swapped rows", place, ((MOVED, one, others), (MOVED, two, its)))


def _insert(forger: Forger, _: Codec, place: Place) -> Planted:
    """An account that nobody opened, where a transaction's marker lies."""
    [(free,)] = forger.ask(
        'SELECT "offset" + 1 FROM headrace.journal AS one WHERE topic = %s AND partition = %s AND NOT EXISTS ('
        "SELECT FROM headrace.journal AS next WHERE (next.topic, next.partition) = (one.topic, one.partition) "
        'AND next."offset" = one."offset" + 1) ORDER BY "offset" LIMIT 1',
        *place,
    )
    forger.do(
        "INSERT INTO headrace.journal SELECT topic, partition, %s, 'account-forged', 1, record_type, logged_at, "
        "record, copied_at, 0, '' FROM headrace.journal WHERE topic = %s AND partition = %s "
        "AND record_type = 'AccountOpened' LIMIT 1",
        *(free, *place),
    )
    forger.rehash(JOURNAL_TABLE, place)
    return Planted("a forged insert with all hashes computed anew", place, ((INSERTED, free, "account-forged"),))
