"""The rows of a view, read and written a set at a time: one statement for all keys of a batch."""

from collections.abc import Callable
from operator import attrgetter, itemgetter
from typing import Any

import psycopg
from psycopg import sql

from headrace.kernel.view import Key, View
from headrace.postgres.columns import column
from headrace.postgres.exact import Column, as_held, columns_of, refuse_unfit


class MovedRow(Exception):  # noqa: N818 - it is what the view made
    """A row under another key than its own: it would not be found again, and the next fold would begin anew."""


class ViewRows:
    """One view's table: its rows by key. Statements are built once, from the table as it is.

    `by_python` leaves all columns to psycopg.
    """

    def __init__(self, connection: psycopg.Connection[Any], view: View[Any], *, by_python: bool = False) -> None:
        table = view.table
        self._by_python = by_python
        self._name = view.name
        self._row = table.row
        self._fields = table.row.__struct_fields__
        first, *others = (self._fields.index(name) for name in table.key)
        self._key_of: Callable[[tuple[Any, ...]], Key] = (
            itemgetter(first, *others) if others else lambda values: (values[first],)
        )
        self._part_of = attrgetter(*table.key)  # of several, what it gives is the key; of one, its part
        self._has_parts = len(table.key) > 1
        target = sql.Identifier(view.schema, table.name)
        found = columns_of(connection, view)
        connection.commit()
        refuse_unfit(view, found)
        self._columns = [found[name] for name in self._fields]
        self._key_columns = [found[name] for name in table.key]
        self.as_held = as_held(self._columns)
        keys, columns = _names(table.key), _names(self._fields)
        key_arrays, arrays = _arrays(self._key_columns), _arrays(self._columns)
        # Columns that the row does not name take their default anew: `excluded` holds it.
        updated = [name for name in found if name not in table.key]
        self._select = (
            sql.SQL("SELECT {columns} FROM {target} JOIN unnest({arrays}) AS wanted ({keys}) USING ({keys})")
            .format(columns=columns, target=target, arrays=key_arrays, keys=keys)
            .as_bytes(connection)
        )
        self._upsert = (
            sql.SQL("INSERT INTO {target} ({columns}) SELECT * FROM unnest({arrays}) ON CONFLICT ({keys}) DO {update}")
            .format(target=target, columns=columns, arrays=arrays, keys=keys, update=_update(updated))
            .as_bytes(connection)
        )
        self._delete = (
            sql.SQL("DELETE FROM {target} USING unnest({arrays}) AS gone ({keys}) WHERE {same}")
            .format(target=target, arrays=key_arrays, keys=keys, same=_same(target, table.key))
            .as_bytes(connection)
        )

    def read(self, cursor: psycopg.Cursor[Any], keys: list[Key]) -> dict[Key, Any]:
        """The rows that exist for these keys."""
        # As text: in binary a type that psycopg does not know, such as an enum, would come as bytes.
        cursor.execute(self._select, self._arrays_of(keys))
        row, key_of = self._row, self._key_of
        return {key_of(values): row(*values) for values in cursor.fetchall()}

    def write(self, cursor: psycopg.Cursor[Any], rows: dict[Key, Any]) -> None:
        """Insert or replace the rows; a key whose row is None is deleted.

        `OverflowError` for a number of more than 64 bits, which no column takes; `TypeError` for a value that its
        column would give back as another; `MovedRow` for a row under a wrong key.
        """
        kept = sorted(key for key, row in rows.items() if row is not None)
        gone = [key for key, row in rows.items() if row is None]
        if kept:
            several = [rows[key] for key in kept]
            self._refuse_moved(kept, several)
            arrays = [self._array(several, each.name, each) for each in self._columns]
            try:
                cursor.execute(self._upsert, arrays)
            except OverflowError as error:
                raise OverflowError(f"view {self._name}: a row holds a whole number of more than 64 bits") from error
        if gone:
            cursor.execute(self._delete, self._arrays_of(gone))

    def _arrays_of(self, keys: list[Key]) -> list[Any]:
        return [self._array(keys, place, each) for place, each in enumerate(self._key_columns)]

    def _array(self, rows: list[Any], what: str | int, each: Column) -> Any:
        values = column(rows, what, each.kind, by_python=self._by_python)
        if isinstance(values, list):  # what is packed is of its class
            if held := each.held:
                values = [held(value) for value in values]
            each.refuse_others(values)
        return values

    def _refuse_moved(self, keys: list[Key], rows: list[Any]) -> None:
        found = map(self._part_of, rows) if self._has_parts else zip(map(self._part_of, rows), strict=True)
        if (own := list(found)) != keys:
            key, other = next(pair for pair in zip(keys, own, strict=True) if pair[0] != pair[1])
            raise MovedRow(f"view {self._name}: evolve gave the key {key!r} the row of {other!r}")


def _names(names: Any) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _arrays(columns: list[Column]) -> sql.Composed:
    return sql.SQL(", ").join(sql.SQL("%b::" + each.kind + "[]") for each in columns)


def _update(names: list[str]) -> sql.Composable:
    """What is left to write of a row whose key is there already."""
    if not names:
        return sql.SQL("NOTHING")
    columns = (sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in names)
    return sql.SQL("UPDATE SET ") + sql.SQL(", ").join(columns)


def _same(target: sql.Identifier, key: tuple[str, ...]) -> sql.Composed:
    parts = [sql.SQL("{0}.{1} = gone.{1}").format(target, sql.Identifier(name)) for name in key]
    return sql.SQL(" AND ").join(parts)
