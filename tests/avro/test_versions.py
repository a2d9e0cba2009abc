"""Records of older versions are read as today's; a retired event as the one that took its place."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fastavro import schemaless_writer
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, defstruct, structs

from headrace.avro.codec import PREFIX_LENGTH, Codec, Undecodable, UnknownSchema
from headrace.avro.contract import Catalogue
from headrace.avro.lock import lock, read_parts
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.app import App
from headrace.kernel.errors import Fault, Misconfigured
from headrace.kernel.message import CommandMeta, EventMeta, Writer
from parts import field, locked, write_part

META = CommandMeta(command_id="c", aggregate_id="b-1")
EVENT_META = EventMeta(1, "bells/b-1/1", "b-1", 0, "c", 0, "c", "c", None, Writer("test", 0))


class Ring(Struct, frozen=True):
    times: int


class Rang(Struct, frozen=True):
    times: int


class Bell(Struct, frozen=True):
    rung: int = 0


class Tolled(Struct, frozen=True):
    """An event that is no more: a bell tolls once, and now it rings."""

    mood: str


# Today's classes of the same names.
LouderRing = defstruct("Ring", [("times", int), ("loudness", str)], frozen=True)
LouderRang = defstruct("Rang", [("times", int), ("rope", str | None, None)], frozen=True)
LouderBell = defstruct("Bell", [("rung", int, 0), ("name", str, ""), ("clappers", list[str], [])], frozen=True)


def bells(command: type, event: Any, state: type, **more: Any) -> App:
    aggregate: Aggregate[Any, Any, Any] = Aggregate(
        name="bells",
        initial=state(),
        decide=lambda *_: [],
        evolve=lambda state, _event: state,
        commands=command,
        events=event,
        **more,
    )
    return App(aggregates=(aggregate,))


def write_first(folder: Path) -> Catalogue:
    write_part(folder, "command", "Ring", field("times", "long"))
    write_part(folder, "event", "Rang", field("times", "long"))
    write_part(folder, "state", "Bell", field("rung", "long", default=0))
    return locked(folder)


def write_second(folder: Path, before: Catalogue) -> Catalogue:
    names = {"type": "array", "items": "string"}
    write_part(folder, "command", "Ring", field("times", "long"), field("loudness", default="soft"), version=2)
    write_part(
        folder, "event", "Rang", field("times", "long"), field("rope", ["null", "string"], default=None), version=2
    )
    bell = [field("rung", "long", default=0), field("name", default=""), field("clappers", names, default=[])]
    write_part(folder, "state", "Bell", *bell, version=2)
    return locked(folder, before)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Catalogue]:
    folder = tmp_path_factory.mktemp("schemas")
    return folder, write_first(folder)


@pytest.fixture(scope="module")
def old(first: tuple[Path, Catalogue]) -> Codec:
    return Codec(bells(Ring, Rang, Bell), first[1])


@pytest.fixture(scope="module")
def new(first: tuple[Path, Catalogue]) -> Codec:
    return Codec(bells(LouderRing, LouderRang, LouderBell), write_second(*first))


def test_an_older_command_gets_the_default_of_the_field_that_it_lacks(old: Codec, new: Codec) -> None:
    decoded = new.decode(old.encode(Ring(3), META))
    assert (decoded.body, decoded.meta) == (LouderRing(3, "soft"), META)
    assert decoded.contract.versions == {"meta": 1, "fields": 1}


def test_an_older_event_and_its_older_state_are_lifted_together(old: Codec, new: Codec) -> None:
    decoded = new.decode(old.encode(Rang(3), EVENT_META, Bell(3)))
    assert (decoded.body, decoded.state, decoded.meta) == (LouderRang(3, None), LouderBell(3, "", []), EVENT_META)


def test_a_new_state_alone_makes_a_new_contract_of_an_unchanged_event(tmp_path: Path) -> None:
    before = write_first(tmp_path)
    frame = Codec(bells(Ring, Rang, Bell), before).encode(Rang(3), EVENT_META, Bell(3))
    write_part(tmp_path, "state", "Bell", field("rung", "long", default=0), field("name", default="?"), version=2)
    after = locked(tmp_path, before)
    named = defstruct("Bell", [("rung", int, 0), ("name", str, "?")], frozen=True)
    codec = Codec(bells(Ring, Rang, named), after)
    assert codec.decode(frame).state == named(3, "?")
    assert codec.decode(codec.encode(Rang(3), EVENT_META, named(4, "x"))).state == named(4, "x")
    assert [contract.name for contract in after.contracts].count("Rang") == 2
    assert [contract.name for contract in after.contracts].count("Ring") == 1


def test_what_is_written_has_the_newest_contract(new: Codec) -> None:
    command = LouderRing(1, "loud")
    decoded = new.decode(new.encode(command, META))
    assert (decoded.body, decoded.contract.versions) == (command, {"meta": 1, "fields": 2})


def test_whoever_has_the_older_lock_file_refuses_the_newer_record(old: Codec, new: Codec) -> None:
    with pytest.raises(UnknownSchema, match="is not in the lock file"):
        old.decode(new.encode(LouderRing(1, "loud"), META))


def test_the_same_command_written_by_two_versions_has_two_hashes(old: Codec, new: Codec) -> None:
    """The hash is of the bytes as sent: a client that resends with another version does not send the same."""
    first, second = new.decode(old.encode(Ring(3), META)), new.decode(new.encode(LouderRing(3, "soft"), META))
    assert first.body == second.body
    assert first.body_hash != second.body_hash


def test_an_older_record_cut_short_anywhere_is_refused(old: Codec, new: Codec) -> None:
    frame = old.encode(Rang(3), EVENT_META, Bell(3))
    for length in range(len(frame)):
        with pytest.raises(Undecodable):
            new.decode(frame[:length])


@given(rest=st.binary(max_size=80))
def test_random_bytes_under_an_older_id_are_refused_or_are_a_message(old: Codec, new: Codec, rest: bytes) -> None:
    frame = old.encode(Rang(3), EVENT_META, Bell(3))
    try:
        decoded = new.decode(frame[:PREFIX_LENGTH] + rest)
    except Undecodable:
        return
    assert isinstance(decoded.state, LouderBell)


def tolled(folder: Path, upcast: Any) -> tuple[Codec, bytes]:
    """A codec that knows the retired event, and a record of the time when it was none."""
    write_part(folder, "event", "Tolled", field("mood"))
    catalogue = write_first(folder)
    frame = Codec(bells(Ring, Rang | Tolled, Bell), catalogue).encode(Tolled("sad"), EVENT_META, Bell(1))
    return Codec(bells(Ring, Rang, Bell, upcasts={Tolled: upcast}), catalogue), frame


def test_a_retired_event_is_lifted_to_todays(tmp_path: Path) -> None:
    codec, frame = tolled(tmp_path, lambda event: Rang(len(event.mood)))
    decoded = codec.decode(frame)
    assert (decoded.body, decoded.meta, decoded.state) == (Rang(3), EVENT_META, Bell(1))
    assert decoded.contract.name == "Tolled"


def test_an_upcast_that_fails_is_our_fault_and_not_the_records(tmp_path: Path) -> None:
    codec, frame = tolled(tmp_path, lambda event: Rang(int(event.mood)))
    with pytest.raises(Fault, match="the upcast of Tolled fails: ValueError") as caught:
        codec.decode(frame)
    assert not isinstance(caught.value, Undecodable)


class Pealed(Struct, frozen=True):
    """What tolling was called before that."""

    mood: str


def pealed(folder: Path, upcasts: Any) -> tuple[Codec, bytes]:
    """A codec that knows two retired events, and a record of the older one."""
    for name in ("Pealed", "Tolled"):
        write_part(folder, "event", name, field("mood"))
    catalogue = write_first(folder)
    frame = Codec(bells(Ring, Rang | Tolled | Pealed, Bell), catalogue).encode(Pealed("sad"), EVENT_META, Bell(1))
    return Codec(bells(Ring, Rang, Bell, upcasts=upcasts), catalogue), frame


def test_a_retired_event_may_be_lifted_to_a_retired_one_and_on(tmp_path: Path) -> None:
    upcasts = {Tolled: lambda event: Rang(len(event.mood)), Pealed: lambda event: Tolled(event.mood * 2)}
    codec, frame = pealed(tmp_path, upcasts)
    assert codec.decode(frame).body == Rang(6)
    assert codec.decode_event(frame).body == Rang(6)


@pytest.mark.parametrize("other", [None, "Rang", Bell(1), Ring(1)])
def test_an_upcast_to_what_is_no_event_is_named(tmp_path: Path, other: Any) -> None:
    codec, frame = tolled(tmp_path, lambda _: other)
    why = f"the upcast of Tolled returns {type(other).__name__}, which is no event of bells"
    for decode in (codec.decode, codec.decode_event):
        with pytest.raises(Fault, match=why):
            decode(frame)


def test_upcasts_that_lead_in_a_circle_come_to_an_end(tmp_path: Path) -> None:
    upcasts = {Tolled: lambda event: Pealed(event.mood), Pealed: lambda event: Tolled(event.mood)}
    codec, frame = pealed(tmp_path, upcasts)
    with pytest.raises(Fault, match="the upcasts of bells lift Tolled to itself"):
        codec.decode(frame)


def test_an_envelope_that_grows_is_lifted_like_everything_else(tmp_path: Path) -> None:
    write_first(tmp_path)
    parts = read_parts(tmp_path)
    today = next(part for part in parts if part.kind == "command_meta")
    fields = [each for each in today.schema["fields"] if each["name"] != "causation_id"]
    earlier = structs.replace(today, version=0, schema=today.schema | {"fields": fields})
    before = lock([earlier if part is today else part for part in parts], Catalogue([]))
    codec = Codec(bells(Ring, Rang, Bell), lock(parts, before))
    target = BytesIO()
    contract = before.newest["bells", "Ring"]
    meta = {"command_id": "c", "aggregate_id": "b-1", "actor": "ann"}
    schemaless_writer(target, contract.schema, {"meta": meta, "times": 3})
    decoded = codec.decode(b"\0" + contract.id.to_bytes(4, "big") + target.getvalue())
    assert decoded.meta == CommandMeta(command_id="c", aggregate_id="b-1", actor="ann", causation_id=None)
    assert decoded.contract.versions == {"meta": 0, "fields": 1}


@pytest.mark.parametrize(
    ("command", "event", "state", "why"),
    [
        (Ring, LouderRang, Bell, "Rang: the class says .*rope.*, the locked schema says"),
        (Ring, Rang, LouderBell, "Rang.state: the class says .*clappers.*, the locked schema says"),
        (Ring, Tolled, Bell, "Tolled has no locked schema: write schemas/bells/Tolled.v1.avsc"),
        (Ring, Rang | LouderRang, Bell, "Rang is listed twice"),
        (Ring, Ring | Rang, Bell, "Ring is listed twice"),
    ],
    ids=["event with a field more", "state with fields more", "event without schema", "one name", "one class"],
)
def test_a_codec_is_not_made_for_classes_that_the_lock_file_does_not_describe(
    tmp_path: Path, command: type, event: Any, state: type, why: str
) -> None:
    catalogue = write_first(tmp_path)
    with pytest.raises(Misconfigured, match=why):
        Codec(bells(command, event, state), catalogue)
