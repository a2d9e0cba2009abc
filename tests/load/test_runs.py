"""Runs on real servers that answer: every shipped scenario, what fails a run, and what is refused with nothing sent."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from headrace_load.generator.scenario import find
from headrace_load.history import HistoryReader
from load.browser import assert_opens
from load.runs import commands, load, refused
from running import PARTITIONS, ROOT, Running, running
from servers import Kafka, Postgres, fresh_database

pytestmark = pytest.mark.edge
SHORT = {
    "steady": ("--duration", "3", "--rate", "200"),
    "busy": ("--duration", "2", "--rate", "500"),
    "flood": ("--count", "2000"),
    "spike": ("--duration", "3", "--rate", "50"),
    "hot_key": ("--duration", "3", "--rate", "300"),
    "hostile": ("--duration", "4", "--rate", "300"),
    "soak": ("--duration", "4", "--rate", "200"),
}


@pytest.fixture(scope="module")
def services(kafka: Kafka, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A shop that answers, for all runs of this file."""
    folder = tmp_path_factory.mktemp("services")
    with fresh_database(postgres) as database, running(kafka.bootstrap_servers, database, folder) as heart:
        heart.start("handler", "handle", "orders")
        heart.start_projectors()
        for name in ("handler", "project-orders", "project-journal"):
            heart.wait(lambda name=name: len(heart.owned(name)) >= PARTITIONS, f"{name} has its partitions")
        yield heart


