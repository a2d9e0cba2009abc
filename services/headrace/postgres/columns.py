"""Columns of many rows for placeholders `%b`: packed at once where that is compiled, else lists for psycopg to pack."""

from typing import Any, Final

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

try:
    from headrace.postgres import packing
except ImportError:  # no C compiler was there when the package was built
    packing = None  # type: ignore[assignment]

COMMON: Final = {
    "text": (25, 1009),
    "integer": (23, 1007),
    "bigint": (20, 1016),
    "date": (1082, 1182),
    "timestamp with time zone": (1184, 1185),
}
"""The ids of types that most columns have, and of their arrays, by the names that `format_type` gives them."""


class Packed(bytes):
    """An array in binary; each type of arrays has a class of its own, which says how it is sent."""


class PackedDumper(Dumper):
    """Hands it over as it is."""

    format = Format.BINARY

    def dump(self, obj: bytes) -> bytes:  # noqa: D102
        return obj


def _kind_of(array_oid: int) -> type[Packed]:
    kind = type("Packed", (Packed,), {})
    psycopg.adapters.register_dumper(kind, type("PackedDumper", (PackedDumper,), {"oid": array_oid}))
    return kind


# By the names that a COPY's columns are given.
COPIED: Final = {"bool": 16, "bytea": 17, "int8": 20, "int4": 23, "text": 25, "timestamptz": 1184}
PACKED: Final = {name: (oid, _kind_of(array_oid)) for name, (oid, array_oid) in COMMON.items()}


def copied(rows: list[tuple[Any, ...]], kinds: list[str], *, by_python: bool = False) -> bytes | None:
    """What a binary COPY of these rows is sent, times being microseconds since 1970; None: psycopg is to write them."""
    if packing is None or by_python:
        return None
    return packing.copied(rows, tuple(COPIED[kind] for kind in kinds))


def column(rows: list[Any], what: str | int, kind: str, *, by_python: bool = False) -> Packed | list[Any]:
    """One column of rows, by its attribute's name, or by its place where they are tuples; `kind` is its type."""
    if packing and kind in PACKED and not by_python:
        oid, packed = PACKED[kind]
        data = packing.packed(rows, what, oid)
        if data is not None:
            return packed(data)
    return [getattr(row, what) for row in rows] if isinstance(what, str) else [row[what] for row in rows]
