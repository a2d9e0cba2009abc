"""What happens to the broker and the database; each fault heals at the end of its `with`."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import psycopg

from headrace.local import LocalKafkaCluster
from headrace.local.postgres import StopMode
from headrace_load.chaos import service_faults
from headrace_load.chaos.cast import Cast
from headrace_load.chaos.schedule import Planned
from headrace_load.chaos.servers import ReplicatedServers
from headrace_load.chaos.service_faults import repeatedly

END_SESSIONS: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name LIKE 'headrace %' AND application_name NOT LIKE '%verify'"""
NEWEST_ROWS: Final = "SELECT order_id FROM orders_v1.orders ORDER BY updated_at DESC LIMIT 50 FOR UPDATE"
ONE_ROW: Final = "SELECT 1 FROM orders_v1.orders WHERE order_id = %s FOR UPDATE"
SLOW: Final = """
    CREATE OR REPLACE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END $$;
    CREATE OR REPLACE TRIGGER dawdle AFTER INSERT OR UPDATE ON orders_v1.orders EXECUTE FUNCTION public.dawdle()"""
QUICK: Final = "DROP TRIGGER IF EXISTS dawdle ON orders_v1.orders"


@contextmanager
def broker_restart(cast: Cast, fault: Planned) -> Iterator[None]:
    """A broker is told to stop, and started again."""
    _brokers(cast).restart(_number(fault))
    yield


@contextmanager
def brokers_rolled(cast: Cast, _: Planned) -> Iterator[None]:
    """One after the other, as upgrades do it: the next one only when nothing lacks a replica."""
    brokers = _brokers(cast)
    for number in brokers.brokers:
        brokers.wait_until_in_sync()
        brokers.restart(number)
    yield


@contextmanager
def broker_crash(cast: Cast, fault: Planned) -> Iterator[None]:
    """A broker is killed, and stays away for a while."""
    _brokers(cast).kill(_number(fault))
    yield
    _brokers(cast).start(_number(fault))


@contextmanager
def broker_freeze(cast: Cast, fault: Planned) -> Iterator[None]:
    """A broker's connections stay, and nothing is answered."""
    _brokers(cast).pause(_number(fault))
    yield
    _brokers(cast).resume(_number(fault))


@contextmanager
def database_restart(cast: Cast, fault: Planned) -> Iterator[None]:
    """Sessions end in order, or all at once with a recovery at the start."""
    mode: StopMode = "immediate" if fault.detail == "immediate" else "fast"
    cast.stage.servers.postgres.restart(mode)
    yield


@contextmanager
def sessions_ended(cast: Cast, _: Planned) -> Iterator[None]:
    """Every session of a projector is ended, many times a second."""
    with _connection(cast) as connection, repeatedly(0.05, lambda: _execute(connection, END_SESSIONS)):
        yield


@contextmanager
def rows_locked(cast: Cast, _: Planned) -> Iterator[None]:
    """Somebody holds the newest rows and goes for coffee."""
    with psycopg.connect(cast.stage.settings.database) as holder:
        holder.execute(NEWEST_ROWS)
        yield


@contextmanager
def crossed_updates(cast: Cast, _: Planned) -> Iterator[None]:
    """Somebody locks rows one by one, newest first: who writes several of them may meet him half-way."""

    def cross() -> None:
        with contextlib.suppress(psycopg.Error), psycopg.connect(cast.stage.settings.database) as other:
            names = other.execute("SELECT order_id FROM orders_v1.orders ORDER BY updated_at DESC LIMIT 40").fetchall()
            for name in names:
                other.execute(ONE_ROW, name)
                threading.Event().wait(0.02)

    with repeatedly(0.1, cross):
        yield


@contextmanager
def slow_statements(cast: Cast, _: Planned) -> Iterator[None]:
    """Every write of rows takes a third of a second more."""
    with _connection(cast) as connection:
        _execute(connection, SLOW)
        yield
        _execute(connection, QUICK)


FAULTS: Final[dict[str, Callable[[Cast, Planned], AbstractContextManager[None]]]] = {
    "kill": service_faults.kill,
    "kill at a step": service_faults.armed,
    "kill for a while": service_faults.kill_for_a_while,
    "kill in database": service_faults.armed,
    "zombie at a step": service_faults.zombie_at_a_step,
    "pause": service_faults.paused,
    "zombie of session": service_faults.paused,
    "zombie": service_faults.paused,
    "hijack": service_faults.hijack,
    "abort": service_faults.armed,
    "storm": service_faults.storm,
    "scale 1-8-1": service_faults.scale,
    "rollout": service_faults.rollout,
    "broker restart": broker_restart,
    "brokers rolled": brokers_rolled,
    "broker crash": broker_crash,
    "broker freeze": broker_freeze,
    "database restart": database_restart,
    "sessions ended": sessions_ended,
    "rows locked": rows_locked,
    "crossed updates": crossed_updates,
    "slow statements": slow_statements,
}
"""How each kind of `schedule.KINDS` happens."""


def _brokers(cast: Cast) -> LocalKafkaCluster:
    servers = cast.stage.servers
    assert isinstance(servers, ReplicatedServers)  # noqa: S101 - the stage of a run has no others
    return servers.brokers


def _number(fault: Planned) -> int:
    """Of the broker that the fault is about."""
    return int(fault.target.rpartition("-")[2])


def _connection(cast: Cast) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(cast.stage.settings.database, autocommit=True)


def _execute(connection: psycopg.Connection[tuple[object, ...]], statement: str) -> None:
    connection.execute(statement.encode())
