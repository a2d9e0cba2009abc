"""`python -m headrace_load.bench.verifying`: what `headrace verify` takes, all of its processes together.

On the servers that the environment names, as they are; without any, on servers of its own, which it fills first.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import psutil
import typer

from headrace.app import shop
from headrace.kernel.app import JOURNAL
from headrace.kernel.errors import Fault, Misconfigured
from headrace.local import LocalServerError
from headrace_load.bench import drained, raw, traffic
from headrace_load.bench.stage import PARTITIONS, Stage, environment

EVERY_S: Final = 0.1

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds by the clock and of CPU, and the largest memory of all processes together, sampled, in MB."""

    events: int
    seconds: float
    cpu_s: float
    rss_mb: float


@app.command()
def verifying(
    commands: Annotated[int, typer.Option(min=400, help="Commands to fill servers of its own with.")] = 250_000,
    repeats: Annotated[int, typer.Option(min=1, help="How often to measure.")] = 1,
) -> None:
    """Measure `headrace verify` and print a line of JSON for each repeat."""
    if "KAFKA_BOOTSTRAP_SERVERS" in os.environ:
        _report(os.environ, repeats)
        return
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder, Stage(Path(folder)) as stage:
        stage.reset()
        drained.handle(stage, traffic.commands(stage.codec, commands // 4 * 4, PARTITIONS))
        events = raw.Topic(stage, stage.aggregate.event_topic)
        for view in (JOURNAL, *(view.name for view in shop.views)):
            drained.project(stage, view, events)
        del events
        _report(environment(stage.settings), repeats)


def _report(where: Mapping[str, str], repeats: int) -> None:
    for _ in range(repeats):
        typer.echo(json.dumps(asdict(measured(where))))


def measured(where: Mapping[str, str]) -> Taken:
    """What one verification takes; `Fault` when it finds a problem, or cannot verify."""
    began, before = time.monotonic(), _cpu_s()
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen([sys.executable, "-m", "headrace", "verify", "--json"], env=where, stdout=output)
        watched, rss = psutil.Process(child.pid), 0
        while child.poll() is None:
            rss = max(rss, _rss(watched))
            time.sleep(EVERY_S)
        seconds = time.monotonic() - began
        output.seek(0)
        if child.returncode:
            raise Fault(f"headrace verify ended with exit code {child.returncode}: {output.read().decode()}")
        report: dict[str, Any] = json.load(output)
    counted = {check["name"]: check["counted"] for check in report["checks"]}
    return Taken(counted["versions"]["events"], round(seconds, 1), round(_cpu_s() - before, 1), round(rss / 1e6, 1))


def _cpu_s() -> float:
    """Of all processes that were started here, and by those in turn, and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _rss(process: psutil.Process) -> int:
    total = 0
    try:
        for one in (process, *process.children(recursive=True)):
            total += one.memory_info().rss
    except psutil.NoSuchProcess:
        pass  # it ends just now, and was larger before
    return total


def main() -> None:
    """Run it; a fault is one line on standard error."""
    try:
        app()
    except (Fault, LocalServerError, Misconfigured) as error:
        print(f"verifying: {error}", file=sys.stderr)  # noqa: T201 - a command's last words
        sys.exit(1)


if __name__ == "__main__":
    main()
