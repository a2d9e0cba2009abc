"""Classes and schemas say the same, or it is said where they do not."""

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct, defstruct

from headrace.avro.agreement import disagreements, mismatches
from headrace.avro.contract import Catalogue
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.app import App
from parts import field, locked, write_part


class Bell(Struct, frozen=True):
    rung: int = 0


class Rang(Struct, frozen=True):
    pass


class Mood(Enum):
    SAD = "a"
    GLAD = "b"


class Line(Struct, frozen=True):
    sku: str


class Node(Struct, frozen=True):
    inside: "list[Node]"


MOOD = {"type": "enum", "name": "E", "symbols": ["a", "b"]}
LINE = {"type": "record", "name": "Line", "fields": [field("sku")]}
NODE = {"type": "record", "name": "Node", "fields": [field("inside", {"type": "array", "items": "Node"})]}
DAY = {"type": "int", "logicalType": "date"}
TIME = {"type": "long", "logicalType": "timestamp-millis"}


def found(folder: Path, fields: list[tuple[str, Any]], *in_schema: dict[str, Any], **more: Any) -> list[str]:
    """What is said of a command with these fields in the class, and those in the schema."""
    write_part(folder, "command", "Ring", *in_schema)
    write_part(folder, "event", "Rang")
    write_part(folder, "state", "Bell", field("rung", "long"))
    return list(disagreements(bells(defstruct("Ring", fields, frozen=True), **more), locked(folder)))


def bells(command: type, **more: Any) -> App:
    settings: dict[str, Any] = {"initial": Bell(), "commands": command, "events": Rang} | more
    aggregate: Aggregate[Any, Any, Any] = Aggregate(
        name="bells", decide=lambda *_: [], evolve=lambda state, _: state, **settings
    )
    return App(aggregates=(aggregate,))


@pytest.mark.parametrize(
    ("in_code", "in_schema"),
    [
        (str, "string"),
        (int, "long"),
        (int, "int"),
        (int, TIME),
        (bool, "boolean"),
        (bytes, "bytes"),
        (float, "double"),
        (date, DAY),
        (date | None, ["null", DAY]),
        (str | None, ["string", "null"]),
        (Literal["a", "b"], "string"),
        (Literal["a", "b"], {"type": "enum", "name": "E", "symbols": ["a", "b"]}),
        (list[Line], {"type": "array", "items": LINE}),
        (tuple[int, ...], {"type": "array", "items": "long"}),
        (dict[str, int], {"type": "map", "values": "long"}),
        (Line | None, ["null", LINE]),
    ],
)
def test_a_class_and_its_schema_agree(tmp_path: Path, in_code: Any, in_schema: Any) -> None:
    assert found(tmp_path, [("it", in_code)], field("it", in_schema)) == []


@pytest.mark.parametrize(
    ("in_code", "in_schema"),
    [
        (str, "long"),
        (int, "string"),
        (int, "double"),
        (float, "float"),
        (int, DAY),
        (date, "int"),
        (date, TIME),
        (date, {"type": "long", "logicalType": "date"}),
        (str, ["null", "string"]),
        (str | None, "string"),
        (str | None, ["string"]),
        (list[str], {"type": "array", "items": "bytes"}),
        (list[str], {"type": "map", "values": "string"}),
        (Line, LINE | {"fields": [field("sku"), field("more")]}),
        (Line, LINE | {"fields": [field("code")]}),
        (str, ["string", "long"]),
    ],
)
def test_a_class_and_its_schema_do_not_agree(tmp_path: Path, in_code: Any, in_schema: Any) -> None:
    [problem] = found(tmp_path, [("it", in_code)], field("it", in_schema))
    assert problem.startswith("Ring: the class says {'it': ")
    assert problem.endswith("make them agree, then `headrace schemas lock`")


@pytest.mark.parametrize(
    ("in_code", "in_schema"),
    [
        (Literal["a", "b"], MOOD),
        (Mood, MOOD),
        (str, MOOD),
        (list[Mood], {"type": "array", "items": MOOD}),
        (Literal["a"], "string"),
        (Mood | None, ["null", "string"]),
    ],
)
def test_a_class_of_few_values_may_have_them_all_or_be_a_narrower_text(
    tmp_path: Path, in_code: Any, in_schema: Any
) -> None:
    assert found(tmp_path, [("it", in_code)], field("it", in_schema)) == []


@pytest.mark.parametrize(
    ("in_code", "in_schema", "values", "symbols"),
    [
        (Literal["a", "b", "c"], MOOD, ["a", "b", "c"], ["a", "b"]),
        (Literal["a"], MOOD, ["a"], ["a", "b"]),
        (Literal["x"], MOOD, ["x"], ["a", "b"]),
        (Mood, MOOD | {"symbols": ["a", "b", "c"]}, ["a", "b"], ["a", "b", "c"]),
        (Mood | None, ["null", MOOD | {"symbols": ["a"]}], ["a", "b"], ["a"]),
        (dict[str, Literal["a"]], {"type": "map", "values": MOOD}, ["a"], ["a", "b"]),
        (Literal["a", 1], "string", ["a", 1], "string"),
    ],
)
def test_values_that_only_one_of_them_has_are_named(
    tmp_path: Path, in_code: Any, in_schema: Any, values: list[Any], symbols: Any
) -> None:
    [problem] = found(tmp_path, [("it", in_code)], field("it", in_schema))
    assert problem == (
        f"Ring.it: the class says {values}, the locked schema says {symbols}: "
        f"make them agree, then `headrace schemas lock`"
    )


