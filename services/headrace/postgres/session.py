"""A connection that outlives its server: transactions are tried again, on a new one where the old one is gone."""

import random
import time
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import psycopg
from structlog import get_logger

from headrace.kernel.errors import Fault
from headrace.observe.metrics import DATABASE_CONNECTS, DATABASE_RETRIES
from headrace.postgres.connection import connect
from headrace.postgres.ladder import Rung, judge
from headrace.settings import Settings

# Long enough for a restart or a failover, and well below max.poll.interval.ms, after which the partitions are lost.
PATIENCE_S: Final = 120.0
FIRST_PAUSE_S: Final = 0.02
LONGEST_PAUSE_S: Final = 2.0

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

log = get_logger("headrace.postgres")


class Session:
    """One connection at a time, and the transactions that a process must get done on it."""

    def __init__(
        self,
        settings: Settings,
        application: str,
        is_stopping: Callable[[], bool] = lambda: False,
        patience_s: float = PATIENCE_S,
        *,
        autocommit: bool = False,
    ) -> None:
        self._settings = settings
        self._application = application
        self._is_stopping = is_stopping
        self._patience_s = patience_s
        self._autocommit = autocommit
        self.connection: Connection = self._connect()
        self.connects = 1
        """How many connections there were: the server may be another since then."""

    def persist(
        self, transaction: Callable[[Connection], None], was_committed: Callable[[Connection], bool] | None = None
    ) -> None:
        """Do a transaction until it is committed; poison and fatal errors are raised as they are.

        After an error `was_committed` is asked whether the transaction took place all the same, as a COMMIT whose
        answer was lost may have. `Fault` when the patience is over.
        """
        deadline = time.monotonic() + self._patience_s
        pause = FIRST_PAUSE_S
        failed = False
        while True:
            try:
                if not (failed and was_committed and was_committed(self.connection)):
                    transaction(self.connection)
            except psycopg.Error as error:
                rung = judge(error, self.connection)
                if rung not in {Rung.AGAIN, Rung.RECONNECT}:
                    raise
                why = _why(error)
                if self._is_stopping() or time.monotonic() > deadline:
                    raise Fault(f"Postgres did not take a transaction in {self._patience_s:.0f} s: {why}") from error
                log.warning("transaction not committed, tried again", why=why, rung=rung.name.lower())
                DATABASE_RETRIES.labels(rung.name.lower()).inc()
                pause = _pause(pause)
                if rung is Rung.RECONNECT:
                    self._reconnect(deadline)
                failed = True
            else:
                return

    def connect_anew(self) -> None:
        """Take a new connection, to whichever server is there now."""
        self._reconnect(time.monotonic() + self._patience_s)

    def close(self) -> None:
        """Close the connection; an open transaction is rolled back."""
        self.connection.close()

    def _connect(self) -> Connection:
        return connect(self._settings, self._application, autocommit=self._autocommit, by_key=True)

    def _reconnect(self, deadline: float) -> None:
        self.connection.close()
        pause = FIRST_PAUSE_S
        while True:
            try:
                self.connection = self._connect()
            except Fault:
                if self._is_stopping() or time.monotonic() > deadline:
                    raise
                pause = _pause(pause)
            else:
                self.connects += 1
                log.info("connected anew", application=self._application)
                DATABASE_CONNECTS.inc()
                return


def _pause(seconds: float) -> float:
    """Wait for about so long; returns how long to wait the next time."""
    time.sleep(seconds * random.uniform(0.5, 1.5))  # noqa: S311 - jitter keeps processes apart, no secret
    return min(seconds * 2, LONGEST_PAUSE_S)


def _why(error: psycopg.Error) -> str:
    return error.diag.message_primary or " ".join(str(error).split())