def summary_in(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return found


def unmet(found: dict[str, Any]) -> list[str]:
    """The thresholds that were not met, without those of latencies: this machine may be busy."""
    return [
        judged["threshold"] for judged in found["thresholds"] if not judged["ok"] and "_ms" not in judged["threshold"]
    ]


@pytest.mark.parametrize("name", SHORT)
def test_a_shipped_scenario_runs_is_verified_and_written_down(services: Running, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "run"
    before = commands(services)
    ran = load(services, name, *SHORT[name], "--output", str(folder))
    assert ran.returncode in (0, 1), ran.stderr + ran.stdout
    assert (folder / "summary.json").exists(), ran.stderr
    found = summary_in(folder)
    assert found["verification"]["ok"], ran.stdout
    assert unmet(found) == []
    metrics = found["metrics"]
    assert metrics["sent"] == metrics["acked"] == commands(services) - before > 100
    for what in ("command_to_outcome", "command_to_event", "command_to_row"):
        assert metrics[f"max_{what}_ms"] >= metrics[f"p50_{what}_ms"] > 0
    assert sum(moment["outcomes"] for moment in found["moments"]) > 0
    operations = list(HistoryReader(folder / "history.jsonl"))
    assert len(operations) == metrics["sent"]
    assert {operation.result for operation in operations} == {"ok"}
    assert {path.name for path in folder.iterdir()} == {
        "summary.json", "report.html", "history.jsonl", "lateness.hgrm",
        "command_to_outcome.hgrm", "command_to_event.hgrm", "command_to_row.hgrm",
    }  # fmt: skip
    assert "partition order: " in ran.stdout
    assert "throughput: " in ran.stdout


def test_a_run_for_programs_is_json_and_its_report_opens_in_a_browser(services: Running, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    ran = load(services, "steady", "--duration", "2", "--rate", "100", "--output", str(folder), "--json")
    assert ran.returncode in (0, 1), ran.stderr
    assert json.loads(ran.stdout)["metrics"] == summary_in(folder)["metrics"]
    assert_opens(folder / "report.html", "partition order", "environment", "Percentiles", folder=tmp_path)


@pytest.mark.parametrize(("warm_up_s", "measured"), [(1, 100), (60, 0)])
def test_what_is_due_in_the_warm_up_is_sent_and_verified_and_in_no_latency(
    services: Running, tmp_path: Path, warm_up_s: int, measured: int
) -> None:
    options = ("--duration", "2", "--rate", "100", "--warm-up", str(warm_up_s), "--output", str(tmp_path / "run"))
    ran = load(services, "busy", *options)
    assert "Traceback" not in ran.stderr
    found = summary_in(tmp_path / "run")
    assert found["verification"]["ok"]
    assert found["metrics"]["sent"] == 200
    assert found["latencies"]["lateness"]["count"] == measured
    for what in ("outcome", "event", "row"):
        assert (found["latencies"][f"command_to_{what}"]["count"] > 0) == bool(measured)
        assert found["latencies"][f"command_to_{what}"]["count"] <= measured


def test_an_impossible_threshold_ends_with_1_and_says_what_was_measured(services: Running, tmp_path: Path) -> None:
    options = ("--duration", "2", "--rate", "100", "--threshold", "p50_command_to_row_ms < 0.001")
    ran = load(services, "steady", *options, "--output", str(tmp_path / "run"))
    assert ran.returncode == 1
    assert "WRONG  p50_command_to_row_ms < 0.001: " in ran.stdout
    assert not summary_in(tmp_path / "run")["ok"]


def test_what_is_lost_by_somebody_else_fails_a_run(services: Running, tmp_path: Path) -> None:
    """Rows that vanish behind the projector's back are what the verifier names, whatever the figures are."""
    options = ("--duration", "1", "--rate", "50")
    assert load(services, "steady", *options, "--output", str(tmp_path / "a")).returncode in (0, 1)
    services.change("CREATE TABLE kept AS TABLE orders_v1.orders; DELETE FROM orders_v1.orders")
    try:
        ran = load(services, "steady", *options, "--output", str(tmp_path / "b"))
    finally:
        services.change("INSERT INTO orders_v1.orders TABLE kept ON CONFLICT DO NOTHING; DROP TABLE kept")
    assert ran.returncode == 1
    assert ran.stderr == ""
    assert summary_in(tmp_path / "b")["metrics"]["lost"] > 0


BAD = {
    "an unknown key": ("rate = 1_000", "rate = 1_000\nspeed = 3", "unknown field `speed`"),
    "a negative rate": ("rate = 1_000", "rate = -5", "`float` > 0.0 - at `$.arrivals.rate`"),
    "a threshold on an unknown metric": ("lost == 0", "beauty == 0", "there is no metric beauty"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_scenario_with_something_wrong_ends_with_2_and_nothing_sent(
    services: Running, tmp_path: Path, what: str
) -> None:
    before = commands(services)
    good, bad, why = BAD[what]
    path = tmp_path / "bad.toml"
    path.write_text(find("steady").read_text().replace(good, bad, 1))
    refused(load(services, str(path)), why)
    assert commands(services) == before


@pytest.mark.parametrize(
    ("env", "why"),
    [
        ({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, "no Kafka broker answers at 127.0.0.1:1"),
        ({"DATABASE_URL": "postgresql://127.0.0.1:1/none"}, "no Postgres at 127.0.0.1:1 lets us in"),
        ({"HEADRACE_PARTITIONS": "5"}, "topic orders.commands has 4 partitions, HEADRACE_PARTITIONS says 5"),
        ({"KAFKA_BOOTSTRAP_SERVERS": ""}, "KAFKA_BOOTSTRAP_SERVERS is not set"),
    ],
    ids=["no broker", "no database", "other partitions", "no address"],
)
def test_what_cannot_be_loaded_is_told_in_a_line_with_nothing_sent(
    services: Running, tmp_path: Path, env: dict[str, str], why: str
) -> None:
    before = commands(services)
    refused(load(services, "steady", "--output", str(tmp_path / "run"), **env), why)
    assert commands(services) == before
    assert not (tmp_path / "run").exists()


def test_a_folder_that_holds_something_is_not_written_over(services: Running, tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    refused(load(services, "steady", "--output", str(tmp_path)), "is not an empty folder")


def test_a_run_that_is_interrupted_ends_with_130_and_leaves_no_process(services: Running, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "headrace",
        "load",
        "run",
        "steady",
        "--rate",
        "50",
        "--output",
        str(tmp_path / "run"),
    ]
    with subprocess.Popen(command, cwd=ROOT, env=services.env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "steady" in process.stdout.readline()
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 2
        os.kill(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert "stopped" in out
    assert psutil.wait_procs(children, timeout=20)[1] == []
