"""What happens to the broker and the database; each fault heals at the end of its `with`."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import psycopg

from headrace.local.postgres import StopMode
from headrace_load.chaos import service_faults
from headrace_load.chaos.cast import Cast
from headrace_load.chaos.schedule import Planned
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
def broker_restart(cast: Cast, _: Planned) -> Iterator[None]:
    """The broker is told to stop, and started again."""
    cast.stage.servers.kafka.restart()
    yield


@contextmanager
def broker_crash(cast: Cast, _: Planned) -> Iterator[None]:
    """The broker is killed, and stays away for a while."""
    cast.stage.servers.kafka.kill()
    yield
    cast.stage.servers.kafka.start()


@contextmanager
def broker_freeze(cast: Cast, _: Planned) -> Iterator[None]:
    """The broker's connections stay, and nothing is answered."""
    cast.stage.servers.kafka.pause()
    yield
    cast.stage.servers.kafka.resume()


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
    "broker crash": broker_crash,
    "broker freeze": broker_freeze,
    "database restart": database_restart,
    "sessions ended": sessions_ended,
    "rows locked": rows_locked,
    "crossed updates": crossed_updates,
    "slow statements": slow_statements,
}
"""How each kind of `schedule.KINDS` happens."""


def _connection(cast: Cast) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(cast.stage.settings.database, autocommit=True)


def _execute(connection: psycopg.Connection[tuple[object, ...]], statement: str) -> None:
    connection.execute(statement.encode())
