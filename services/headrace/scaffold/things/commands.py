"""What may be asked of a thing."""

from typing import TypeAlias

from msgspec import Struct


class OpenThing(Struct, frozen=True):
    """Begin the thing, under a title."""

    title: str


class RenameThing(Struct, frozen=True):
    """Give it another title."""

    title: str


class CloseThing(Struct, frozen=True):
    """End it, for a reason."""

    reason: str


Command: TypeAlias = OpenThing | RenameThing | CloseThing
