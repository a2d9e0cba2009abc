"""What has happened to a thing."""

from typing import TypeAlias

from msgspec import Struct


class ThingOpened(Struct, frozen=True):
    """It exists."""

    title: str


class ThingRenamed(Struct, frozen=True):
    """It has another title."""

    title: str


class ThingClosed(Struct, frozen=True):
    """It is over."""

    reason: str


Event: TypeAlias = ThingOpened | ThingRenamed | ThingClosed
