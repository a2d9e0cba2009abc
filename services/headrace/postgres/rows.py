"""The rows of a view, read and written a set at a time: one statement for all keys of a batch."""

from collections.abc import Callable
from operator import attrgetter, itemgetter
from typing import Any, Final

import psycopg
from psycopg import sql

from headrace.kernel.errors import Fault, Misconfigured
from headrace.kernel.view import Key, View
from headrace.postgres.columns import column

# The columns that can be written: not those that Postgres computes or counts itself.
COLUMN_TYPES: Final = """
    SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity <> 'a'"""


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
        types = dict(connection.execute(COLUMN_TYPES, [target.as_string(connection)]).fetchall())
        connection.commit()
        _refuse_arrays(view, types)
        self._columns = [(name, types[name]) for name in self._fields]
        self._key_columns = [(place, types[name]) for place, name in enumerate(table.key)]
        keys, columns = _names(table.key), _names(self._fields)
        key_arrays, arrays = _arrays(table.key, types), _arrays(self._fields, types)
        # Columns that the row does not name take their default anew: `excluded` holds it.
        updated = [name for name in types if name not in table.key]
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

        `OverflowError` for a number of more than 64 bits, which no column takes; `Fault` for a row under a wrong key.
        """
        kept = sorted(key for key, row in rows.items() if row is not None)
        gone = [key for key, row in rows.items() if row is None]
        if kept:
            several = [rows[key] for key in kept]
            self._refuse_moved(kept, several)
            arrays = [column(several, name, kind, by_python=self._by_python) for name, kind in self._columns]
            try:
                cursor.execute(self._upsert, arrays)
            except OverflowError as error:
                raise OverflowError(f"view {self._name}: a row holds a whole number of more than 64 bits") from error
        if gone:
            cursor.execute(self._delete, self._arrays_of(gone))

    def _arrays_of(self, keys: list[Key]) -> list[Any]:
        return [column(keys, place, kind, by_python=self._by_python) for place, kind in self._key_columns]

    def _refuse_moved(self, keys: list[Key], rows: list[Any]) -> None:
        """A row under another key than its own would not be found again, and the next fold would begin anew."""
        found = map(self._part_of, rows) if self._has_parts else zip(map(self._part_of, rows), strict=True)
        if list(found) != keys:
            raise Fault(f"view {self._name}: evolve gave a key the row of another key")


def _refuse_arrays(view: View[Any], types: dict[str, str]) -> None:
    """`unnest` would take an array of arrays apart to the last item."""
    for name in view.table.row.__struct_fields__:
        if types[name].endswith("[]"):
            raise Misconfigured(
                f"view {view.name}: column {name} is an array: use rows of a table of their own, or text"
            )


def _names(names: Any) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _arrays(names: Any, types: dict[str, str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.SQL("%b::" + types[name] + "[]") for name in names)


def _update(names: list[str]) -> sql.Composable:
    """What is left to write of a row whose key is there already."""
    if not names:
        return sql.SQL("NOTHING")
    columns = (sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in names)
    return sql.SQL("UPDATE SET ") + sql.SQL(", ").join(columns)


def _same(target: sql.Identifier, key: tuple[str, ...]) -> sql.Composed:
    parts = [sql.SQL("{0}.{1} = gone.{1}").format(target, sql.Identifier(name)) for name in key]
    return sql.SQL(" AND ").join(parts)
