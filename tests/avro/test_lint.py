"""Schemas that would be dangerous to decode, or impossible to change, are named before they are locked."""

from pathlib import Path
from typing import Any

import pytest

from headrace.avro.contract import Contract
from headrace.avro.lint import MAX_DEPTH, incompatibilities, lint
from parts import field, locked, write_part

EMPTY = {"type": "record", "name": "Empty", "fields": []}
HOLLOW = {"type": "record", "name": "Hollow", "fields": [field("inside", EMPTY), field("nothing", "null")]}
MUTUAL = {
    "type": "record",
    "name": "Hen",
    "fields": [field("egg", ["null", {"type": "record", "name": "Egg", "fields": [field("hen", ["null", "Hen"])]}])],
}


def contract(folder: Path, *fields: dict[str, Any], kind: str = "command") -> Contract:
    write_part(folder, kind, "Ring", *fields)
    if kind == "event":
        write_part(folder, "state", "Bell", field("rung", "long"))
    return locked(folder).newest["bells", "Ring"]


def array(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def nested(levels: int, *, records: bool) -> Any:
    schema: Any = "long"
    for level in range(levels):
        schema = {"type": "record", "name": f"L{level}", "fields": [field("in", schema)]} if records else array(schema)
    return schema


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ("Ring", "test.bells.Ring contains itself"),
        (["null", "Ring"], "test.bells.Ring contains itself"),
        (array("test.bells.Ring"), "test.bells.Ring contains itself"),
        (MUTUAL, "test.bells.Hen contains itself"),
        ({"type": "Ring"}, "not an Avro schema"),
        ({"type": array("Ring")}, "not an Avro schema"),
        (array("null"), "array of something that takes no bytes"),
        (array({"type": "null"}), "array of something that takes no bytes"),
        (array(EMPTY), "array of something that takes no bytes"),
        (array(HOLLOW), "array of something that takes no bytes"),
        (array({"type": "error", "name": "Oops", "fields": []}), "array of something that takes no bytes"),
        (array({"type": "fixed", "name": "Zero", "size": 0}), "array of something that takes no bytes"),
        (array(array("null")), "array of something that takes no bytes"),
        ({"type": "map", "values": "null"}, "map of something that takes no bytes"),
        (nested(MAX_DEPTH + 1, records=False), f"nested deeper than {MAX_DEPTH} levels"),
        (nested(MAX_DEPTH + 1, records=True), f"nested deeper than {MAX_DEPTH} levels"),
        ("Bell", "not an Avro schema: UnknownType: test.bells.Bell"),
        ({"type": "array"}, "not an Avro schema: KeyError: 'items'"),
        (["null", "null"], "not an Avro schema"),
        (["null", ["null", "long"]], "not an Avro schema"),
    ],
)
def test_what_could_take_a_decoder_down_is_named(tmp_path: Path, schema: Any, why: str) -> None:
    [problem] = lint(contract(tmp_path, field("trouble", schema)))
    assert problem.startswith("test.bells.Ring: ")
    assert why in problem


def test_an_empty_record_is_found_by_its_name_too(tmp_path: Path) -> None:
    [problem] = lint(contract(tmp_path, field("one", EMPTY), field("many", array("Empty"))))
    assert "array of something that takes no bytes" in problem


def test_what_is_wrong_is_named_in_every_place(tmp_path: Path) -> None:
    assert len(list(lint(contract(tmp_path, field("one", array("null")), field("two", array(EMPTY)))))) == 2


@pytest.mark.parametrize(
    "schema",
    [
        EMPTY,
        array("long"),
        array(["null"]),
        array({"type": "enum", "name": "E", "symbols": ["A"]}),
        {"type": "map", "values": array("string")},
        ["null", {"type": "int", "logicalType": "date"}],
        nested(MAX_DEPTH - 1, records=True),
    ],
)
def test_what_is_harmless_passes(tmp_path: Path, schema: Any) -> None:
    assert list(lint(contract(tmp_path, field("fine", schema)))) == []


def test_a_record_may_be_used_twice_without_containing_itself(tmp_path: Path) -> None:
    assert list(lint(contract(tmp_path, field("one", HOLLOW), field("two", "Hollow")))) == []


