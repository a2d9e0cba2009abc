"""Where a projector stands: moved in the transaction of its rows, and by nobody who is not its owner any more."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from headrace.kernel.app import App
from headrace.kernel.errors import Fault, Misconfigured
from headrace.postgres.checkpoint import Origin, Step, Superseded, advance, positions
from headrace.postgres.connection import connect
from headrace.postgres.schema import migrate
from headrace.settings import Settings

pytestmark = pytest.mark.edge

Connection = psycopg.Connection[tuple[Any, ...]]
TOPIC = "bells.events"
STARTS = {(TOPIC, 0): 0, (TOPIC, 1): 7}
ORIGIN = Origin("a cluster", {TOPIC: "an id"})


@pytest.fixture
def settings(database: str) -> Settings:
    settings = Settings(DATABASE_URL=database)  # type: ignore[call-arg]
    migrate(App(aggregates=()), settings)
    return settings


@pytest.fixture
def connection(settings: Settings) -> Iterator[Connection]:
    with connect(settings, "first") as connection:
        yield connection


@pytest.fixture
def rival(settings: Settings) -> Iterator[Connection]:
    with connect(settings, "second") as connection:
        yield connection


def move(connection: Connection, *steps: Step, owner: str = "me", projector: str = "bells") -> None:
    with connection.transaction(), connection.cursor() as cursor:
        advance(cursor, projector, owner, steps)


def stand(connection: Connection, projector: str = "bells") -> list[tuple[Any, ...]]:
    """Partition, offset, command offset, log time in milliseconds, owner."""
    rows = connection.execute(
        "SELECT partition, next_offset, command_offset, (extract(epoch FROM log_time) * 1000)::bigint, owner "
        "FROM headrace.checkpoints WHERE projector = %s ORDER BY partition",
        [projector],
    ).fetchall()
    connection.commit()
    return rows


def step(partition: int, before: int, after: int, command_offset: int = 0, log_time: int = 0) -> Step:
    return Step(TOPIC, partition, before, after, command_offset, log_time)


def test_a_partition_that_was_never_read_begins_where_it_is_told(connection: Connection) -> None:
    assert positions(connection, "bells", "me", STARTS, ORIGIN) == STARTS
    assert stand(connection) == [(0, 0, -1, None, "me"), (1, 7, -1, None, "me")]


def test_a_partition_that_was_read_goes_on_where_it_stood(connection: Connection) -> None:
    positions(connection, "bells", "me", STARTS, ORIGIN)
    move(connection, step(0, 0, 5), step(1, 7, 9))
    assert positions(connection, "bells", "heir", STARTS | {(TOPIC, 2): 3}, ORIGIN) == {
        (TOPIC, 0): 5,
        (TOPIC, 1): 9,
        (TOPIC, 2): 3,
    }
    assert positions(connection, "bells", "heir", {(TOPIC, 1): 0}, ORIGIN) == {(TOPIC, 1): 9}


def test_each_projector_stands_by_itself(connection: Connection) -> None:
    positions(connection, "bells", "me", STARTS, ORIGIN)
    positions(connection, "journal", "me", STARTS, ORIGIN)
    move(connection, step(0, 0, 5), projector="journal")
    assert positions(connection, "bells", "me", STARTS, ORIGIN) == STARTS


def test_an_advance_says_what_was_applied_and_by_whom(connection: Connection) -> None:
    positions(connection, "bells", "me", STARTS, ORIGIN)
    move(connection, step(0, 0, 5, command_offset=12, log_time=1_291_191_960_123), owner="you")
    assert stand(connection) == [(0, 5, 12, 1_291_191_960_123, "you"), (1, 7, -1, None, "me")]


def test_the_command_offset_only_grows(connection: Connection) -> None:
    """An event of a resent command may lie behind one of a later command; what was fresh stays fresh."""
    positions(connection, "bells", "me", STARTS, ORIGIN)
    move(connection, step(0, 0, 1, command_offset=12))
    move(connection, step(0, 1, 2, command_offset=5))
    assert stand(connection)[0][:3] == (0, 2, 12)


def test_an_advance_past_what_holds_no_record_keeps_what_was_applied(connection: Connection) -> None:
    positions(connection, "bells", "me", STARTS, ORIGIN)
    move(connection, step(0, 0, 1, command_offset=12, log_time=1_291_191_960_123))
    move(connection, step(0, 1, 4, command_offset=-1, log_time=0), step(1, 7, 8, command_offset=-1, log_time=0))
    assert stand(connection) == [(0, 4, 12, 1_291_191_960_123, "me"), (1, 8, -1, None, "me")]


def test_offsets_have_64_bits(connection: Connection) -> None:
    positions(connection, "bells", "me", {(TOPIC, 0): 2**62}, ORIGIN)
    move(connection, step(0, 2**62, 2**63 - 1, command_offset=2**63 - 1))
    assert stand(connection)[0][:3] == (0, 2**63 - 1, 2**63 - 1)


def test_who_finds_another_offset_than_it_left_is_superseded(connection: Connection, rival: Connection) -> None:
    positions(connection, "bells", "me", STARTS, ORIGIN)
    move(rival, step(0, 0, 5), owner="rival")
    with pytest.raises(Superseded, match="bells: another process has advanced a checkpoint of this one's partitions"):
        move(connection, step(0, 0, 3))
    assert stand(connection)[0][1] == 5


def test_one_partition_that_is_lost_stops_the_whole_batch(connection: Connection, rival: Connection) -> None:
    positions(connection, "bells", "me", STARTS, ORIGIN)
    move(rival, step(1, 7, 8), owner="rival")
    with pytest.raises(Superseded):
        move(connection, step(0, 0, 3), step(1, 7, 9))
    assert [row[1] for row in stand(connection)] == [0, 8]


def test_a_checkpoint_that_is_not_there_cannot_be_advanced(connection: Connection) -> None:
    with pytest.raises(Superseded):
        move(connection, step(0, 0, 3))


def test_the_second_waits_for_the_first_and_then_finds_itself_superseded(
    connection: Connection, rival: Connection
) -> None:
    """Both have applied the same events; whoever commits first has them, and the other leaves no row."""
    positions(connection, "bells", "me", STARTS, ORIGIN)
    connection.execute("CREATE TABLE rows (who text)")
    connection.commit()
    rival.execute("SET lock_timeout = '100ms'")
    rival.commit()
    with connection.cursor() as cursor:
        advance(cursor, "bells", "me", [step(0, 0, 5)])
        cursor.execute("INSERT INTO rows VALUES ('me')")
        with pytest.raises(psycopg.errors.LockNotAvailable), rival.transaction(), rival.cursor() as other:
            advance(other, "bells", "rival", [step(0, 0, 5)])
    connection.commit()
    with pytest.raises(Superseded):
        move(rival, step(0, 0, 5), owner="rival")
    assert connection.execute("SELECT who FROM rows").fetchall() == [("me",)]


def test_an_advance_that_is_rolled_back_did_not_happen(connection: Connection, rival: Connection) -> None:
    positions(connection, "bells", "me", STARTS, ORIGIN)
    with connection.cursor() as cursor:
        advance(cursor, "bells", "me", [step(0, 0, 5)])
    connection.rollback()
    move(rival, step(0, 0, 3), owner="rival")
    assert stand(connection)[0][1] == 3


def test_two_replicas_with_other_partitions_do_not_wait_for_each_other(
    connection: Connection, rival: Connection
) -> None:
    positions(connection, "bells", "me", STARTS, ORIGIN)
    rival.execute("SET lock_timeout = '100ms'")
    rival.commit()
    with connection.cursor() as cursor:
        advance(cursor, "bells", "me", [step(0, 0, 5)])
        move(rival, step(1, 7, 9), owner="rival")
    connection.commit()
    assert [row[1] for row in stand(connection)] == [5, 9]


def test_no_steps_are_no_advance(connection: Connection) -> None:
    positions(connection, "bells", "me", STARTS, ORIGIN)
    move(connection)
    assert [row[1] for row in stand(connection)] == [0, 7]


def test_a_database_that_lets_nobody_in_is_said_in_one_line_without_the_password(database: str) -> None:
    address = f"postgresql://headrace:hush@127.0.0.1:1/{database.rpartition('/')[2]}"
    with pytest.raises(Fault, match=r"no Postgres at 127\.0\.0\.1:1 lets us in .*is DATABASE_URL right") as caught:
        connect(Settings(DATABASE_URL=address), "test")  # type: ignore[call-arg]
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_connection_waits_for_nothing_for_ever_and_speaks_of_time_in_utc(connection: Connection) -> None:
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "timezone", "application_name")
    said = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in names]
    assert said == [("1min",), ("20s",), ("1min",), ("UTC",), ("first",)]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (Origin("another", {TOPIC: "an id"}), "filled from Kafka cluster a cluster, this one is another"),
        (Origin("a cluster", {TOPIC: "new"}), "topic bells.events was made anew since bells read it"),
    ],
    ids=["another cluster", "a topic made anew"],
)
def test_positions_of_another_log_are_refused(connection: Connection, other: Origin, said: str) -> None:
    positions(connection, "bells", "me", STARTS, ORIGIN)
    with pytest.raises(Misconfigured, match=said):
        positions(connection, "bells", "me", STARTS, other)
