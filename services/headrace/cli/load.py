"""`headrace load`: loads a running system, measures it from outside, and has all of it verified."""

import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from headrace.cli.demo import find_schemas
from headrace.cli.options import AsJson, print_json
from headrace.kernel.errors import Misconfigured
from headrace.settings import Settings, read_settings

if TYPE_CHECKING:
    from headrace_load.demo import Stage
    from headrace_load.generator.scenario import Overrides

INTERRUPTED = 130

app = typer.Typer(help="Load a running system, measure it, verify it.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def run(
    scenario: Annotated[str, typer.Argument(help="A shipped scenario's name (`headrace load list`), or a .toml file.")],
    *,
    local: Annotated[
        bool, typer.Option("--local", help="On Kafka, Postgres and services of its own, gone afterwards.")
    ] = False,
    replicas: Annotated[int, typer.Option(min=1, help="With --local: processes of each service.")] = 1,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="An empty folder for what is written.")] = None,
    rate: Annotated[float | None, typer.Option(help="Commands a second; other rates change in proportion.")] = None,
    duration: Annotated[float | None, typer.Option(help="Seconds, instead of the scenario's.")] = None,
    count: Annotated[int | None, typer.Option(help="Commands, instead of the scenario's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that send.")] = None,
    warm_up: Annotated[float | None, typer.Option(help="Seconds at the start that are in no latency.")] = None,
    threshold: Annotated[list[str] | None, typer.Option(help="A further one: 'p99_command_to_row_ms < 100'.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send a scenario's commands, wait until all are answered and in the read models, verify, and write a report.

    Exit code 1 when a threshold or a check failed; 2, with nothing sent, when something is not as it must be.
    """
    _require_load()
    from headrace_load.generator.scenario import Overrides  # noqa: PLC0415 - not part of a production image

    overrides = Overrides(
        rate=rate,
        duration_s=duration,
        count=count,
        seed=seed,
        workers=workers,
        warm_up_s=warm_up,
        thresholds=tuple(threshold or ()),
    )
    told = Console(stderr=as_json, highlight=False)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        ok = _run(scenario, overrides, output, told, replicas if local else None, as_json=as_json)
    except KeyboardInterrupt:
        told.print("stopped; what was sent is in the log")
        raise typer.Exit(INTERRUPTED) from None
    if not ok:
        raise typer.Exit(1)


@app.command(name="list")
def list_scenarios(as_json: AsJson = False) -> None:
    """Show the scenarios that come with Headrace."""
    _require_load()
    from headrace_load.generator.scenario import shipped  # noqa: PLC0415 - not part of a production image

    scenarios = dict(shipped())
    if as_json:
        print_json(scenarios)
        return
    for name, scenario in scenarios.items():
        typer.echo(f"{name:<10} {scenario.description}")


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="The folder of a run.")],
    second: Annotated[Path, typer.Argument(help="The folder of another.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The HTML file; comparison.html in the second folder if left out."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put two runs side by side, here and as an HTML file."""
    _require_load()
    from headrace_load.generator import report, show, summary  # noqa: PLC0415 - not part of a production image

    one, other = summary.read(first), summary.read(second)
    file = output or (second if second.is_dir() else second.parent) / report.COMPARISON
    if not file.parent.is_dir():
        raise Misconfigured(f"{file.parent} is no folder: make it, or name another file")
    report.write_comparison(one, other, file)
    if as_json:
        rows = {name: {"first": a, "second": b} for name, a, b, _ in show.compared(one, other)}
        print_json({"file": str(file), "metrics": rows})
        return
    console = Console(highlight=False)
    show.compare(one, other, console)
    console.print(str(file), soft_wrap=True)


def _run(
    name: str, overrides: "Overrides", output: Path | None, told: Console, replicas: int | None, *, as_json: bool
) -> bool:
    """Run, print what came of it, and say whether all is well."""
    from headrace_load.generator import scenario, show  # noqa: PLC0415 - not part of a production image
    from headrace_load.generator.conduct import conduct, new_folder  # noqa: PLC0415

    path = scenario.find(name)
    asked = scenario.read(path, overrides)
    with _place(replicas, told) as (settings, stage):
        folder = new_folder(path.stem, output)
        try:
            found = conduct(path.stem, asked, settings, folder, told, stage.pids if stage else {})
        except Misconfigured:
            if not any(folder.iterdir()):
                folder.rmdir()
            raise
        if stage and not found.verification["ok"]:
            stage.failed = True  # so that its logs and data stay
    if as_json:
        print_json({"folder": str(folder), "ok": found.ok, "metrics": found.metrics, "thresholds": found.thresholds})
    else:
        show.show(found, told)
    told.print(f"{folder}: report.html, summary.json, history.jsonl, *.hgrm", soft_wrap=True)
    return found.ok


@contextmanager
def _place(replicas: int | None, told: Console) -> Iterator[tuple[Settings, "Stage | None"]]:
    """What the environment names; or, with so many replicas of each service, a stage of our own."""
    settings = read_settings().model_copy(update={"schemas": find_schemas()})
    if replicas is None:
        # Before anything else, since both say what to do when they are missing.
        _ = settings.kafka, settings.database
        yield settings, None
        return
    from headrace_load.demo import Stage  # noqa: PLC0415 - not part of a production image

    stage = Stage(Path(tempfile.mkdtemp(prefix="headrace-load-")), settings.schemas, replicas=replicas)
    try:
        with stage:
            told.print(f"[dim]{stage.folder}: Kafka and PostgreSQL are up[/dim]", soft_wrap=True)
            stage.prepare()
            names = stage.start_services()
            told.print(f"[dim]{len(names)} services have their partitions: {', '.join(names)}[/dim]", soft_wrap=True)
            yield stage.settings, stage
    finally:
        if stage.failed:
            told.print(f"logs and data stay in {stage.folder}", soft_wrap=True)


def _require_load() -> None:
    try:
        import headrace_load.generator.conduct  # noqa: F401, PLC0415 - not part of a production image
    except ModuleNotFoundError as error:
        raise Misconfigured(
            f"{error.name} is not installed: the load generator is not in the wheel, run it from a clone, "
            f"after `make setup`"
        ) from error
