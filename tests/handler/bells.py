"""A small aggregate for what orders never do: several events at once, none, too large ones, and crashes."""

import tempfile
from functools import cache
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from headrace.avro.codec import Codec
from headrace.avro.functions import BEST, Functions
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.app import App
from headrace.kernel.errors import Rejected
from parts import field, locked, write_part


class Ring(Struct, frozen=True):
    """So many strokes, each an event."""

    times: int


class Engrave(Struct, frozen=True):
    """A text of so many characters, once or more often."""

    length: int
    times: int = 1


class Touch(Struct, frozen=True):
    """Nothing comes of it."""


class Smash(Struct, frozen=True):
    """The code breaks: `where` says which."""

    where: str


class Rang(Struct, frozen=True):
    stroke: int


class Engraved(Struct, frozen=True):
    text: str


class Fell(Struct, frozen=True):
    """An event that `evolve` cannot take."""


class Bell(Struct, frozen=True):
    rung: int = 0
    text: str = ""


class Muffled(Rejected):
    """The bell does not ring more than nine times."""


class Cracked(Rejected):
    """Where it is cracked is said by each by itself."""

    def __init__(self, where: str) -> None:
        self._where = where

    @property
    def message(self) -> str:
        return f"The bell is cracked at its {self._where}."


Command: TypeAlias = Ring | Engrave | Touch | Smash
Event: TypeAlias = Rang | Engraved | Fell


def decide(command: Command, bell: Bell, at: int) -> list[Event]:
    match command:
        case Ring(times):
            if times > 9:
                raise Muffled
            return [Rang(bell.rung + stroke) for stroke in range(1, times + 1)]
        case Engrave(length, times):
            return [Rang(bell.rung + 1), *[Engraved("x" * length)] * times]
        case Touch():
            return []
        case Smash("decide"):
            raise ZeroDivisionError(f"at {at}")
        case Smash("number"):
            return [Rang(2**63)]
        case Smash("lip" | "waist"):
            raise Cracked(command.where)
        case Smash("clapper"):
            return [Rang(bell.rung + 1), Rang(-1)]
        case _:
            return [Fell()]


def evolve(bell: Bell, event: Event) -> Bell:
    match event:
        case Rang(-1):
            raise Muffled
        case Rang(stroke):
            return Bell(stroke, bell.text)
        case Engraved(text):
            return Bell(bell.rung, text)
        case Fell():
            raise KeyError("floor")


bells = Aggregate(name="bells", initial=Bell(), decide=decide, evolve=evolve, commands=Command, events=Event)


@cache
def bell_codec(functions: Functions = BEST) -> Codec:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_parts(folder)
        return Codec(App(aggregates=(bells,)), locked(folder), functions=functions)


class YoungBell(Struct, frozen=True):
    """What was true of a bell before any was engraved."""

    rung: int = 0


def codecs_of_two_versions() -> tuple[Codec, Codec]:
    """That of the first bells, and today's, which reads what the first has written."""
    young = Aggregate(
        name="bells", initial=YoungBell(), decide=lambda *_: [], evolve=lambda bell, _: bell, commands=Ring, events=Rang
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_part(folder, "command", "Ring", field("times", "long"))
        write_part(folder, "event", "Rang", field("stroke", "long"))
        write_part(folder, "state", "Bell", field("rung", "long"))
        first = locked(folder)
        write_parts(folder, version=2)
        return Codec(App(aggregates=(young,)), first), Codec(App(aggregates=(bells,)), locked(folder, first))


def write_parts(folder: Path, version: int = 1) -> None:
    write_part(folder, "command", "Ring", field("times", "long"))
    write_part(folder, "command", "Engrave", field("length", "long"), field("times", "long"))
    write_part(folder, "command", "Touch")
    write_part(folder, "command", "Smash", field("where"))
    write_part(folder, "event", "Rang", field("stroke", "long"))
    write_part(folder, "event", "Engraved", field("text"))
    write_part(folder, "event", "Fell")
    write_part(folder, "state", "Bell", field("rung", "long"), field("text", default=""), version=version)
