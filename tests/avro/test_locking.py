"""`headrace schemas lock` locks what is sound, and says what is not before it writes anything."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

import headrace.cli.schemas as command
from headrace.avro.contract import LOCK_FILE, read_lock
from headrace.avro.lock import problems_with, read_parts
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.app import App
from headrace.kernel.errors import Misconfigured
from parts import field, locked, write_part

TIMES, BY = field("times", "long"), field("by", default="")

EMPTY = {"type": "record", "name": "Empty", "fields": []}


class Ring(Struct, frozen=True):
    times: int


class Rang(Struct, frozen=True):
    times: int


class Bell(Struct, frozen=True):
    rung: int = 0


BELLS: Aggregate[Any, Any, Any] = Aggregate(
    name="bells", initial=Bell(), decide=lambda *_: [], evolve=lambda bell, _: bell, commands=Ring, events=Rang
)
app = App(aggregates=(BELLS,))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sound domain, which the command finds."""
    monkeypatch.setenv("HEADRACE_SCHEMAS", str(tmp_path))
    write_part(tmp_path, "command", "Ring", TIMES)
    write_part(tmp_path, "event", "Rang", TIMES)
    write_part(tmp_path, "state", "Bell", field("rung", "long", default=0))
    return tmp_path


def lock() -> None:
    command.lock(f"{__name__}:app")


def refused(folder: Path) -> list[str]:
    """The lines of the refusal, which has written nothing."""
    path = folder / LOCK_FILE
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(Misconfigured) as caught:
        lock()
    assert (path.read_bytes() if path.exists() else None) == before
    return str(caught.value).split("\n  ")[1:]


def test_what_is_sound_is_locked(folder: Path) -> None:
    lock()
    assert ("bells", "Ring") in read_lock(folder).newest


def test_a_locked_part_that_was_edited_is_refused_although_its_state_is_new(folder: Path) -> None:
    lock()
    path = write_part(folder, "event", "Rang", TIMES, BY)
    write_part(folder, "state", "Bell", field("rung", "long", default=0), field("cast", "long", default=0), version=2)
    [problem] = refused(folder)
    assert str(path) in problem
    assert problem.endswith("was changed after it was locked: restore it")


def test_an_older_part_that_is_gone_is_refused(folder: Path) -> None:
    lock()
    (folder / "bells" / "Ring.v1.avsc").rename(folder / "bells" / "Ring.v2.avsc")
    assert refused(folder) == ["Ring.v1.avsc is gone: locked versions stay for ever"]


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "array"}, "not an Avro schema: KeyError: 'items'"),
        ({"type": {"type": "long"}}, 'not an Avro schema: write {"type": "long"} without another type around it'),
        ({"type": ["null", "long"]}, 'not an Avro schema: write ["null", "long"] without another type around it'),
        (
            {"type": EMPTY},
            'not an Avro schema: write {"type": "record", "name": "test.bells.Empty", "fields": []} without',
        ),
    ],
)
def test_a_type_that_is_none_is_one_line_and_is_not_compared_with_a_class(folder: Path, schema: Any, why: str) -> None:
    write_part(folder, "command", "Ring", field("times", schema))
    [problem] = refused(folder)
    assert problem.startswith(f"test.bells.Ring: {why}")


@pytest.mark.parametrize("levels", [100, 500, 5000])
def test_a_part_that_is_nested_without_end_is_one_line(folder: Path, levels: int) -> None:
    path = folder / "bells" / "Ring.v1.avsc"
    deep = '{"type": "array", "items": ' * levels + '"long"' + "}" * levels
    path.write_text(path.read_text().replace('"type": "long"', f'"type": {deep}'))
    with pytest.raises(Misconfigured) as caught:
        lock()
    assert str(caught.value) == f"{path}: nested deeper than 100 levels of JSON: flatten it"


@pytest.mark.parametrize(("kind", "name"), [("command", "Ring"), ("event", "Rang")])
def test_a_version_that_says_what_an_older_one_said_is_the_newest(tmp_path: Path, kind: str, name: str) -> None:
    write_part(tmp_path, "state", "Bell", field("rung", "long", default=0))
    write_part(tmp_path, kind, name, TIMES)
    first = locked(tmp_path)
    write_part(tmp_path, kind, name, TIMES, BY, version=2)
    second = locked(tmp_path, first)
    write_part(tmp_path, kind, name, TIMES, version=3)
    [problem] = problems_with(read_parts(tmp_path), second)
    assert problem == f"test.bells.{name} is not locked as its part files say: run `headrace schemas lock`"
    third = locked(tmp_path, second)
    assert third.newest["bells", name] == first.newest["bells", name]
    assert third.by_id == second.by_id
    assert problems_with(read_parts(tmp_path), third) == []
    assert locked(tmp_path, third).contracts == third.contracts


def test_a_state_that_says_again_what_it_said_is_that_of_its_events(folder: Path) -> None:
    rung, cast = field("rung", "long", default=0), field("cast", "long", default=0)
    catalogue = locked(folder)
    first = catalogue.newest["bells", "Rang"]
    for version, fields in ((2, (rung, cast)), (3, (rung,))):
        write_part(folder, "state", "Bell", *fields, version=version)
        catalogue = locked(folder, catalogue)
    assert catalogue.newest["bells", "Rang"] == first
