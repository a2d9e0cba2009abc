"""`headrace local`: Kafka, PostgreSQL and a schema registry that outlive the command which started them."""

import logging
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from headrace.cli.options import AsJson, print_json
from headrace.kernel.errors import Misconfigured

if TYPE_CHECKING:
    from headrace.local import LocalServers

NOT_RUNNING = 3

app = typer.Typer(help="Kafka and Postgres as local processes.", no_args_is_help=True, rich_markup_mode=None)
Directory = Annotated[Path, typer.Option("--directory", "-d", help="The servers' folder; each folder has its own.")]
DIRECTORY = Path(".headrace/local")


class Server(StrEnum):
    """One of the three."""

    KAFKA = "kafka"
    POSTGRES = "postgres"
    REGISTRY = "registry"


VARIABLES = {
    Server.KAFKA: "KAFKA_BOOTSTRAP_SERVERS",
    Server.POSTGRES: "DATABASE_URL",
    Server.REGISTRY: "SCHEMA_REGISTRY_URL",
}


@app.command()
def up(
    directory: Directory = DIRECTORY,
    kafka: Annotated[bool, typer.Option("--kafka/--no-kafka", help="Start Kafka.")] = True,
    postgres: Annotated[bool, typer.Option("--postgres/--no-postgres", help="Start PostgreSQL.")] = True,
    registry: Annotated[bool, typer.Option("--registry", help="Start a schema registry, Apicurio's.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start the servers that do not run yet, and leave them running.

    Only what a shell reads goes to standard output: eval "$(headrace local up)".
    """
    servers = _servers_in(directory)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    _show_progress()
    wanted = {Server.KAFKA: kafka, Server.POSTGRES: postgres, Server.REGISTRY: registry}
    new = {name.value: is_wanted and not getattr(servers, name).running for name, is_wanted in wanted.items()}
    with console.status("starting"):
        servers.start(**new)
    state = _state_of(servers)
    if as_json:
        print_json(state)
        return
    if not any(new.values()):
        console.print("already up")
    _print_state(state, console)
    for name, value in state["environment"].items():
        typer.echo(f"export {name}={value}")


@app.command()
def down(
    directory: Directory = DIRECTORY,
    delete: Annotated[bool, typer.Option("--delete", help="Remove their data, too.")] = False,
) -> None:
    """Stop the servers. Exit code 0 also when none runs."""
    servers = _servers_in(directory)
    state = _state_of(servers)
    stopped = [name for name in Server if state[name] and state[name]["running"]]
    if delete and any(state[name] for name in Server):
        servers.remove()
    else:
        servers.stop()
    typer.echo(f"stopped {' and '.join(stopped)}" if stopped else "nothing was running")


@app.command()
def status(directory: Directory = DIRECTORY, as_json: AsJson = False) -> None:
    """Say where the servers are. Exit code 0: all that were started here run; 3: one does not, or none was."""
    state = _state_of(_servers_in(directory))
    if as_json:
        print_json(state)
    else:
        _print_state(state, Console(highlight=False, soft_wrap=True))
    started = [state[name] for name in Server if state[name]]
    if not started or not all(server["running"] for server in started):
        raise typer.Exit(NOT_RUNNING)


@app.command()
def prometheus(
    configuration: Annotated[Path, typer.Argument(help="A prometheus.yml: `headrace demo --keep` writes one.")],
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Where it answers, on the loopback.")] = 9090,
) -> None:
    """Run Prometheus on a configuration until Ctrl-C; its data are kept beside it.

    Where it is not installed it is fetched out of Debian's package, once. Exit code 2 when the configuration is not
    there or the port is taken.
    """
    _servers_in(DIRECTORY)  # says what to install where the extra is missing
    from headrace.local.ports import is_free  # noqa: PLC0415 - an extra
    from headrace.local.prometheus import prometheus as command  # noqa: PLC0415

    if not configuration.is_file():
        raise Misconfigured(f"there is no {configuration}: name the file that `headrace demo --keep` has written")
    if not is_free(port):
        raise Misconfigured(f"port {port} is taken: choose another with --port")
    argv = command(configuration, configuration.parent / "prometheus-data", port)
    typer.echo(f"http://127.0.0.1:{port}/alerts and http://127.0.0.1:{port}/graph, until Ctrl-C", err=True)
    os.execv(argv[0], argv)  # noqa: S606 - signals are its own from here on


@app.command()
def logs(
    server: Annotated[Server | None, typer.Argument(help="Whose log; all when left out.")] = None,
    directory: Directory = DIRECTORY,
    lines: Annotated[int, typer.Option(min=1, help="How many lines, counted from the end.")] = 50,
) -> None:
    """Print the end of the servers' logs."""
    servers = _servers_in(directory)
    files = {name: getattr(servers, name).log_file for name in Server}
    found = {name: file for name, file in files.items() if server in (None, name) and file.exists()}
    if not found:
        raise Misconfigured(f"there is no log in {directory}: `headrace local up` starts servers there")
    for name, file in found.items():
        typer.echo(f"==> {name}: {file}", err=True)
        typer.echo("\n".join(file.read_text(errors="replace").splitlines()[-lines:]))


def _servers_in(directory: Path) -> "LocalServers":
    try:
        from headrace.local import LocalServers  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise Misconfigured(f"{error.name} is not installed: pip install 'headrace[local]'") from error
    return LocalServers(directory, detached=True)


def _show_progress() -> None:
    progress = logging.getLogger("headrace.local")
    progress.addHandler(logging.StreamHandler())
    progress.setLevel(logging.INFO)


def _state_of(servers: "LocalServers") -> dict[str, Any]:
    """For each server that was ever started here: whether it runs, its address, process and log."""
    from headrace.local.process import NeverStarted  # noqa: PLC0415 - an extra

    state: dict[str, Any] = {"directory": str(servers.directory)}
    environment = {}
    for name, variable in VARIABLES.items():
        server = getattr(servers, name)
        try:
            address = servers.kafka.bootstrap_servers if name is Server.KAFKA else server.url
        except NeverStarted:
            state[name] = None
            continue
        state[name] = {"running": server.running, "address": address, "pid": server.pid, "log": str(server.log_file)}
        if server.running:
            environment[variable] = address
    return state | {"environment": environment | ({"HEADRACE_PROFILE": "local"} if environment else {})}


def _print_state(state: dict[str, Any], console: Console) -> None:
    for name in Server:
        server = state[name]
        if server is None and name is Server.REGISTRY:
            continue  # most do without
        if server is None:
            console.print(f"{name}: never started in {state['directory']}")
        elif server["running"]:
            console.print(f"{name}: {server['address']}  pid {server['pid']}  log {server['log']}")
        else:
            console.print(f"{name}: stopped  log {server['log']}")
