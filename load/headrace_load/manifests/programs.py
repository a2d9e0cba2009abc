"""Whether each container's program would take the arguments, variables and files that it is given."""

from collections.abc import Iterator
from functools import cache
from pathlib import PurePosixPath
from typing import Any, Final

import psycopg
import typer
from pydantic import ValidationError

from headrace.app import LIMITS
from headrace.cli import app as command_line
from headrace.kafka.refusals import CLIENTS, refuse_overrides
from headrace.kernel.app import BUILT_IN, App
from headrace.kernel.errors import Misconfigured
from headrace.settings import Settings
from headrace_load.manifests.documents import Container, Document, containers, environment

SLOTTED: Final = ("handle", "react")
NEED_DATABASE: Final = ("project", "watch", "init")
# What the command line raises when it refuses arguments; Typer names only the kinds of it.
UsageError: Final[type[Exception]] = typer.BadParameter.__mro__[1]


def problems_with_programs(documents: list[Document], app: App) -> list[str]:
    """What is wrong with what each container is given."""
    return [
        f"{container.name}: {problem}"
        for container in containers(documents)
        for check in (_arguments, _variables, _files)
        for problem in check(container, documents, app)
    ]


def _arguments(container: Container, _documents: list[Document], app: App) -> Iterator[str]:
    if "command" in container.container:
        yield "it has a command, but the image's entry point is `headrace`"
    arguments = container.container.get("args", [])
    try:
        name, parameters = parsed(arguments)
    except UsageError as error:
        yield f"`headrace {' '.join(arguments)}`: {error}"
        return
    try:
        if name == "handle":
            app.aggregate(parameters["aggregate"])
        elif name == "react":
            app.reactor(parameters["reactor"])
        elif name == "project" and parameters["view"] not in BUILT_IN:
            app.view(parameters["view"])
    except Misconfigured as error:
        yield str(error)


def parsed(arguments: list[str]) -> tuple[str, dict[str, Any]]:
    """What the command line makes of arguments: the last command's name, and its parameters."""
    command: Any = typer.main.get_command(command_line)
    rest = list(arguments)
    while hasattr(command, "commands"):
        if not rest or rest[0] not in command.commands:
            raise UsageError(f"no command is called {rest[:1]}")
        command = command.commands[rest.pop(0)]
    return str(command.name), command.make_context(command.name, rest).params


def _variables(container: Container, documents: list[Document], _app: App) -> Iterator[str]:
    given = environment(container, documents)
    for name in given:
        if name not in known_variables() and not name.startswith(tuple(CLIENTS)):
            yield f"nothing reads the variable {name}"
    needed = ["KAFKA_BOOTSTRAP_SERVERS"]
    needed += ["HEADRACE_SLOT"] if container.verb in SLOTTED else []
    needed += ["DATABASE_URL"] if container.verb in NEED_DATABASE else []
    yield from (f"{name} is not set" for name in needed if name not in given)
    if "DATABASE_URL" in given and "DATABASE_URL" not in needed:
        yield "it is told where the database is, and asks none"
    # What a Secret supplies is any text; a file that a volume supplies is not here.
    said = {name: "any" if value is None else value for name, value in given.items() if not _is_path(value)}
    try:
        settings = Settings.model_validate({name: value for name, value in said.items() if name in _of_settings()})
        refuse_overrides(settings, said)
    except ValidationError as error:
        yield from (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    except Misconfigured as error:
        yield str(error)


def _files(container: Container, documents: list[Document], _app: App) -> Iterator[str]:
    """Every path that a variable names must come from a volume."""
    volumes = {volume["name"]: volume for volume in container.pod["spec"].get("volumes", [])}
    found = {
        str(PurePosixPath(mount["mountPath"], item["path"]))
        for mount in container.container.get("volumeMounts", [])
        for item in volumes.get(mount["name"], {}).get("secret", {}).get("items", [])
    }
    for name, value in environment(container, documents).items():
        if _is_path(value) and value not in found:
            yield f"{name}={value}: no volume supplies it"
    unknown = [one["name"] for one in container.container.get("volumeMounts", []) if one["name"] not in volumes]
    yield from (f"no volume is called {name}" for name in unknown)


def _is_path(value: str | None) -> bool:
    return value is not None and value.startswith("/")


@cache
def known_variables() -> frozenset[str]:
    """Those that a setting, an option of the command line, or libpq reads."""
    options = set(_read_by(typer.main.get_command(command_line)))
    libpq = {option.envvar.decode() for option in psycopg.pq.Conninfo.get_defaults() if option.envvar}
    return frozenset(_of_settings() | options | libpq | {LIMITS})


def _of_settings() -> set[str]:
    return {str(field.validation_alias) for field in Settings.model_fields.values()}


def _read_by(command: Any) -> Iterator[str]:
    """The variables that options of a command, or of one below it, are read from."""
    for below in getattr(command, "commands", {}).values():
        yield from _read_by(below)
    for parameter in command.params:
        variables = parameter.envvar or ()
        yield from [variables] if isinstance(variables, str) else variables
