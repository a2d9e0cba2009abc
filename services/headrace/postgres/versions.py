"""Versions of a view: the tables that are there, the one that readers see, and how that one changes.

A version's table lies in a schema of its own, `orders_v2`; readers ask for the plain name, `public.orders`, a view of
one of the tables. What changes that, and what removes a table, is one transaction.
"""

import re
from typing import Any, Final

import psycopg
from msgspec import Struct
from psycopg import sql

from headrace.kernel.errors import Misconfigured
from headrace.kernel.view import View

TABLES: Final = "SELECT schemaname FROM pg_tables WHERE tablename = %s"

SEEN: Final = """
    SELECT pg_namespace.nspname FROM pg_rewrite
    JOIN pg_depend ON pg_depend.objid = pg_rewrite.oid AND pg_depend.refclassid = 'pg_class'::regclass
    JOIN pg_class ON pg_class.oid = pg_depend.refobjid AND pg_class.relname = %s
    JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace AND pg_namespace.nspname <> 'public'
    WHERE pg_rewrite.ev_class = to_regclass(%s) LIMIT 1"""

# Events and transactions' marks alike: how many offsets one projector has still to go to where others stand.
BEHIND: Final = """
    SELECT coalesce(sum(greatest(other.next_offset - coalesce(filled.next_offset, 0), 0)), 0)::bigint
    FROM (
        SELECT topic, partition, max(next_offset) AS next_offset FROM headrace.checkpoints
        WHERE topic = ANY(%(topics)s) AND (%(other)s::text IS NULL OR projector = %(other)s) GROUP BY topic, partition
    ) AS other
    LEFT JOIN headrace.checkpoints AS filled
        ON filled.projector = %(schema)s AND filled.topic = other.topic AND filled.partition = other.partition"""

READ: Final = "SELECT 1 FROM headrace.checkpoints WHERE projector = %s AND log_time IS NOT NULL LIMIT 1"

WRITTEN: Final = "SELECT 1 FROM headrace.checkpoints WHERE projector = %s LIMIT 1"

PARKED: Final = "SELECT count(*) FROM headrace.parked WHERE projector = %s"

GRANTS: Final = """
    SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, privilege_type
    FROM pg_class, aclexplode(relacl) WHERE oid = to_regclass(%s) AND grantee <> relowner"""

LEFT_BEHIND: Final = ("checkpoints", "parked")


class Version(Struct, frozen=True):
    """One version of a view: whether it is the app's, whether readers see it, how far it is filled.

    `behind` is in offsets of its topics: to where the furthest of all projectors stands in each partition, the
    journal's among them; `behind_seen` to the version that readers see. Without `has_read` nothing was ever written to
    it, which may be so although nobody is ahead. `parked` are events that wait in it.
    """

    view: str
    version: int
    schema: str
    is_of_app: bool
    is_seen: bool
    has_read: bool
    behind: int
    behind_seen: int
    parked: int


def versions_of(connection: psycopg.Connection[Any], view: View[Any]) -> list[Version]:
    """All versions whose tables are there, the oldest first."""
    pattern = re.compile(rf"{re.escape(view.name)}_v([1-9][0-9]*)")
    schemas = [name for (name,) in connection.execute(TABLES, [view.table.name]).fetchall()]
    numbers = sorted(int(found[1]) for found in map(pattern.fullmatch, schemas) if found)
    seen = seen_schema(connection, view)
    return [_version(connection, view, number, seen) for number in numbers]


def seen_schema(connection: psycopg.Connection[Any], view: View[Any]) -> str | None:
    """The schema of the table that readers see; None before there is one."""
    row = connection.execute(SEEN, [view.table.name, _plain(connection, view)]).fetchone()
    return row and row[0]


def is_filled(connection: psycopg.Connection[Any], schema: str) -> bool:
    """Whether a projector has ever written there."""
    return bool(connection.execute(WRITTEN, [schema]).fetchone())


def switch(connection: psycopg.Connection[Any], view: View[Any]) -> None:
    """Have readers see the app's version; whoever might read the plain name still may.

    `Misconfigured` where other views are made of it, which would have to be made anew.
    """
    schema, table = sql.Identifier(view.schema), sql.Identifier(view.table.name)
    plain = _plain(connection, view)
    with connection.transaction():
        connection.execute(sql.SQL("SET LOCAL search_path TO {}").format(schema))
        rights = connection.execute(GRANTS, [plain]).fetchall()
        try:
            connection.execute(sql.SQL("DROP VIEW IF EXISTS public.{}").format(table))
        except psycopg.errors.DependentObjectsStillExist as error:
            raise Misconfigured(
                f"other views are made of public.{view.table.name}: drop them, switch, and make them anew"
            ) from error
        seen = sql.SQL("CREATE VIEW public.{} AS ").format(table).as_string(connection)
        connection.execute((seen + (view.table.sums or f"TABLE {table.as_string(connection)}")).encode())
        for grantee, right in rights:
            connection.execute(f"GRANT {right} ON {plain} TO {grantee}".encode())


def drop(connection: psycopg.Connection[Any], view: View[Any], number: int) -> None:
    """Remove a version that nobody needs any more, and what its projector noted of itself.

    `Misconfigured` for the one that readers see, or the app fills, and for one that is not there.
    """
    found = {version.version: version for version in versions_of(connection, view)}
    version = found.get(number)
    if version is None:
        there = ", ".join(map(str, found)) or "none"
        raise Misconfigured(f"view {view.name} has no version {number}: there is {there}")
    if version.is_seen:
        raise Misconfigured(f"readers see version {number} of {view.name}: run `headrace views switch {view.name}`")
    if version.is_of_app:
        raise Misconfigured(f"version {number} of {view.name} is the app's: its projector would have no table")
    with connection.transaction():
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(version.schema)))
        for table in LEFT_BEHIND:
            connection.execute(
                sql.SQL("DELETE FROM headrace.{} WHERE projector = %s").format(sql.Identifier(table)), [version.schema]
            )


def _version(connection: psycopg.Connection[Any], view: View[Any], number: int, seen: str | None) -> Version:
    schema = f"{view.name}_v{number}"
    has_read = bool(connection.execute(READ, [schema]).fetchone())
    behind = _behind(connection, view, schema, None)
    behind_seen = _behind(connection, view, schema, seen) if seen else 0
    (parked,) = connection.execute(PARKED, [schema]).fetchone() or (0,)
    is_of_app, is_seen = schema == view.schema, schema == seen
    return Version(view.name, number, schema, is_of_app, is_seen, has_read, behind, behind_seen, parked)


def _behind(connection: psycopg.Connection[Any], view: View[Any], schema: str, other: str | None) -> int:
    """How far it is behind another projector of its topics, or the furthest of all."""
    wanted = {"topics": [f"{name}.events" for name in view.sources], "schema": schema, "other": other}
    (behind,) = connection.execute(BEHIND, wanted).fetchone() or (0,)
    return behind


def _plain(connection: psycopg.Connection[Any], view: View[Any]) -> str:
    """What readers ask for, quoted as SQL has it."""
    return sql.Identifier("public", view.table.name).as_string(connection)
