"""From a scenario to a judged run in a folder: load, verify, summarize, write."""

import time
from pathlib import Path
from typing import Any, Final

import psycopg
from rich.console import Console

from headrace.kernel.errors import Fault, Misconfigured
from headrace.settings import Settings
from headrace_load.bench.machine import host
from headrace_load.generator import summary
from headrace_load.generator.check import DOMAIN, check
from headrace_load.generator.live import watching
from headrace_load.generator.report import FILE as REPORT
from headrace_load.generator.report import write_report
from headrace_load.generator.run import HISTORY, run
from headrace_load.generator.scenario import Scenario
from headrace_load.generator.spent import Watched, cpu_seconds, per_command
from headrace_load.generator.summary import Circumstances, Summary, summarize
from headrace_load.verify import CannotVerify, Evidence, verify

FOLDER: Final = Path(".headrace/load")
TOLD: Final = ("profile", "partitions", "tuning", "batch_size", "window_ms", "dedup_window_s")
"""The settings that say something about a run; the others are addresses."""


def conduct(
    name: str, scenario: Scenario, settings: Settings, folder: Path, console: Console, watched: Watched
) -> Summary:
    """Run the scenario and write history, summary, histograms and report into the folder.

    `watched` are processes on this machine whose CPU time is told. Raises `Misconfigured`, with nothing sent, when
    something is not as it must be.
    """
    check(settings)
    environment = host() | {"postgres": _postgres(settings)}
    before = cpu_seconds(watched)
    with watching(console, name) as watcher:
        finding = run(scenario, settings, folder, watcher)
    cpu = per_command(before, cpu_seconds(watched), finding.counts.sent)
    console.print("sent and drained; now all of it is verified", highlight=False)
    try:
        report = verify(
            settings.kafka,
            settings.database,
            settings.schemas,
            [DOMAIN],
            settings.dedup_window_s,
            Evidence((folder / HISTORY,)),
        )
    except CannotVerify as error:
        raise Fault(str(error)) from error
    told = {field: getattr(settings, field) for field in TOLD}
    found = summarize(name, scenario, finding, report, Circumstances(environment, told, cpu))
    summary.write(found, finding.histograms, folder)
    write_report(found, folder / REPORT)
    return found


def new_folder(name: str, chosen: Path | None) -> Path:
    """An empty folder for a run: the chosen one, or one of its own under `.headrace/load`."""
    folder = chosen or FOLDER / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Misconfigured(f"{folder} is not an empty folder: a run needs one of its own")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _postgres(settings: Settings) -> Any:
    try:
        with psycopg.connect(settings.database, connect_timeout=10) as connection:
            return (connection.execute("SHOW server_version").fetchone() or ("unknown",))[0]
    except psycopg.Error:
        return "unknown"  # the check before the run says it better