@pytest.mark.parametrize(("kind", "name"), [("command", "meta"), ("event", "meta"), ("event", "state")])
def test_the_names_of_the_parts_that_composition_adds_are_taken(tmp_path: Path, kind: str, name: str) -> None:
    [problem] = lint(contract(tmp_path, field(name), kind=kind))
    assert problem == f"test.bells.Ring: '{name}' is the name of a part that composition adds: rename the field"


def test_a_command_may_have_a_field_called_state(tmp_path: Path) -> None:
    assert list(lint(contract(tmp_path, field("state")))) == []


def test_two_fields_of_one_name_are_refused(tmp_path: Path) -> None:
    [problem] = lint(contract(tmp_path, field("times"), field("times")))
    assert "not an Avro schema" in problem


TIMES, LOUD = field("times", "long"), field("loud", "string")
OPTIONAL = field("loud", "string", default="soft")


@pytest.mark.parametrize(
    ("first", "second", "readers"),
    [
        ([TIMES], [TIMES, LOUD], ["2"]),
        ([TIMES, LOUD], [TIMES], ["1"]),
        ([TIMES], [field("times", "string")], ["1", "2"]),
        ([TIMES], [field("times", "double")], ["1"]),
        ([field("times", ["null", "long"])], [TIMES], ["2"]),
        ([TIMES], [field("often", "long")], ["1", "2"]),
    ],
    ids=["a field without default", "without a field that had no default", "another type", "a wider type", "no null",
         "another name"],
)  # fmt: skip
def test_versions_that_cannot_read_each_other_are_named(
    tmp_path: Path, first: list[Any], second: list[Any], readers: list[str]
) -> None:
    write_part(tmp_path, "command", "Ring", *first)
    before = locked(tmp_path)
    write_part(tmp_path, "command", "Ring", *second, version=2)
    found = list(incompatibilities(locked(tmp_path, before)))
    assert sorted(line.split("'fields': ")[1][0] for line in found) == readers
    for line in found:
        assert line.startswith("test.bells.Ring: version {'meta': 1, 'fields': ")
        assert "cannot read what" in line
        assert "add fields with defaults only, or take a new record name" in line


@pytest.mark.parametrize(
    ("first", "second"),
    [([TIMES], [TIMES, OPTIONAL]), ([TIMES, OPTIONAL], [TIMES]), ([TIMES, OPTIONAL], [OPTIONAL, TIMES])],
    ids=["a field with a default", "without a field that had one", "another order"],
)
def test_versions_that_read_each_other_pass(tmp_path: Path, first: list[Any], second: list[Any]) -> None:
    write_part(tmp_path, "command", "Ring", *first)
    before = locked(tmp_path)
    write_part(tmp_path, "command", "Ring", *second, version=2)
    assert list(incompatibilities(locked(tmp_path, before))) == []


def test_every_version_is_compared_with_every_other(tmp_path: Path) -> None:
    """1 and 2 agree, 2 and 3 agree, 1 and 3 do not: a field came as a text and went, and came back as a number."""
    write_part(tmp_path, "command", "Ring", TIMES, OPTIONAL)
    first = locked(tmp_path)
    write_part(tmp_path, "command", "Ring", TIMES, version=2)
    second = locked(tmp_path, first)
    write_part(tmp_path, "command", "Ring", TIMES, field("loud", "long", default=0), version=3)
    found = list(incompatibilities(locked(tmp_path, second)))
    assert len(found) == 2
    assert not any("'fields': 2" in line for line in found)


def test_a_change_of_state_is_compared_in_every_event(tmp_path: Path) -> None:
    write_part(tmp_path, "event", "Rang", TIMES)
    write_part(tmp_path, "state", "Bell", field("rung", "long"))
    before = locked(tmp_path)
    write_part(tmp_path, "state", "Bell", field("rung", "string"), version=2)
    found = list(incompatibilities(locked(tmp_path, before)))
    assert len(found) == 2
    assert all(line.startswith("test.bells.Rang: ") for line in found)
