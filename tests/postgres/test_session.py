"""A session gets its transaction done, whatever happens to its connection."""

import threading
from collections.abc import Iterator

import psycopg
import pytest

from headrace.kernel.errors import Fault
from headrace.local import LocalServers
from headrace.postgres.session import Connection, Session
from headrace.settings import Settings

pytestmark = pytest.mark.edge


@pytest.fixture
def session(database: str) -> Iterator[Session]:
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE seen (id int PRIMARY KEY)")
    session = Session(Settings(DATABASE_URL=database), "test", patience_s=20)
    yield session
    session.close()


def insert(connection: Connection) -> None:
    with connection.transaction():
        connection.execute("INSERT INTO seen VALUES (1)")


def was_inserted(connection: Connection) -> bool:
    with connection.transaction():
        return connection.execute("SELECT count(*) FROM seen").fetchone() == (1,)


def end_from_outside(connection: Connection, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])


def test_a_transaction_whose_session_is_ended_is_done_on_a_new_connection(session: Session, database: str) -> None:
    tries: list[int] = []

    def ended_once(connection: Connection) -> None:
        tries.append(connection.info.backend_pid)
        with connection.transaction():
            connection.execute("INSERT INTO seen VALUES (1)")
            if len(tries) == 1:
                end_from_outside(connection, database)
                connection.execute("SELECT 1")

    session.persist(ended_once, was_inserted)
    assert len(set(tries)) == 2
    assert was_inserted(session.connection)


def test_a_commit_whose_answer_is_lost_is_not_done_twice(session: Session, database: str) -> None:
    tries: list[int] = []

    def answered_to_nobody(connection: Connection) -> None:
        tries.append(1)
        insert(connection)
        end_from_outside(connection, database)
        connection.execute("SELECT 1")

    session.persist(answered_to_nobody, was_inserted)
    assert len(tries) == 1
    assert was_inserted(session.connection)


def test_two_transactions_that_lock_each_other_out_are_both_done(session: Session, database: str) -> None:
    with psycopg.connect(database) as other:
        other.execute("INSERT INTO seen VALUES (1), (2)")
    both_hold_one = threading.Barrier(2, timeout=20)
    other_session = Session(Settings(DATABASE_URL=database), "test", patience_s=20)
    tries: list[int] = []

    def crosswise(first: int, second: int) -> None:
        def update(connection: Connection) -> None:
            tries.append(first)
            with connection.transaction():
                connection.execute("UPDATE seen SET id = id WHERE id = %s", [first])
                if tries.count(first) == 1:
                    both_hold_one.wait()
                connection.execute("UPDATE seen SET id = id WHERE id = %s", [second])

        (session if first == 1 else other_session).persist(update)

    threads = [threading.Thread(target=crosswise, args=order) for order in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    other_session.close()
    assert set(tries) == {1, 2}
    assert len(tries) > 2  # who is tried again may at once lock the other one out


def test_poison_is_raised_at_once(session: Session) -> None:
    insert(session.connection)
    with pytest.raises(psycopg.errors.UniqueViolation):
        session.persist(insert)


def test_a_database_that_stays_away_ends_in_one_line(servers: LocalServers) -> None:
    settings = Settings(DATABASE_URL=servers.postgres.url)
    session = Session(settings, "test", patience_s=1)
    servers.postgres.stop()
    try:
        with pytest.raises(Fault, match=r"no Postgres at 127\.0\.0\.1.*is it up"):
            session.persist(insert)
    finally:
        servers.postgres.start()
        session.close()
