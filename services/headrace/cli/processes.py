"""`headrace processes`: what is under way between aggregates, how old it is, and what it waits for."""

import time
from datetime import timedelta
from itertools import chain
from typing import Annotated

import typer
from msgspec import to_builtins

from headrace.cli.options import SHIPPED, AppPath, AsJson, load_app, print_json, print_table
from headrace.kernel.errors import Misconfigured
from headrace.reactor.processes import open_processes
from headrace.settings import read_settings

app = typer.Typer(help="What is under way between aggregates.", no_args_is_help=True, rich_markup_mode=None)

STUCK_S = 60.0


@app.callback()
def processes() -> None:
    """What is under way between aggregates: how old it is in log time, and which step it waits for."""


@app.command(name="list")
def list_processes(
    reactor: Annotated[str | None, typer.Argument(help="A reactor of the app; without it, all of them.")] = None,
    stuck: Annotated[
        bool, typer.Option("--stuck", help="Only those that have waited for long; exit 1 if any.")
    ] = False,
    after: Annotated[float, typer.Option(min=0, help="Seconds after which a process counts as stuck.")] = STUCK_S,
    app_path: AppPath = SHIPPED,
    as_json: AsJson = False,
) -> None:
    """List the processes that are not over, the one that has waited longest first."""
    settings, loaded = read_settings(), load_app(app_path)
    names = [reactor] if reactor else [each.name for each in loaded.reactors if each.process]
    if not names:
        raise Misconfigured(
            "no reactor of the app says what its processes are: set process= and waits_for= on the Reactor"
        )
    now = round(time.time() * 1000)
    found = [
        process
        for process in chain.from_iterable(open_processes(loaded, name, settings) for name in names)
        if not stuck or now - process.waits_since >= after * 1000
    ]
    if as_json:
        print_json([to_builtins(process) | {"waits_ms": now - process.waits_since} for process in found])
    elif not found:
        typer.echo("no process is stuck" if stuck else "no process is open")
    else:
        rows = []
        for process in found:
            age = f"{'over ' if process.is_older else ''}{_span(now - process.began_at)}"
            waits = _span(now - process.waits_since)
            rows.append([process.process, process.id, process.version, process.waits_for, waits, age])
        print_table(("process", "id", "version", "waits for", "for", "age"), rows)
    if stuck and found:
        raise typer.Exit(1)


def _span(milliseconds: int) -> str:
    return str(timedelta(seconds=max(0, milliseconds // 1000)))
