"""How Headrace connects to Postgres."""

import re
from typing import Any, Final

import psycopg
from psycopg.types.numeric import Int8BinaryDumper

from headrace.kernel.errors import Fault, Misconfigured
from headrace.settings import Settings

CONNECT_TIMEOUT_S: Final = 10
# The client library gives no code for what a server says before it lets somebody in.
REFUSED: Final = re.compile(r"password authentication failed|no pg_hba.conf entry")
# A stuck statement, a held lock or a forgotten transaction must not outlast the consumer's place in its group.
TIMEOUTS: Final = (
    "-c statement_timeout=60s -c lock_timeout=20s -c idle_in_transaction_session_timeout=60s -c timezone=UTC"
)

# A plan that was made while a table was empty reads all of it, for each batch, until the table is analysed.
BY_KEY: Final = " -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"


def connect(
    settings: Settings, application: str, *, autocommit: bool = False, by_key: bool = False
) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection with bounded waits; `Fault` when the server does not let us in, without the password.

    One `by_key` looks rows up in an index, however small their table was when it began.
    """
    try:
        connection = psycopg.connect(
            settings.database,
            autocommit=autocommit,
            application_name=application,
            connect_timeout=CONNECT_TIMEOUT_S,
            options=TIMEOUTS + BY_KEY if by_key else TIMEOUTS,
            prepare_threshold=1,
        )
    except psycopg.ProgrammingError as error:
        why = " ".join(str(error).split())
        raise Misconfigured(f"DATABASE_URL is no postgresql://user:password@host:port/name ({why})") from error
    except psycopg.OperationalError as error:
        where = psycopg.conninfo.conninfo_to_dict(settings.database)
        address, why = f"{where.get('host', 'localhost')}:{where.get('port', 5432)}", " ".join(str(error).split())
        if REFUSED.search(why):
            raise Misconfigured(f"Postgres at {address} refuses us ({why}): see to the user in DATABASE_URL") from error
        raise Fault(f"no Postgres at {address} lets us in ({why}): is it up, is DATABASE_URL right?") from error
    # One binary type for all whole numbers, so that an array of them has the same type in every batch.
    connection.adapters.register_dumper(int, Int8BinaryDumper)
    return connection
