"""Commands that are imported when they are called: a service starts without the code of all the others."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

COMMANDS: Final = {
    "init": "init:init",
    "migrate": "topics:migrate",
    "run": "running:run",
    "handle": "services:handle",
    "react": "services:react",
    "project": "services:project",
    "watch": "services:watch",
    "send": "sending:send",
    "tail": "sending:tail",
    "verify": "verify:verify",
    "doctor": "doctor:doctor",
    "demo": "demo:demo",
    "metrics": "metrics:metrics",
    "acls": "acls:acls",
    "import": "importing:import_files",
    "audit": "audit:app",
    "load": "load:app",
    "local": "local:app",
    "topics": "topics:app",
    "new": "new:app",
    "schemas": "schemas:app",
    "parked": "parked:app",
    "views": "views:app",
    "processes": "processes:app",
}
"""Where each command lies in this package: a function, or a group of its own."""


class Lazily(Mapping[str, Any]):
    """The commands by name, as click's groups keep them."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            module, _, attribute = COMMANDS[name].partition(":")
            self._known[name] = _command(name, getattr(import_module(f"headrace.cli.{module}"), attribute))
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class LazyGroup(TyperGroup):
    """A group whose commands are those above."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes | {"commands": None})
        self.commands = Lazily()  # type: ignore[assignment]  # nothing is added to them


def _command(name: str, found: Any) -> Any:
    if isinstance(found, typer.Typer):
        group = get_group(found)
        group.name = name
        return group
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(name)(found)
    return get_command(alone)
