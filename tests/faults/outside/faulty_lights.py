"""The lamps with a bug that the environment turns on: the code breaks on each switch of a lamp of that room."""

import os
from typing import Any

from lights import Command, Event, Lamp, Switch, decide, lights, rooms  # type: ignore[import-not-found]
from msgspec.structs import replace

from headrace.kernel.app import App

BROKEN_ROOM = os.environ.get("BROKEN_ROOM")


def decide_wrongly(command: Command, lamp: Lamp, at: int) -> list[Event]:
    if isinstance(command, Switch) and lamp.room and lamp.room == BROKEN_ROOM:
        raise KeyError(f"secret of {lamp.room}")
    events: list[Any] = decide(command, lamp, at)
    return events


app = App(aggregates=(replace(lights, decide=decide_wrongly),), views=(rooms,))
