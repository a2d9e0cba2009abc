"""A default is what its schema makes of it, for every record that was written before its field was there."""

from datetime import date
from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec import Struct, defstruct

from headrace.avro.codec import Codec
from headrace.avro.lint import lint
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.app import App
from headrace.kernel.message import CommandMeta, EventMeta, Writer
from parts import field, locked, write_part

META = CommandMeta(command_id="c", aggregate_id="b-1")
EVENT_META = EventMeta(1, "bells/b-1/1", "b-1", 0, "c", 0, "c", "c", None, Writer("test", 0))
DAY = {"type": "int", "logicalType": "date"}
MOOD = {"type": "enum", "name": "Mood", "symbols": ["sad", "glad"]}
CASTING = {
    "type": "record",
    "name": "Casting",
    "fields": [field("seal", "bytes"), field("on", DAY, default=2), field("weight", "long", default=7)],
}


class Casting(Struct, frozen=True):
    seal: bytes
    on: date
    weight: int = 0


class Bell(Struct, frozen=True):
    rung: int = 0


class Rang(Struct, frozen=True):
    times: int


def bells(command: type, state: Any = Bell()) -> App:  # noqa: B008 - it is frozen
    aggregate: Aggregate[Any, Any, Any] = Aggregate(
        name="bells", initial=state, decide=lambda *_: [], evolve=lambda bell, _: bell, commands=command, events=Rang
    )
    return App(aggregates=(aggregate,))


def write_others(folder: Path) -> None:
    write_part(folder, "event", "Rang", field("times", "long"))
    write_part(folder, "state", "Bell", field("rung", "long", default=0))


@pytest.mark.parametrize(
    ("in_code", "in_schema", "default", "value"),
    [
        (bytes, "bytes", "abcd", b"abcd"),
        (bytes, "bytes", "\u00ff\u0000", b"\xff\0"),
        (date, DAY, 0, date(1970, 1, 1)),
        (date, DAY, -1, date(1969, 12, 31)),
        (date | None, [DAY, "null"], 5, date(1970, 1, 6)),
        (date | None, ["null", DAY], None, None),
        (bytes | None, ["bytes", "null"], "abcd", b"abcd"),
        (float, "double", 1, 1.0),
        (Literal["sad", "glad"], MOOD, "glad", "glad"),
        (list[bytes], {"type": "array", "items": "bytes"}, ["abcd"], [b"abcd"]),
        (dict[str, bytes], {"type": "map", "values": "bytes"}, {"k": "abcd"}, {"k": b"abcd"}),
        (Casting, CASTING, {"seal": "abcd"}, Casting(b"abcd", date(1970, 1, 3), 7)),
        (Casting, CASTING, {"seal": "abcd", "on": 3, "weight": 1}, Casting(b"abcd", date(1970, 1, 4), 1)),
        (list[Casting], {"type": "array", "items": CASTING}, [{"seal": "a"}], [Casting(b"a", date(1970, 1, 3), 7)]),
    ],
)
def test_an_older_record_gets_a_default_as_the_value_that_it_stands_for(
    tmp_path: Path, in_code: Any, in_schema: Any, default: Any, value: Any
) -> None:
    write_others(tmp_path)
    first = defstruct("Ring", [("times", int)], frozen=True)
    write_part(tmp_path, "command", "Ring", field("times", "long"))
    before = locked(tmp_path)
    frame = Codec(bells(first), before).encode(first(3), META)
    second = defstruct("Ring", [("times", int), ("it", in_code)], frozen=True)
    write_part(tmp_path, "command", "Ring", field("times", "long"), field("it", in_schema, default=default), version=2)
    after = locked(tmp_path, before)
    assert list(lint(after.newest["bells", "Ring"])) == []
    codec = Codec(bells(second), after)
    assert codec.decode(frame).body == second(3, value)
    assert codec.decode(codec.encode(second(3, value), META)).body == second(3, value)


def test_a_state_that_has_grown_can_be_read_in_every_older_event(tmp_path: Path) -> None:
    ring = defstruct("Ring", [], frozen=True)
    write_part(tmp_path, "command", "Ring")
    write_others(tmp_path)
    before = locked(tmp_path)
    frame = Codec(bells(ring), before).encode(Rang(3), EVENT_META, Bell(3))
    grown = [field("rung", "long", default=0), field("since", DAY, default=0), field("seal", "bytes", default="none")]
    write_part(tmp_path, "state", "Bell", *grown, version=2)
    sealed = defstruct("Bell", [("rung", int, 0), ("since", date, date.min), ("seal", bytes, b"")], frozen=True)
    codec = Codec(bells(ring, sealed()), locked(tmp_path, before))
    assert codec.decode(frame).state == sealed(3, date(1970, 1, 1), b"none")


@pytest.mark.parametrize(
    ("schema", "default", "why"),
    [
        ("int", 2**31, "2147483648 takes more than 32 bits"),
        ("long", 2**63, "9223372036854775808 takes more than 64 bits"),
        ("long", True, "true is no long"),
        ("double", float("nan"), "nan is no number"),
        ("bytes", "\u0100", "'latin-1' codec can't encode"),
        (DAY, 10**7, "year 29349 is out of range"),
        (["null", "long"], 5, "5 is no null"),
        (MOOD, "angry", '"angry" is no test.bells.Mood'),
        ({"type": "fixed", "name": "Key", "size": 4}, "abc", '"abc" is no test.bells.Key'),
        ({"type": "array", "items": "long"}, [1, "x"], '"x" is no long'),
        ({"type": "map", "values": "long"}, {"k": None}, "null is no long"),
        (CASTING, {}, "{} lacks seal"),
        (CASTING, {"seal": "", "metal": 1}, '{"seal": "", "metal": 1} is no test.bells.Casting'),
        (CASTING, {"seal": "", "weight": 0.5}, "0.5 is no long"),
    ],
)
def test_a_default_that_is_no_value_of_its_field_is_named(tmp_path: Path, schema: Any, default: Any, why: str) -> None:
    write_part(tmp_path, "command", "Ring", field("it", schema, default=default))
    [problem] = lint(locked(tmp_path).newest["bells", "Ring"])
    assert problem.startswith("test.bells.Ring: the default of it does not fit: ")
    assert why in problem


def test_a_default_within_a_record_is_looked_at_too(tmp_path: Path) -> None:
    wrong = CASTING | {"fields": [field("weight", "int", default=2**40)]}
    write_part(tmp_path, "command", "Ring", field("it", {"type": "array", "items": wrong}))
    [problem] = lint(locked(tmp_path).newest["bells", "Ring"])
    assert problem == "test.bells.Ring: the default of weight does not fit: 1099511627776 takes more than 32 bits"
