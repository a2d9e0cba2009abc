"""`headrace run`: all services of an app on one machine, as a developer wants them."""

import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from headrace.cli.options import SHIPPED, AppPath, load_app
from headrace.kernel.app import BUILT_IN, App
from headrace.kernel.errors import Misconfigured
from headrace.settings import read_settings

LOOK_S: Final = 0.2


def run(
    app_path: AppPath = SHIPPED,
    logs: Annotated[Path, typer.Option(help="Where each service's log is kept.")] = Path(".headrace/run"),
) -> None:
    """Run all services of the app, a process each, until Ctrl-C: for development, after `headrace init`.

    What they log is shown here as it comes. One that ends is started again, and all are stopped when it ends again and
    again: exit code 1.
    """
    try:
        from headrace.local import Supervisor  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise Misconfigured(f"{error.name} is not installed: pip install 'headrace[local]'") from error
    settings = read_settings()
    _ = settings.kafka, settings.database  # said once, not by each of them
    services = services_of(load_app(app_path))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logs.mkdir(parents=True, exist_ok=True)
    files = {name: logs / f"{'-'.join(arguments)}.log" for name, arguments in services.items()}
    shown = {file: file.stat().st_size if file.exists() else 0 for file in files.values()}
    # One port is not for all of them to be looked at.
    env = {"LOG_FORMAT": "text", **os.environ, "METRICS_PORT": "0"}
    try:
        with Supervisor() as supervisor:
            for name, arguments in services.items():
                argv = [sys.executable, "-m", "headrace", *arguments, "--app", app_path]
                supervisor.start(name, argv, files[name], env)
            typer.echo(f"running {', '.join(services)}; Ctrl-C stops them", err=True)
            while True:
                time.sleep(LOOK_S)
                _show_new(shown)
                supervisor.check()
    except KeyboardInterrupt:
        _show_new(shown)


def services_of(app: App) -> Mapping[str, tuple[str, str]]:
    """What is run of an app: the services' names, as they name themselves, and what starts each."""
    wanted = [
        *(("handle", aggregate.name) for aggregate in app.aggregates),
        *(("react", reactor.name) for reactor in app.reactors),
        *(("project", view.name) for view in app.views),
        *(("project", name) for name in BUILT_IN),
    ]
    return {" ".join(each): each for each in wanted}


def _show_new(shown: dict[Path, int]) -> None:
    """Print what the files have more than was shown."""
    for file, size in shown.items():
        with file.open("rb") as log:
            log.seek(size)
            new = log.read()
        shown[file] = size + len(new)
        sys.stderr.buffer.write(new)
    sys.stderr.flush()