@pytest.mark.parametrize(
    ("in_code", "in_schema", "default", "why"),
    [
        (Literal["a"], "string", "", "Invalid enum value ''"),
        (Mood, MOOD, "c", '"c" is no test.bells.E'),
    ],
)
def test_a_default_that_the_class_refuses_is_named(
    tmp_path: Path, in_code: Any, in_schema: Any, default: Any, why: str
) -> None:
    [problem] = found(tmp_path, [("it", in_code)], field("it", in_schema, default=default))
    assert problem.startswith(f"Ring.it: the class does not take the default {default!r} of the locked schema: ")
    assert why in problem


@pytest.mark.parametrize(
    ("in_code", "in_schema", "said"),
    [
        (Annotated[int, Meta(gt=0, le=9)], "long", "gt=0, le=9"),
        (Annotated[str, Meta(pattern="^a")] | None, ["null", "string"], "pattern='^a'"),
        (list[Annotated[str, Meta(max_length=2)]], {"type": "array", "items": "string"}, "max_length=2"),
        (dict[Annotated[str, Meta(min_length=1)], int], {"type": "map", "values": "long"}, "min_length=1"),
        (Annotated[dict[str, int], Meta(min_length=1)], {"type": "map", "values": "long"}, "min_length=1"),
    ],
)
def test_limits_that_are_not_the_schemas_are_for_decide_to_check(
    tmp_path: Path, in_code: Any, in_schema: Any, said: str
) -> None:
    [problem] = found(tmp_path, [("it", in_code)], field("it", in_schema))
    assert problem == (
        f"Ring.it: the class says Meta({said}), and records that are otherwise could not be read: "
        f"leave it out, and have decide refuse"
    )


def test_limits_of_events_and_states_are_seen_too(tmp_path: Path) -> None:
    limited = defstruct("Bell", [("rung", Annotated[int, Meta(le=9)], 0)], frozen=True)
    [problem] = found(tmp_path, [], initial=limited())
    assert problem.startswith("Rang.state.rung: the class says Meta(le=9), ")


def test_a_class_that_would_be_read_from_arrays_is_refused(tmp_path: Path) -> None:
    listed = defstruct("Line", [("sku", str)], frozen=True, array_like=True)
    [problem] = found(tmp_path, [("it", listed)], field("it", LINE))
    assert problem == "Ring: Line is array_like, and records of older versions are not: drop that"


def test_a_field_that_is_missing_on_either_side_is_seen(tmp_path: Path) -> None:
    one, both = [("a", str)], [("a", str), ("b", str)]
    [problem] = found(tmp_path, one, field("a"), field("b"))
    assert "the class says {'a': 'string'}, the locked schema says {'a': 'string', 'b': 'string'}" in problem
    [problem] = found(tmp_path, both, field("a"))
    assert "the class says {'a': 'string', 'b': 'string'}, the locked schema says {'a': 'string'}" in problem


@pytest.mark.parametrize(
    ("kind", "what"),
    [(datetime, "datetime"), (Decimal, "decimal"), (set[str], "set"), (str | int, "union"), (str | int | None, "union"),
     (tuple[int, str], "tuple"), (Any, "any")],
)  # fmt: skip
def test_a_type_that_no_message_can_hold_is_named(tmp_path: Path, kind: Any, what: str) -> None:
    [problem] = found(tmp_path, [("it", kind)], field("it"))
    assert problem.startswith(f"Ring: a message cannot hold a {what}: use str, int")


def test_a_class_that_contains_itself_comes_to_an_end(tmp_path: Path) -> None:
    assert found(tmp_path, [("it", Node)], field("it", NODE)) == []
    assert len(found(tmp_path, [("it", Node)], field("it", LINE))) == 1


def test_a_state_is_compared_in_each_event(tmp_path: Path) -> None:
    class Louder(Struct, frozen=True):
        rung: int = 0
        loud: bool = False

    [problem] = found(tmp_path, [], initial=Louder())
    assert problem.startswith("Rang.state: the class says {'rung': 'integer', 'loud': 'boolean'}")


def test_a_class_without_schema_is_named_with_the_file_to_write(tmp_path: Path) -> None:
    class Silenced(Struct, frozen=True):
        pass

    [problem] = found(tmp_path, [], events=Rang | Silenced)
    assert problem == (
        "Silenced has no locked schema: write schemas/bells/Silenced.v1.avsc, then `headrace schemas lock`"
    )


def test_a_schema_without_class_is_named(tmp_path: Path) -> None:
    write_part(tmp_path, "event", "Tolled")
    [problem] = found(tmp_path, [])
    assert problem == "Tolled has a schema in schemas/bells but no class in the app: keep it, or give an upcast"


def test_a_retired_event_keeps_its_class_for_its_upcast(tmp_path: Path) -> None:
    class Tolled(Struct, frozen=True):
        mood: str

    write_part(tmp_path, "event", "Tolled", field("mood"))
    assert found(tmp_path, [], upcasts={Tolled: lambda _: Rang()}) == []


def test_other_domains_in_the_folder_are_others_to_compare(tmp_path: Path) -> None:
    (tmp_path / "chimes").mkdir()
    (tmp_path / "chimes" / "Chime.v1.avsc").write_text(
        '{"type": "record", "name": "Chime", "kind": "command", "fields": []}', encoding="utf-8"
    )
    assert found(tmp_path, []) == []


def test_a_lock_file_without_outcomes_is_none(tmp_path: Path) -> None:
    write_part(tmp_path, "command", "Ring")
    whole = locked(tmp_path)
    part = Catalogue([contract for contract in whole.contracts if contract.kind != "outcome"])
    problems = list(mismatches(bells(defstruct("Ring", [], frozen=True)), part))
    assert problems[0] == "Outcome, which is Headrace's own, has no locked schema: run `headrace schemas lock`"
