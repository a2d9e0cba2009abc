"""The error ladder of database transactions: what each kind of error leaves to be done, in one place.

again      a conflict or a time limit: rolled back, so the same transaction once more
reconnect  the connection is gone; if it went during COMMIT nobody knows the outcome, only the position tells
poison     a row that the database will never take, or code that breaks on an event: the same again would fail again
fatal      anything else: the process ends with the line
"""

from enum import Enum, auto
from typing import Any, Final

import psycopg

from headrace.avro.codec import Undecodable
from headrace.kernel.errors import Fault

# serialization_failure, deadlock_detected, lock_not_available, query_canceled (the statement's time is up).
CONFLICTS: Final = frozenset({"40001", "40P01", "55P03", "57014"})
# admin_shutdown, crash_shutdown, cannot_connect_now; idle_in_transaction_session_timeout; the primary became a standby.
GONE: Final = frozenset({"57P01", "57P02", "57P03", "25P03", "25006"})
CONNECTION_CLASS: Final = "08"
# data_exception and integrity_constraint_violation.
POISON_CLASSES: Final = ("22", "23")
# program_limit_exceeded: a text too long for the index of its column.
TOO_LONG: Final = "54000"


class Rung(Enum):
    """What is to be done after an error."""

    AGAIN = auto()
    RECONNECT = auto()
    POISON = auto()
    FATAL = auto()


def judge(error: Exception, connection: psycopg.Connection[Any] | None = None) -> Rung:
    """The rung on which an error lies that came out of a transaction on this connection."""
    if isinstance(error, Fault | MemoryError) and not isinstance(error, Undecodable):
        return Rung.FATAL
    if not isinstance(error, psycopg.Error):
        # The view's code, a value that cannot be put on the wire, a broken state that the view asked for.
        return Rung.POISON
    code = error.sqlstate
    gone = connection is not None and connection.closed
    if gone or code in GONE or (code or "").startswith(CONNECTION_CLASS):
        return Rung.RECONNECT
    if code is None:
        return _without_code(error)
    if code in CONFLICTS:
        return Rung.AGAIN
    return Rung.POISON if code.startswith(POISON_CLASSES) or code == TOO_LONG else Rung.FATAL


def _without_code(error: psycopg.Error) -> Rung:
    """An error that the server did not send: the network's, or psycopg's own about a value."""
    if isinstance(error, psycopg.OperationalError):
        return Rung.RECONNECT
    return Rung.POISON if isinstance(error, psycopg.DataError | psycopg.ProgrammingError) else Rung.FATAL
