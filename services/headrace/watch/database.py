"""What Postgres says of itself and of the database."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Timer
from typing import Any, Final

import psycopg
from msgspec import Struct

# A role without pg_monitor sees no state of others' sessions and no positions of standbys.
SESSIONS: Final = """
    SELECT coalesce(state, 'unknown'), count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' GROUP BY 1"""

DATABASE: Final = """
    SELECT pg_database_size(datid), xact_commit, xact_rollback, blks_hit, blks_read, deadlocks,
           current_setting('max_connections')::int,
           (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8
            FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid())
    FROM pg_stat_database WHERE datname = current_database()"""

TABLES: Final = """
    SELECT schemaname || '.' || relname, pg_total_relation_size(relid)
    FROM pg_stat_user_tables WHERE schemaname = ANY(%s) ORDER BY 1"""

STANDBYS: Final = """
    SELECT coalesce(nullif(application_name, ''), client_addr::text, 'unknown'),
           max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn))::float8
    FROM pg_stat_replication WHERE NOT pg_is_in_recovery() AND replay_lsn IS NOT NULL GROUP BY 1"""


class DatabaseState(Struct, frozen=True):
    """Sizes in bytes, counts since the statistics were reset, the age of the oldest transaction in seconds.

    `sessions` are counted by state, `tables` are sizes by name, `standbys` say how many bytes each has not replayed.
    """

    size: int
    committed: int
    rolled_back: int
    cached: int
    read: int
    deadlocks: int
    most_connections: int
    oldest_s: float
    sessions: dict[str, int]
    tables: dict[str, int]
    standbys: dict[str, float]


def read_database(connection: psycopg.Connection[Any], schemas: list[str]) -> DatabaseState:
    """The state of the database, with the tables of these schemas; `psycopg.Error` without an answer."""
    [(size, committed, rolled_back, cached, read, deadlocks, most, oldest_s)] = connection.execute(DATABASE).fetchall()
    sessions, standbys = (dict(connection.execute(query).fetchall()) for query in (SESSIONS, STANDBYS))
    tables = dict(connection.execute(TABLES, [schemas]).fetchall())
    return DatabaseState(
        size, committed, rolled_back, cached, read, deadlocks, most, oldest_s, sessions, tables, standbys
    )


@contextmanager
def answered_within(connection: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
    """Hang up after so long: a server that is frozen keeps the connection, and no timeout of its own ends a statement.

    Whoever waits for an answer then gets a `psycopg.Error`.
    """
    with socket.socket(fileno=os.dup(connection.fileno())) as wire:
        timer = Timer(seconds, _hang_up, [wire])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _hang_up(wire: socket.socket) -> None:
    with suppress(OSError):  # the other side has
        wire.shutdown(socket.SHUT_RDWR)
