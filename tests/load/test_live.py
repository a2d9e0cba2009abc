"""What a run shows while it runs, and what the command line lists."""

import json
import subprocess
import sys
from io import StringIO

import pytest
from rich.console import Console

from headrace_load.generator import live
from headrace_load.generator.run import Moment
from headrace_load.generator.sender import Counts

MOMENT = Moment(
    at=7, sent=1_000, outcomes=990, rows=980, handler_lag=12, view_lag=34, p50={"row": 20.0}, p99={"row": 45.0}
)
COUNTS = Counts(sent=7_000, acked=6_990, dropped=3)


def test_a_terminal_has_a_table_that_goes_when_the_run_is_over() -> None:
    written = StringIO()
    with live.watching(Console(file=written, force_terminal=True, width=100), "steady") as watcher:
        watcher(MOMENT, COUNTS)
    shown = written.getvalue()
    for part in ("steady, second 7", "7,000", "6,990", "12, 34", "20, 45"):
        assert part in shown
    assert shown.endswith("\x1b[2K")


def test_elsewhere_a_line_tells_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    written = StringIO()
    with live.watching(Console(file=written, width=80), "steady") as watcher:
        watcher(MOMENT, COUNTS)
        assert written.getvalue() == ""
        monkeypatch.setattr(live, "LINE_EVERY_S", 0.0)
        watcher(MOMENT, COUNTS)
    assert written.getvalue() == (
        "steady    7 s: 7,000 sent, 6,990 confirmed, 990 outcomes/s, 980 rows/s, behind 12 + 34, row p99 45 ms\n"
    )


def test_the_shipped_scenarios_are_listed() -> None:
    command = [sys.executable, "-m", "headrace", "load", "list"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in ran.stdout.splitlines()] == [
        "busy", "flood", "hostile", "hot_key", "soak", "spike", "steady",
    ]  # fmt: skip
    ran = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout)["steady"]["arrivals"]["rate"] == 1000
