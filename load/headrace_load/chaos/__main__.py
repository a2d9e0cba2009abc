"""`python -m headrace_load.chaos`, which is a part of `make chaos`.

Exit codes: 0 nothing found; 1 something was; 2 the call is wrong, and the line says what to change.
"""

import json
import secrets
import signal
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from headrace.kernel.errors import Fault, Misconfigured
from headrace_load.chaos.report import show
from headrace_load.chaos.run import PATIENT, run
from headrace_load.chaos.schedule import KINDS, Planned, as_json, draw
from headrace_load.chaos.servers import ReplicatedServers
from headrace_load.demo.stage import Stage
from headrace_load.verify import CannotVerify

FAILED = 1
WRONG_USE = 2
INTERRUPTED = 130
SHORTEST_MINUTES = 0.5
LONGEST_MINUTES = 24 * 60

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
console = Console(stderr=True, highlight=False, markup=False, emoji=False)


@app.command()
def chaos(
    *,
    minutes: Annotated[str, typer.Option(help="How long services are tried; the end takes some more.")] = "8",
    seed: Annotated[str, typer.Option(help="A whole number that the whole schedule follows from.")] = "",
    kinds: Annotated[
        list[str] | None, typer.Option("--fault", help="Only this kind, as a schedule names it; for each of them.")
    ] = None,
    only: Annotated[bool, typer.Option("--schedule", help="Print the schedule and do nothing.")] = False,
    output: Annotated[Path | None, typer.Option("--json", help="Write the result to this file, too.")] = None,
    directory: Annotated[Path | None, typer.Option("--directory", "-d", help="Where the run's folder is made.")] = None,
) -> None:
    """Break everything under load, as a seed says, heal it, and verify that nothing was lost, doubled or reordered."""
    length, number = parse_minutes(minutes), parse_seed(seed)
    planned = draw(number, length, parse_kinds(kinds or []))
    console.print(
        f"seed {number}, {len(planned)} faults in {length:g} minutes:", *map(str, planned), sep="\n", soft_wrap=True
    )
    if only:
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stage = Stage(_folder(directory), Path("schemas"), PATIENT, servers=ReplicatedServers)
    try:
        ok = _play(stage, planned, number, length, output)
    except KeyboardInterrupt:
        console.print("stopped, and cleaned up")
        raise typer.Exit(INTERRUPTED) from None
    finally:
        if stage.failed:
            console.print(f"servers' folder, logs, schedule and history stay in {stage.folder}", soft_wrap=True)
    if not ok:
        raise typer.Exit(FAILED)


def _play(stage: Stage, planned: tuple[Planned, ...], seed: int, minutes: float, output: Path | None) -> bool:
    with stage:
        _write(stage.folder / "schedule.json", as_json(planned))
        result = run(stage, planned, seed, minutes, lambda text: console.print(text, soft_wrap=True))
        stage.failed = not result.ok
        show(result, console)
        _write(output or stage.folder / "result.json", result.as_json())
    return result.ok


def parse_minutes(text: str) -> float:
    """The length of a run; `Misconfigured` says what would be one."""
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not SHORTEST_MINUTES <= minutes <= LONGEST_MINUTES:
        raise Misconfigured(f"MINUTES={text}: give a number from {SHORTEST_MINUTES} to {LONGEST_MINUTES}, as MINUTES=8")
    return minutes


def parse_seed(text: str) -> int:
    """The seed, one of chance when none is given; `Misconfigured` says what would be one."""
    if not text:
        return secrets.randbelow(1_000_000)
    if not (text.isascii() and text.isdecimal()):
        raise Misconfigured(f"SEED={text}: give a whole number, as SEED=42, or none for one of chance")
    return int(text)


def parse_kinds(names: list[str]) -> list[str]:
    """The kinds of faults, all when none is named; `Misconfigured` lists them."""
    if unknown := [name for name in names if name not in KINDS]:
        raise Misconfigured(f"--fault {unknown[0]!r}: there is no such fault; there are {', '.join(KINDS)}")
    return names or [*KINDS]


def _folder(directory: Path | None) -> Path:
    """A new folder for this run alone."""
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="headrace-chaos-", dir=directory))


def _write(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Run; a fault is one line on standard error."""
    try:
        app()
    except Misconfigured as error:
        console.print(f"chaos: {error}", soft_wrap=True)
        sys.exit(WRONG_USE)
    except (Fault, CannotVerify) as error:
        console.print(f"chaos: {error}", soft_wrap=True)
        sys.exit(FAILED)


if __name__ == "__main__":
    main()
