"""What `headrace migrate` makes of a database, however often and by however many it is called."""

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from msgspec import Struct, structs

from handler.bells import bells
from headrace.app import app as shipped
from headrace.kernel.app import App
from headrace.kernel.errors import Misconfigured
from headrace.kernel.view import Table, View
from headrace.postgres.connection import connect
from headrace.postgres.schema import migrate, newest_revision, refuse_unmigrated
from headrace.settings import Settings

pytestmark = pytest.mark.edge

Connection = psycopg.Connection[tuple[Any, ...]]


class Strokes(Struct, frozen=True):
    bell: str
    strokes: int


class Louder(Struct, frozen=True):
    bell: str
    strokes: int
    decibels: int


DDL = "CREATE TABLE strokes (bell text PRIMARY KEY, strokes bigint NOT NULL); CREATE INDEX ON strokes (strokes);"
TABLE: Table[Any] = Table(name="strokes", row=Strokes, key=("bell",), ddl=DDL)
VIEW: View[Any] = View(
    name="strokes", sources=("bells",), table=TABLE, keys=lambda _: (), evolve=lambda _, row, __: row
)
APP = App(aggregates=(bells,), views=(VIEW,))
OURS = ("audit", "audit_checkpoints", "chains", "checkpoints", "journal", "migrations", "parked", "released")


@pytest.fixture
def settings(database: str) -> Settings:
    return Settings(DATABASE_URL=database)  # type: ignore[call-arg]


@pytest.fixture
def connection(settings: Settings) -> Iterator[Connection]:
    with connect(settings, "test") as connection:
        yield connection


def tables(connection: Connection) -> set[str]:
    rows = connection.execute(
        "SELECT schemaname || '.' || relname FROM pg_stat_user_tables "
        "UNION ALL SELECT schemaname || '.' || viewname FROM pg_views WHERE schemaname = 'public'"
    ).fetchall()
    connection.commit()
    return {name for (name,) in rows}


def test_an_empty_database_gets_our_tables_and_the_views(settings: Settings, connection: Connection) -> None:
    done = migrate(APP, settings)
    assert done == ["tables of Headrace: none → 0007", "view strokes: version 1 in schema strokes_v1"]
    ours = {f"headrace.{name}" for name in OURS}
    assert tables(connection) == ours | {"strokes_v1.strokes", "public.strokes"}
    refuse_unmigrated(connection, APP.views)


def test_a_second_time_there_is_nothing_to_do(settings: Settings, connection: Connection) -> None:
    migrate(APP, settings)
    connection.execute("INSERT INTO strokes_v1.strokes VALUES ('b', 3)")
    connection.commit()
    assert migrate(APP, settings) == []
    assert connection.execute("SELECT * FROM strokes").fetchall() == [("b", 3)]


BEFORE_CHAINS = """
    DROP TABLE headrace.audit, headrace.audit_checkpoints, headrace.chains;
    DROP FUNCTION headrace.refuse_change CASCADE;
    ALTER TABLE headrace.journal DROP COLUMN link, DROP COLUMN hash;
    ALTER TABLE headrace.parked DROP COLUMN said;
    UPDATE headrace.migrations SET version_num = '0003';
    INSERT INTO headrace.journal (topic, partition, "offset", aggregate_id, version, record_type, logged_at, record)
        SELECT 'bells.events', n % 2, n, 'b' || n, 1, 'Struck', now(), '' FROM generate_series(0, 4) AS n;
"""


def test_rows_that_are_older_than_the_chains_stay_outside_and_it_is_said(
    settings: Settings, connection: Connection
) -> None:
    migrate(APP, settings)
    connection.execute(BEFORE_CHAINS)
    connection.commit()
    assert migrate(APP, settings) == [
        "tables of Headrace: 0003 → 0007",
        "the journal's hash chains begin behind the 5 rows that it has: those are in none",
    ]
    chains = "SELECT topic, partition, starts_at, unchained, length, head FROM headrace.chains ORDER BY partition"
    assert connection.execute(chains).fetchall() == [
        ("bells.events", 0, 5, 3, 0, None),
        ("bells.events", 1, 4, 2, 0, None),
    ]


