"""Columns that are packed at once are, byte for byte, what psycopg makes of them; all others are left to it."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from psycopg.adapt import PyFormat, Transformer

from headrace.postgres import columns
from headrace.postgres.columns import COMMON, Packed, column, copied


class Row(Struct):
    x: Any


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
TIMES = st.datetimes(timezones=st.just(UTC))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "date": st.dates(),
    "timestamp with time zone": TIMES,
}
ODD: dict[str, list[Any]] = {
    "text": ["a\0b", "\ud800", 1, b"a"],
    "bigint": [2**63, True, "1", 1.0],
    "integer": [2**31, False, "1"],
    "date": [datetime(2020, 1, 1, tzinfo=UTC), "2020-01-01"],
    "timestamp with time zone": [
        datetime(2020, 1, 1, tzinfo=UTC).replace(tzinfo=None),
        date(2020, 1, 1),
        datetime(2020, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    ],
}


def item_of(kind: str, value: Any) -> bytes:
    """A value as psycopg writes it, alone; a number in as many bytes as its column has."""
    if isinstance(value, int):
        return value.to_bytes(8 if kind == "bigint" else 4, "big", signed=True)
    [found] = Transformer().dump_sequence([value], [PyFormat.BINARY])
    assert found is not None
    return bytes(found)


def array_of(kind: str, values: list[Any]) -> bytes:
    """By the book."""
    head = [1, int(None in values), COMMON[kind][0], len(values), 1]
    items = [b"\xff" * 4 if each is None else len(it := item_of(kind, each)).to_bytes(4, "big") + it for each in values]
    return b"".join(number.to_bytes(4, "big") for number in head) + b"".join(items)


@pytest.mark.parametrize("kind", COMMON)
@given(st.data())
def test_a_column_is_what_psycopg_makes_of_its_values(kind: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | VALUES[kind], min_size=1, max_size=30))
    rows, keys = [Row(value) for value in values], [(0, value) for value in values]
    assert column(rows, "x", kind, by_python=True) == column(keys, 1, kind, by_python=True) == values
    for found in (column(rows, "x", kind), column(keys, 1, kind)):
        if columns.packing:
            assert isinstance(found, Packed)
            assert found == array_of(kind, values)
        else:
            assert found == values


@pytest.mark.parametrize(("kind", "odd"), [(kind, odd) for kind, several in ODD.items() for odd in several], ids=repr)
def test_a_value_that_is_none_of_the_usual_leaves_its_column_to_psycopg(kind: str, odd: Any) -> None:
    assert column([Row(odd)], "x", kind) == [odd]


def test_a_type_that_is_not_common_is_left_to_psycopg() -> None:
    assert column([Row(1)], "x", "numeric") == [1]


def test_every_day_of_the_calendar_has_its_number() -> None:
    days = [date.fromordinal(number) for number in range(1, date.max.toordinal(), 31)]
    found = column([Row(day) for day in days], "x", "date")
    if columns.packing:
        assert found == array_of("date", days)


@given(
    st.lists(
        st.tuples(TEXTS | st.none(), VALUES["integer"], VALUES["bigint"], st.binary(max_size=40), st.booleans(), TIMES)
    )
)
def test_rows_that_are_copied_are_what_postgres_reads(rows: list[tuple[Any, ...]]) -> None:
    """Signature, rows with their fields, each behind its length, trailer."""
    kinds = ["text", "int4", "int8", "bytea", "bool", "timestamptz"]
    since = datetime(1970, 1, 1, tzinfo=UTC)
    numbers = [(*row[:5], (row[5] - since) // timedelta(microseconds=1)) for row in rows]
    expected = b"PGCOPY\n\xff\r\n\0" + bytes(8)
    for text, small, large, raw, flag, time in rows:
        found = [text, item_of("integer", small), item_of("bigint", large), raw, bytes([flag]), item_of("", time)]
        fields = [each.encode() if isinstance(each, str) else each for each in found]
        expected += b"\0\6" + b"".join(
            b"\xff" * 4 if each is None else len(each).to_bytes(4, "big") + each for each in fields
        )
    assert copied(numbers, kinds) == (expected + b"\xff\xff" if columns.packing else None)
    assert copied(numbers, kinds, by_python=True) is None


@pytest.mark.parametrize(
    ("kind", "odd"), [("text", "a\0"), ("int4", 2**31), ("bytea", "a"), ("bool", 1), ("timestamptz", None)], ids=repr
)
def test_rows_with_an_odd_value_are_left_to_psycopg(kind: str, odd: Any) -> None:
    found = copied([(odd,)], [kind])
    assert found is None or (odd is None and found.endswith(b"\0\1" + b"\xff" * 6))
