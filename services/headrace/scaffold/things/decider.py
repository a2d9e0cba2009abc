"""The rules of a thing: what may follow what."""

from typing import Literal, TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from headrace.kernel.aggregate import Aggregate
from headrace.kernel.errors import Rejected
from headrace.scaffold.things.commands import CloseThing, Command, OpenThing, RenameThing
from headrace.scaffold.things.events import Event, ThingClosed, ThingOpened, ThingRenamed

LONGEST = 200

Status: TypeAlias = Literal["blank", "open", "closed"]


class Thing(Struct, frozen=True):
    """All that is true of a thing now; `status` is blank until it is opened."""

    status: Status = "blank"
    title: str = ""


class AlreadyOpen(Rejected):
    """It was opened before."""


class UnknownThing(Rejected):
    """There is no such thing: open it first."""


class AlreadyClosed(Rejected):
    """It is closed."""


class TextInvalid(Rejected):
    """A title and a reason have 1 to 200 characters, not all of them blank and NUL none of them."""


def decide(command: Command, thing: Thing, _at: int) -> list[Event]:
    """The events that the command leads to, or the refusal."""
    match command:
        case OpenThing(title):
            if thing.status != "blank":
                raise AlreadyOpen
            return [ThingOpened(_text(title))]
        case RenameThing(title):
            return [ThingRenamed(title)] if _open(thing).title != _text(title) else []
        case CloseThing(reason):
            _open(thing)
            return [ThingClosed(_text(reason))]
        case _:
            assert_never(command)


def evolve(thing: Thing, event: Event) -> Thing:
    """The thing after the event."""
    match event:
        case ThingOpened(title):
            return Thing("open", title)
        case ThingRenamed(title):
            return replace(thing, title=title)
        case ThingClosed():
            return replace(thing, status="closed")
        case _:
            assert_never(event)


things = Aggregate(name="things", initial=Thing(), decide=decide, evolve=evolve, commands=Command, events=Event)


def _open(thing: Thing) -> Thing:
    if thing.status == "blank":
        raise UnknownThing
    if thing.status == "closed":
        raise AlreadyClosed
    return thing


def _text(text: str) -> str:
    if not text.strip() or len(text) > LONGEST or "\0" in text:
        raise TextInvalid
    return text
