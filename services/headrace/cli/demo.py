"""`headrace demo`: a day of real orders, with kills in the middle, verified at the end."""

import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from headrace.cli.options import AsJson, print_json
from headrace.kernel.errors import Misconfigured
from headrace.settings import read_settings

if TYPE_CHECKING:
    from headrace_load.demo import Stage

INTERRUPTED = 130
RULES = Path(__file__).parents[3] / "deploy" / "prometheus"


def demo(
    as_json: AsJson = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running, with a trickle of load, until Ctrl-C.")
    ] = False,
    directory: Annotated[
        Path | None, typer.Option("--directory", "-d", help="Where the demo's own folder is made.")
    ] = None,
) -> None:
    """Run a shop's day and a bank through real Kafka and Postgres, kill -9 two services on the way, and verify it.

    Exit code 1 when a check fails, 130 when interrupted; servers and services are stopped in any case.
    """
    try:
        from headrace_load.demo import Stage  # noqa: PLC0415 - not part of a production image
    except ModuleNotFoundError as error:
        raise Misconfigured(f"{error.name} is not installed: run the demo from a clone, with `make demo`") from error
    from headrace.app import app as shipped  # noqa: PLC0415 - all domains are slow to import

    told = Console(stderr=as_json, highlight=False)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stage = Stage(_folder(directory), find_schemas(), app=("app", shipped))
    stage.addresses = {} if keep else None
    try:
        told.print(f"[dim]{stage.folder}[/dim]", soft_wrap=True)
        with stage:
            ok = _play(stage, told, as_json=as_json, keep=keep)
    except KeyboardInterrupt:
        told.print("stopped, and cleaned up")
        raise typer.Exit(INTERRUPTED) from None
    finally:
        if stage.failed:
            told.print(f"logs and data stay in {stage.folder}", soft_wrap=True)
    if not ok:
        raise typer.Exit(1)


def _play(stage: "Stage", told: Console, *, as_json: bool, keep: bool) -> bool:
    """Tell the story and print what was found; says whether all is well."""
    from headrace_load.demo import show_result, tell  # noqa: PLC0415

    try:
        result = tell(stage, lambda text: told.print(f"[dim]{stage.seconds:5.1f} s[/dim]  {text}", soft_wrap=True))
        if as_json:
            print_json(result.as_json())
        else:
            show_result(result, told)
        if keep:
            _hold(stage, told)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one must not stop the cleaning up
        raise
    return result.ok


def _folder(directory: Path | None) -> Path:
    """A new folder for this demo alone."""
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="headrace-demo-", dir=directory))


def find_schemas() -> Path:
    """The schemas that the settings name, or those of the clone that the demo runs from."""
    chosen = read_settings().schemas
    clone = Path(__file__).parents[3] / "schemas"
    return chosen if (chosen / "ids.json").exists() or not clone.exists() else clone


def _hold(stage: "Stage", told: Console) -> None:
    """Say how to look around, and leave everything running, with a trickle of load, until Ctrl-C."""
    from headrace.local.prometheus import write_configuration  # noqa: PLC0415 - an extra
    from headrace_load.demo.trickle import Trickle  # noqa: PLC0415

    stage.start_spectators()
    addresses = {"headrace": (stage.addresses or {}).values()}
    configuration = write_configuration(stage.folder, addresses, (RULES / "rules.yml", RULES / "alerts.yml"))
    for line in _around(stage, configuration):
        told.print(line, soft_wrap=True, markup=False)
    with suppress(KeyboardInterrupt), Trickle(stage.settings):
        while True:
            signal.pause()
    told.print("stopping")
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _around(stage: "Stage", configuration: Path) -> Iterator[str]:
    """What to type in another terminal."""
    from headrace.local.reach import find_binaries  # noqa: PLC0415 - an extra

    kafka = stage.servers.kafka
    exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in stage.environment.items())
    headrace = Path(sys.executable).with_name("headrace")
    reader = f"{kafka.java} -cp '{kafka.classpath}' org.apache.kafka.tools.consumer.ConsoleConsumer"
    yield "\nEverything runs until Ctrl-C, with a trickle of load. In another terminal:"
    yield f"  export {exports}"
    yield f"  {headrace} local prometheus {configuration}"
    yield f"  {headrace} tail orders --from-beginning"
    yield f"  {headrace} send orders CancelOrder --id 536365 --field reason=late"
    yield f"  {find_binaries(None) / 'psql'} {stage.settings.database} -c 'TABLE orders LIMIT 5'"
    yield f"  {reader} --bootstrap-server {kafka.bootstrap_servers} --topic orders.outcomes --from-beginning"
    yield f"  tail -f {stage.folder / 'logs'}/*.log"
