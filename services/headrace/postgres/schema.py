"""Migrating: Headrace's own tables by alembic's versions, a view's table once per version of the view."""

from importlib import resources
from typing import Any

import psycopg
from psycopg import sql

from headrace.kernel.app import App
from headrace.kernel.errors import Misconfigured
from headrace.kernel.view import View
from headrace.postgres.connection import connect
from headrace.postgres.exact import columns_of, refuse_unfit
from headrace.postgres.versions import is_filled, seen_schema, switch
from headrace.settings import Settings

FIRST_CHAINED = "0004"
MIGRATION_LOCK = 7_236_872_263  # any number, the same for all that migrate

TYPES = """
    SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"""
EXISTS = (
    psycopg.errors.DuplicateObject,
    psycopg.errors.DuplicateTable,
    psycopg.errors.DuplicateFunction,
    psycopg.errors.DuplicateSchema,
)


def migrate(app: App, settings: Settings) -> list[str]:
    """Bring the database to this version's tables; returns what was done. Several may call it at once."""
    done = []
    with connect(settings, "headrace migrate", autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        connection.execute("CREATE SCHEMA IF NOT EXISTS headrace")
        before = _revision(connection)
        _upgrade(settings)
        if (after := _revision(connection)) != before:
            done.append(f"tables of Headrace: {before or 'none'} → {after}")
            if before and before < FIRST_CHAINED and (older := _unchained(connection)):
                done.append(f"the journal's hash chains begin behind the {older:,} rows that it has: those are in none")
        for view in app.views:
            if not columns_of(connection, view):
                done.append(f"view {view.name}: version {view.version} in schema {view.schema}")
                if seen := _create(connection, view):
                    done.append(f"readers of {view.name} see {seen} until `headrace views switch {view.name}`")
            else:
                _refuse_other_ddl(connection, view)
        refuse_unmigrated(connection, app.views)
    return done


def refuse_unmigrated(connection: psycopg.Connection[Any], views: tuple[View[Any], ...]) -> None:
    """`Misconfigured` when the database is not what this version needs."""
    if _revision(connection) != newest_revision():
        raise Misconfigured("the database is not migrated: run `headrace migrate`")
    for view in views:
        columns = columns_of(connection, view)
        if not columns:
            raise Misconfigured(f"view {view.name} version {view.version} has no table: run `headrace migrate`")
        refuse_unfit(view, columns)


def newest_revision() -> str:
    """The revision of the newest migration, which its file is named after."""
    versions = resources.files("headrace.postgres").joinpath("migrations", "versions")
    return max(file.name.partition("_")[0] for file in versions.iterdir() if file.name.endswith(".py"))


def _unchained(connection: psycopg.Connection[Any]) -> int:
    (count,) = connection.execute("SELECT sum(unchained)::bigint FROM headrace.chains").fetchone() or (0,)
    return count or 0


def _upgrade(settings: Settings) -> None:
    # Slow to import, and services only check: a service that starts anew is what others wait for.
    import alembic.command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from sqlalchemy import create_engine  # noqa: PLC0415

    # alembic speaks through SQLAlchemy; the connection itself is ours, with its timeouts.
    engine = create_engine("postgresql+psycopg://", creator=lambda: connect(settings, "headrace migrate"))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(resources.files("headrace.postgres").joinpath("migrations")))
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")
    engine.dispose()


def _create(connection: psycopg.Connection[Any], view: View[Any]) -> str | None:
    """Make the version's table. Readers see it at once, unless they see one that is filled: its schema is returned."""
    schema = sql.Identifier(view.schema)
    with connection.transaction():
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
        connection.execute(sql.SQL("SET LOCAL search_path TO {}").format(schema))
        connection.execute(view.table.ddl.encode())
        refuse_unfit(view, columns_of(connection, view))
        seen = seen_schema(connection, view)
        if seen is not None and is_filled(connection, seen):
            return seen
        switch(connection, view)
    return None


def _refuse_other_ddl(connection: psycopg.Connection[Any], view: View[Any]) -> None:
    """`Misconfigured` when the view's DDL would make other columns than its table has: it is tried, and taken back."""
    table = sql.Identifier(view.table.name).as_string(connection)
    trial = sql.Identifier("headrace_trial")
    with connection.transaction(force_rollback=True):
        connection.execute(sql.SQL("SET LOCAL search_path TO {}").format(sql.Identifier(view.schema)))
        has = dict(connection.execute(TYPES, [table]).fetchall())
        connection.execute(sql.SQL("CREATE SCHEMA {0}; SET LOCAL search_path TO {0}").format(trial))
        try:
            connection.execute(view.table.ddl.encode())
        except EXISTS:
            return  # it makes something in another schema as well, and cannot be tried
        would_have = dict(connection.execute(TYPES, [table]).fetchall())
    if has != would_have:
        differ = [name for name in has | would_have if has.get(name) != would_have.get(name)]
        changes = [f"{name} {has.get(name, 'none')} → {would_have.get(name, 'none')}" for name in differ]
        raise Misconfigured(
            f"view {view.name}: its DDL has other columns than its table ({', '.join(changes)}): raise View.version, "
            f"and migrate makes a table of it beside this one"
        )


def _revision(connection: psycopg.Connection[Any]) -> str | None:
    (exists,) = connection.execute("SELECT to_regclass('headrace.migrations') IS NOT NULL").fetchone() or (False,)
    if not exists:
        return None
    row = connection.execute("SELECT version_num FROM headrace.migrations").fetchone()
    return row and row[0]