def test_a_row_outside_of_the_chain_is_refused_from_then_on(settings: Settings, connection: Connection) -> None:
    migrate(APP, settings)
    insert = BEFORE_CHAINS.strip().splitlines()[-2:]
    with pytest.raises(psycopg.errors.CheckViolation, match="chained"):
        connection.execute("\n".join(insert).encode())


@pytest.mark.parametrize("table", ["audit", "audit_checkpoints", "journal"])
def test_what_is_kept_for_good_is_append_only(table: str, settings: Settings, connection: Connection) -> None:
    migrate(APP, settings)
    for change in ("UPDATE headrace.{} SET partition = 9", "DELETE FROM headrace.{}", "TRUNCATE headrace.{}"):
        with pytest.raises(psycopg.errors.RaiseException, match=rf"headrace\.{table} is append-only"):
            connection.execute(change.format(table).encode())
        connection.rollback()


def test_the_shipped_app_migrates(settings: Settings, connection: Connection) -> None:
    assert len(migrate(shipped, settings)) == 1 + len(shipped.views)
    assert migrate(shipped, settings) == []
    refuse_unmigrated(connection, shipped.views)


def test_services_know_the_newest_revision_without_alembic(settings: Settings, connection: Connection) -> None:
    migrate(APP, settings)
    assert connection.execute("SELECT version_num FROM headrace.migrations").fetchall() == [(newest_revision(),)]


def test_several_may_migrate_at_once(settings: Settings, connection: Connection) -> None:
    done: list[str] = []
    threads = [threading.Thread(target=lambda: done.extend(migrate(APP, settings))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == ["tables of Headrace: none → 0007", "view strokes: version 1 in schema strokes_v1"]
    refuse_unmigrated(connection, APP.views)


def test_a_database_that_was_not_migrated_is_refused(connection: Connection) -> None:
    with pytest.raises(Misconfigured, match="the database is not migrated: run `headrace migrate`"):
        refuse_unmigrated(connection, APP.views)


def test_a_database_of_another_version_is_refused(settings: Settings, connection: Connection) -> None:
    migrate(APP, settings)
    connection.execute("UPDATE headrace.migrations SET version_num = '0000'")
    with pytest.raises(Misconfigured, match="the database is not migrated: run `headrace migrate`"):
        refuse_unmigrated(connection, APP.views)


def test_a_view_without_a_table_is_refused_by_name(settings: Settings, connection: Connection) -> None:
    migrate(App(aggregates=(bells,)), settings)
    refuse_unmigrated(connection, ())
    with pytest.raises(Misconfigured, match="view strokes version 1 has no table: run `headrace migrate`"):
        refuse_unmigrated(connection, APP.views)


def test_a_row_that_has_more_fields_than_its_table_is_a_new_version(settings: Settings, connection: Connection) -> None:
    migrate(APP, settings)
    louder = structs.replace(VIEW, table=structs.replace(TABLE, row=Louder))
    with pytest.raises(
        Misconfigured,
        match="view strokes: its rows have decibels, its table has not: a change of rows is a new version of the view",
    ):
        refuse_unmigrated(connection, (louder,))


def test_a_new_version_of_a_view_is_a_table_beside_the_old_one(settings: Settings, connection: Connection) -> None:
    migrate(APP, settings)
    connection.execute("INSERT INTO strokes_v1.strokes VALUES ('b', 3)")
    connection.commit()
    second = structs.replace(VIEW, version=2)
    assert migrate(App(aggregates=(bells,), views=(second,)), settings) == [
        "view strokes: version 2 in schema strokes_v2"
    ]
    assert {"strokes_v1.strokes", "strokes_v2.strokes"} <= tables(connection)
    assert connection.execute("SELECT count(*) FROM strokes_v1.strokes").fetchone() == (1,)


def test_a_table_that_cannot_be_made_leaves_nothing_behind(settings: Settings, connection: Connection) -> None:
    broken = structs.replace(
        VIEW, table=structs.replace(TABLE, ddl="CREATE TABLE strokes (bell text); CREATE nonsense")
    )
    with pytest.raises(psycopg.errors.SyntaxError):
        migrate(App(aggregates=(bells,), views=(broken,)), settings)
    assert not any(name.startswith("strokes_v1") for name in tables(connection))
    assert migrate(APP, settings) == ["view strokes: version 1 in schema strokes_v1"]


def with_ddl(ddl: str) -> App:
    return App(aggregates=(bells,), views=(structs.replace(VIEW, table=structs.replace(TABLE, ddl=ddl)),))


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        (
            "bell text PRIMARY KEY, strokes real",
            "column strokes is real, which does not give back all that it is given",
        ),
        ("bell text PRIMARY KEY, strokes bigint[]", "column strokes is bigint"),
        ("bell text PRIMARY KEY", "its rows have strokes, its table has not"),
    ],
)
def test_a_table_that_a_projector_would_refuse_is_not_made(
    settings: Settings, connection: Connection, columns: str, why: str
) -> None:
    with pytest.raises(Misconfigured, match=f"view strokes: {why}"):
        migrate(with_ddl(f"CREATE TABLE strokes ({columns})"), settings)
    assert not any("strokes" in name for name in tables(connection))
    assert migrate(APP, settings) == ["view strokes: version 1 in schema strokes_v1"]


