"""Columns that give back what they are given, so that a row is the same out of memory and out of its table.

A projector folds on rows that it keeps, and reads them again after a restart: where a column rounds, cuts or changes a
value, a view would depend on when that was. Types that do so are refused. A number with a scale and a text with a
length are taken as Postgres will hold them before the next event is folded onto them, and a value of another class is
refused when it is written, which parks its event.
"""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from types import NoneType
from typing import Any, Final, TypeAlias
from uuid import UUID

import psycopg
from msgspec import Struct
from msgspec.structs import replace
from psycopg import sql

from headrace.kernel.errors import Misconfigured
from headrace.kernel.view import View

Held: TypeAlias = Callable[[Any], Any]
"""Makes of a value what a column will hold of it."""

CLASSES: Final[dict[str, type]] = {
    "text": str,
    "character varying": str,
    "smallint": int,
    "integer": int,
    "bigint": int,
    "numeric": Decimal,
    "double precision": float,
    "boolean": bool,
    "date": date,
    "time without time zone": time,
    "timestamp without time zone": datetime,
    "timestamp with time zone": datetime,
    "interval": timedelta,
    "uuid": UUID,
    "bytea": bytes,
}
"""What columns of each type take and give; an enum's are texts."""
WITH_LENGTH: Final = {"numeric", "character varying"}
"""Of the others a precision would lose a part of what they are given."""
OFFSETS: Final = {"timestamp with time zone": timedelta(0), "timestamp without time zone": None}
"""Times come back in UTC, or without a zone."""
WIDEST: Final = Context(prec=2_000, rounding=ROUND_HALF_UP)  # Postgres rounds so, and allows 1,000 digits

# The columns that can be written: not those that Postgres computes or counts itself. A domain is what it is made of:
# an explicit cast to it would cut what is too long.
COLUMNS: Final = """
    WITH RECURSIVE found AS (
        SELECT attname AS name, atttypid AS type, atttypmod AS length FROM pg_attribute
        WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
            AND attgenerated = '' AND attidentity <> 'a'
        UNION ALL
        SELECT name, typbasetype, typtypmod FROM found JOIN pg_type ON pg_type.oid = type WHERE typtype = 'd'
    )
    SELECT name, format_type(type, -1), format_type(type, length), typtype = 'e',
        CASE WHEN length >= 0 THEN (regexp_match(format_type(type, length), '(-?[0-9]+)\\)'))[1]::int END
    FROM found JOIN pg_type ON pg_type.oid = type WHERE typtype <> 'd'"""


class Column(Struct, frozen=True):
    """A column that can be written.

    `kind` is its type without a length: Postgres cuts what is cast to a type with one, and refuses what is inserted.
    """

    name: str
    kind: str
    full: str
    is_enum: bool
    last: int | None
    """A text's length, a number's scale."""

    @property
    def is_exact(self) -> bool:
        """Whether it gives back what it is given, or what `held` makes of it."""
        return self.is_enum or (self.kind in CLASSES and (self.full == self.kind or self.kind in WITH_LENGTH))

    @property
    def held(self) -> Held | None:
        """Makes of a value what the column will hold of it; None where that is the value."""
        if self.kind == "numeric":
            return _rounded(self.last)
        if self.kind == "double precision":
            return lambda value: float(value) if type(value) is int else value
        if self.kind == "character varying" and self.last is not None:
            return _without_blanks(self.last)
        return None

    def refuse_others(self, values: list[Any]) -> None:
        """`TypeError` for a value that Postgres would take and give back as one of another class."""
        wanted = CLASSES.get(self.kind, str)
        for found in set(map(type, values)) - {NoneType}:
            if found is not wanted:  # an enum's member that is a text, too, comes back as the text alone
                raise TypeError(f"column {self.name} takes {wanted.__name__}, not {found.__name__}")
        if self.kind in OFFSETS:
            offset = OFFSETS[self.kind]
            if any(value.utcoffset() != offset for value in values if value is not None):
                raise TypeError(f"column {self.name} takes times {'without a zone' if offset is None else 'in UTC'}")


def columns_of(connection: psycopg.Connection[Any], view: View[Any]) -> dict[str, Column]:
    """The columns of a view's table that can be written, by name; none where there is no table."""
    target = sql.Identifier(view.schema, view.table.name).as_string(connection)
    return {row[0]: Column(*row) for row in connection.execute(COLUMNS, [target]).fetchall()}


def refuse_unfit(view: View[Any], columns: dict[str, Column]) -> None:
    """`Misconfigured` where rows have a field that is no column, or one that would not come back as it was."""
    fields = view.table.row.__struct_fields__
    if missing := [name for name in fields if name not in columns]:
        raise Misconfigured(
            f"view {view.name}: its rows have {', '.join(missing)}, its table has not: a change of rows is a new "
            f"version of the view"
        )
    for column in (columns[name] for name in fields):
        if not column.is_exact:
            raise Misconfigured(
                f"view {view.name}: column {column.name} is {column.full}, which does not give back all that it is "
                f"given: use {', '.join(CLASSES)} or an enum; a change of a table is a new View.version"
            )


def as_held(columns: list[Column]) -> Held | None:
    """Makes of a row what its table will hold of it; None where that is the row."""
    several = [(column.name, held) for column in columns if (held := column.held)]
    if not several:
        return None
    return lambda row: replace(row, **{name: held(getattr(row, name)) for name, held in several})


def _rounded(scale: int | None) -> Held:
    unit = None if scale is None else Decimal((0, (1,), -scale))

    def held(value: Any) -> Any:
        exact = Decimal(value) if type(value) is int else value
        return exact if unit is None or type(exact) is not Decimal else WIDEST.quantize(exact, unit)

    return held


def _without_blanks(length: int) -> Held:
    """Blanks behind the length are the one thing that Postgres cuts off without a word."""
    return lambda value: value[:length] + value[length:].rstrip(" ") if isinstance(value, str) else value
