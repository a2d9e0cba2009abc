"""The rows of a view, read and written a set at a time: one statement for all keys of a batch."""

from typing import Any, Final

import psycopg
from msgspec import structs
from psycopg import sql

from headrace.kernel.view import Key, View

COLUMN_TYPES: Final = """
    SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"""


class ViewRows:
    """One view's table: its rows by key. Statements are built once, from the table as it is."""

    def __init__(self, connection: psycopg.Connection[Any], view: View[Any]) -> None:
        table = view.table
        self._row = table.row
        self._fields = table.row.__struct_fields__
        self._key_at = [self._fields.index(name) for name in table.key]
        target = sql.Identifier(view.schema, table.name)
        types = dict(connection.execute(COLUMN_TYPES, [target.as_string(connection)]).fetchall())
        connection.commit()
        keys, columns = _names(table.key), _names(self._fields)
        key_arrays, arrays = _arrays(table.key, types), _arrays(self._fields, types)
        # Columns that the row does not name take their default anew: `excluded` holds it.
        updated = [name for name in types if name not in table.key]
        self._select = sql.SQL(
            "SELECT {columns} FROM {target} JOIN unnest({arrays}) AS wanted ({keys}) USING ({keys})"
        ).format(columns=columns, target=target, arrays=key_arrays, keys=keys)
        self._upsert = sql.SQL(
            "INSERT INTO {target} ({columns}) SELECT * FROM unnest({arrays}) "
            "ON CONFLICT ({keys}) DO UPDATE SET {updates}"
        ).format(target=target, columns=columns, arrays=arrays, keys=keys, updates=_updates(updated))
        self._delete = sql.SQL("DELETE FROM {target} USING unnest({arrays}) AS gone ({keys}) WHERE {same}").format(
            target=target, arrays=key_arrays, keys=keys, same=_same(target, table.key)
        )

    def read(self, cursor: psycopg.Cursor[Any], keys: list[Key]) -> dict[Key, Any]:
        """The rows that exist for these keys."""
        cursor.execute(self._select, [list(column) for column in zip(*keys, strict=True)])
        row, key_at = self._row, self._key_at
        return {tuple(values[place] for place in key_at): row(*values) for values in cursor.fetchall()}

    def write(self, cursor: psycopg.Cursor[Any], rows: dict[Key, Any]) -> None:
        """Insert or replace the rows; a key whose row is None is deleted."""
        kept = sorted((key, row) for key, row in rows.items() if row is not None)
        gone = [key for key, row in rows.items() if row is None]
        if kept:
            values = [structs.astuple(row) for _, row in kept]
            cursor.execute(self._upsert, [list(column) for column in zip(*values, strict=True)])
        if gone:
            cursor.execute(self._delete, [list(column) for column in zip(*gone, strict=True)])


def _names(names: Any) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _arrays(names: Any, types: dict[str, str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.SQL("%b::" + types[name] + "[]") for name in names)


def _updates(names: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in names)


def _same(target: sql.Identifier, key: tuple[str, ...]) -> sql.Composed:
    parts = [sql.SQL("{0}.{1} = gone.{1}").format(target, sql.Identifier(name)) for name in key]
    return sql.SQL(" AND ").join(parts)