@pytest.mark.parametrize(
    ("ddl", "changes"),
    [
        ("CREATE TABLE strokes (bell text PRIMARY KEY, strokes integer)", "strokes bigint → integer"),
        ("CREATE TABLE strokes (bell varchar(9) PRIMARY KEY, strokes bigint, loud boolean)",
         r"bell text → character varying\(9\), loud none → boolean"),
    ],
)  # fmt: skip
def test_columns_that_were_changed_under_the_same_version_are_refused(
    settings: Settings, connection: Connection, ddl: str, changes: str
) -> None:
    migrate(APP, settings)
    before = tables(connection)
    with pytest.raises(Misconfigured, match=rf"other columns than its table \({changes}\): raise View.version"):
        migrate(with_ddl(ddl), settings)
    assert tables(connection) == before


@pytest.mark.parametrize(
    "ddl",
    [
        "CREATE TABLE strokes (bell text PRIMARY KEY, strokes bigint NOT NULL) WITH (fillfactor = 80)",
        "CREATE TYPE public.loudness AS ENUM ('low'); CREATE TABLE strokes (bell text PRIMARY KEY, strokes bigint)",
        "CREATE DOMAIN stroke AS bigint; CREATE TABLE strokes (bell text PRIMARY KEY, strokes stroke)",
    ],
    ids=["other storage", "a type that all versions share", "a type of its own"],
)
def test_a_ddl_that_makes_the_same_columns_is_migrated_as_often_as_one_likes(settings: Settings, ddl: str) -> None:
    app = with_ddl(ddl)
    migrate(app, settings)
    assert migrate(app, settings) == []


def test_a_migration_that_another_one_holds_up_is_waited_for(settings: Settings, connection: Connection) -> None:
    """The advisory lock is the session's: whoever dies in the middle leaves it."""
    done: list[str] = []
    connection.execute("SELECT pg_advisory_lock(7236872263)")
    thread = threading.Thread(target=lambda: done.extend(migrate(APP, settings)))
    thread.start()
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with connect(settings, "watch", autocommit=True) as watch:
        for _ in range(200):
            if watch.execute(waiting).fetchone() == (1,):
                break
            threading.Event().wait(0.05)
        assert watch.execute(waiting).fetchone() == (1,)
    assert done == []
    connection.close()
    thread.join(timeout=30)
    assert len(done) == 2
