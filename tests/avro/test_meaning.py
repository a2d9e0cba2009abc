"""A value means in every version of a record what it meant in the first, also where Avro would let that change."""

from pathlib import Path
from typing import Any

import pytest

from headrace.avro.contract import Catalogue
from headrace.avro.lint import incompatibilities
from parts import field, locked, write_part

DAY = {"type": "int", "logicalType": "date"}
KEY = {"type": "fixed", "name": "Key", "size": 4}


def time(unit: str) -> dict[str, Any]:
    return {"type": "long", "logicalType": f"timestamp-{unit}"}


def amount(precision: int, scale: int) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


def line(schema: Any) -> dict[str, Any]:
    return {"type": "record", "name": "Line", "fields": [field("deep", schema)]}


def two_versions(folder: Path, first: Any, second: Any) -> Catalogue:
    write_part(folder, "command", "Ring", field("it", first))
    before = locked(folder)
    write_part(folder, "command", "Ring", field("it", second), version=2)
    return locked(folder, before)


@pytest.mark.parametrize(
    ("first", "second", "was", "became"),
    [
        ("int", DAY, "int", "int (date)"),
        (DAY, "int", "int (date)", "int"),
        (time("millis"), time("micros"), "long (timestamp-millis)", "long (timestamp-micros)"),
        ("long", time("millis"), "long", "long (timestamp-millis)"),
        (amount(9, 2), amount(9, 4), "bytes (decimal, precision 9, scale 2)", "bytes (decimal, precision 9, scale 4)"),
        (amount(8, 2), amount(9, 2), "bytes (decimal, precision 8, scale 2)", "bytes (decimal, precision 9, scale 2)"),
        ("bytes", "string", "bytes", "string"),
        ("string", "bytes", "string", "bytes"),
        (["null", "string"], ["null", "bytes"], "null or string", "bytes or null"),
        (KEY, KEY | {"logicalType": "decimal", "precision": 9}, "fixed", "fixed (decimal, precision 9)"),
    ],
)
def test_a_changed_meaning_is_named(tmp_path: Path, first: Any, second: Any, was: str, became: str) -> None:
    [problem] = incompatibilities(two_versions(tmp_path, first, second))
    assert problem == (
        f"test.bells.Ring: it is {became} in version {{'meta': 1, 'fields': 2}} and "
        f"{was} in {{'meta': 1, 'fields': 1}}: leave it, and add a field, or take a new record name"
    )


@pytest.mark.parametrize(
    ("around", "place"),
    [
        (line, "it.deep"),
        (lambda schema: ["null", line(schema)], "it.deep"),
        (lambda schema: {"type": "array", "items": line(schema)}, "it[].deep"),
        (lambda schema: {"type": "map", "values": {"type": "array", "items": schema}}, "it{}[]"),
    ],
)
def test_it_is_found_at_any_depth(tmp_path: Path, around: Any, place: str) -> None:
    [problem] = incompatibilities(two_versions(tmp_path, around("int"), around(DAY)))
    assert problem.startswith(f"test.bells.Ring: {place} is int (date) in version")


def test_a_version_in_between_without_the_field_hides_nothing(tmp_path: Path) -> None:
    catalogue = Catalogue([])
    for version, fields in enumerate(([field("it", "int", default=0)], [], [field("it", DAY, default=0)]), 1):
        write_part(tmp_path, "command", "Ring", *fields, version=version)
        catalogue = locked(tmp_path, catalogue)
    [problem] = incompatibilities(catalogue)
    assert problem.startswith("test.bells.Ring: it is int (date) in version {'meta': 1, 'fields': 3} and int in")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"type": "long"}, "long"),
        (["null", DAY], [DAY, "null"]),
        (amount(9, 0), {"type": "bytes", "logicalType": "decimal", "precision": 9}),
    ],
)
def test_what_is_only_written_in_another_way_is_no_change(tmp_path: Path, first: Any, second: Any) -> None:
    assert list(incompatibilities(two_versions(tmp_path, first, second))) == []


def test_a_changed_namespace_hides_no_history(tmp_path: Path) -> None:
    write_part(tmp_path, "command", "Ring", field("it", "long"))
    before = locked(tmp_path)
    write_part(tmp_path, "command", "Ring", field("it"), version=2, namespace="other.bells")
    after = locked(tmp_path, before)
    assert len(after.history(after.newest["bells", "Ring"])) == 2
    [problem] = incompatibilities(after)
    assert problem == (
        "other.bells.Ring: was test.bells.Ring in version {'meta': 1, 'fields': 1}: a record keeps its namespace; "
        "leave it, or take a new record name"
    )
