"""Bytes of an older version are refused wherever the same bytes of today's would be."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, defstruct

from headrace.avro.codec import PREFIX_LENGTH, Codec, Undecodable
from headrace.avro.functions import Functions
from headrace.avro.straight import NotStraight
from headrace.avro.straight.stand_in import stand_in_for
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.app import App
from headrace.kernel.message import CommandMeta
from parts import field, locked, write_part

META = CommandMeta(command_id="c", aggregate_id="b-1")


class Clapper(Struct, frozen=True):
    weight: int
    maker: str | None


KINDS: list[tuple[str, Any, Any]] = [
    ("times", int, "long"),
    ("loudness", int, "int"),
    ("by", str, "string"),
    ("seal", bytes, "bytes"),
    ("is_open", bool, "boolean"),
    ("class", date, {"type": "int", "logicalType": "date"}),
    ("mood", str, {"type": "enum", "name": "Mood", "symbols": ["sad", "glad"]}),
    ("pitch", float, "double"),
    (
        "clappers",
        list[Clapper],
        {
            "type": "array",
            "items": {
                "type": "record",
                "name": "Clapper",
                "fields": [field("weight", "long"), field("maker", ["null", "string"])],
            },
        },
    ),
    ("spare", Clapper | None, ["null", "Clapper"]),
    ("counts", dict[str, int], {"type": "map", "values": "long"}),
]
VALUES = [3, -4, "ann", b"\0\xff", True, date(2026, 1, 2), "glad", 1.5, [Clapper(1, None), Clapper(2**40, "x")],
          Clapper(5, "y"), {"a": 1, "b": -(2**62)}]  # fmt: skip


def ring(*more: Any) -> Any:
    fields = [(f"its_{name}", kind) for name, kind, _ in KINDS]
    rename = {f"its_{name}": name for name, *_ in KINDS}
    return defstruct("Ring", [*fields, *more], frozen=True, rename=rename)


First, Second = ring(), ring(("added", int, 0))


def bells(command: Any) -> App:
    bell, rang = defstruct("Bell", [("rung", int, 0)], frozen=True), defstruct("Rang", [], frozen=True)
    aggregate: Aggregate[Any, Any, Any] = Aggregate(
        name="bells", initial=bell(), decide=lambda *_: [], evolve=lambda state, _: state, commands=command, events=rang
    )
    return App(aggregates=(aggregate,))


@pytest.fixture(scope="module")
def both(by: Functions, tmp_path_factory: pytest.TempPathFactory) -> tuple[Codec, Codec]:
    """The codec of the first version, and that of the second, which reads the first's records too."""
    folder: Path = tmp_path_factory.mktemp("schemas")
    fields = [field(name, schema) for name, _, schema in KINDS]
    write_part(folder, "event", "Rang")
    write_part(folder, "state", "Bell", field("rung", "long", default=0))
    write_part(folder, "command", "Ring", *fields)
    before = locked(folder)
    write_part(folder, "command", "Ring", *fields, field("added", "long", default=0), version=2)
    after = locked(folder, before)
    return Codec(bells(First), before, functions=by), Codec(bells(Second), after, functions=by)


def values_in(codec: Codec, frame: bytes) -> tuple[Any, ...] | None:
    """The fields that both versions have; None of what is refused."""
    try:
        body = codec.decode(frame).body
    except Undecodable:
        return None
    return tuple(getattr(body, f"its_{name}") for name, *_ in KINDS)


def test_an_older_record_is_read(both: tuple[Codec, Codec]) -> None:
    frame = both[0].encode(First(*VALUES), META)
    assert values_in(both[1], frame) == values_in(both[0], frame) == tuple(VALUES)


def test_a_boolean_of_another_byte_is_refused_in_an_older_record_too(both: tuple[Codec, Codec]) -> None:
    frame = both[0].encode(First(*VALUES), META)
    sealed = frame.index(b"\x04\0\xff\x01") + 3
    assert values_in(both[1], frame[:sealed] + b"\x02" + frame[sealed + 1 :]) is None


def test_a_number_of_more_than_64_bits_is_refused_in_an_older_record_too(both: tuple[Codec, Codec]) -> None:
    frame = both[0].encode(First(*VALUES), META)
    times = frame.index(b"\x06\x07\x06ann")
    assert values_in(both[1], frame[:times] + b"\x80" * 9 + b"\x02" + frame[times + 1 :]) is None


@given(
    place=st.floats(0, 1, exclude_max=True),
    instead=st.sampled_from([b"\x01", b"\x03", b"\x80" * 9 + b"\x02", b"\xff" * 9 + b"\x01", b"\x80" * 12 + b"\0"])
    | st.binary(max_size=3),
)
def test_what_is_changed_in_a_record_is_taken_or_refused_by_both(
    both: tuple[Codec, Codec], place: float, instead: bytes
) -> None:
    frame = both[0].encode(First(*VALUES), META)
    at = PREFIX_LENGTH + int(place * (len(frame) - PREFIX_LENGTH))
    changed = frame[:at] + instead + frame[at + 1 :]
    assert repr(values_in(both[1], changed)) == repr(values_in(both[0], changed))


def test_nothing_stands_in_for_a_record_that_contains_itself() -> None:
    node = {"type": "record", "name": "Node", "fields": [field("inside", {"type": "array", "items": "Node"})]}
    with pytest.raises(NotStraight, match="Node contains itself"):
        stand_in_for(node)
