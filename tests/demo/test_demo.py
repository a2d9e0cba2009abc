"""The demo as a stranger runs it: to its end, and interrupted in the middle."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from headrace_load.demo.bank import ENDINGS
from headrace_load.demo.day import read_day
from headrace_load.demo.result import statistics
from scraping import scrape
from servers import readable_folder

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.edge


@contextmanager
def demo(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A running demo and the folder that it was given."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("HEADRACE_", "KAFKA_", "DATABASE"))
    }
    environment = kept | {"PYTHONPATH": f"{ROOT}/services{os.pathsep}{ROOT}/load"}
    with readable_folder() as folder:
        command = [sys.executable, "-m", "headrace", "demo", "--directory", str(folder), *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes) as process:  # type: ignore[call-overload]
            try:
                yield process, folder
            finally:
                process.kill()


def working_in(folder: Path) -> list[psutil.Process]:
    """The processes whose command line names the folder."""
    return [found for found in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(found.info["cmdline"] or [])]


def wait_for(process: subprocess.Popen[str], text: str, seconds: float = 60) -> None:
    """Read standard output until a line has the text."""
    assert process.stdout is not None
    deadline = time.monotonic() + seconds
    for line in process.stdout:
        assert time.monotonic() < deadline
        if text in line:
            return
    pytest.fail(f"never said: {text}\n{process.stderr.read() if process.stderr else ''}")


def until(holds: Callable[[], bool], what: str, seconds: float = 90) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        threading.Event().wait(0.2)


def test_the_demo_ends_with_all_checks_passed_and_leaves_nothing_behind() -> None:
    with demo("--json") as (process, folder):
        out, error = process.communicate(timeout=150)
        assert process.returncode == 0, error
        found = json.loads(out)
        assert found["ok"]
        assert (
            found["counts"] | {"events": 547, "journaled": 547, "rows": 135, "refused": 5, "resent": 127}
            == found["counts"]
        )
        assert found["counts"]["set_aside"] == 3
        assert [kill["name"] for kill in found["kills"]] == ["handler-1", "orders-projector-1"]
        assert all(kill["new_pid"] != kill["pid"] for kill in found["kills"])
        assert all(check["ok"] for check in found["verification"]["checks"])
        assert found["figures"]["command_to_row"]["p50"] > 0
        [of_the_day] = found["days"]
        assert [of_the_day[step] for step in ("created", "paid", "shipped", "delivered", "cancelled")] == [127] * 4 + [
            0
        ]
        assert found["bank"]["conserved"]
        assert {transfer["transfer_id"]: transfer["status"] for transfer in found["bank"]["transfers"]} == ENDINGS
        [reviewed] = [transfer for transfer in found["bank"]["transfers"] if transfer["reviewed_by"]]
        assert (reviewed["transfer_id"], reviewed["reviewed_by"]) == ("car", "carol")
        assert of_the_day["average_basket"] == round(of_the_day["revenue"] / 127)
        assert list(folder.iterdir()) == []
        assert working_in(folder) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_demo_that_is_interrupted_stops_everything_and_cleans_up(number: signal.Signals) -> None:
    with demo() as (process, folder):
        wait_for(process, "topics are created")
        assert len(working_in(folder)) >= 2
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "stopped, and cleaned up" in out
        assert list(folder.iterdir()) == []
        assert working_in(folder) == []


@pytest.mark.chaos
@pytest.mark.timeout(400)
def test_a_demo_that_is_kept_goes_on_under_a_trickle_of_load_and_can_be_looked_at() -> None:
    with demo("--keep") as (process, folder):
        wait_for(process, "Everything runs until Ctrl-C", 300)
        [made] = folder.iterdir()
        configuration = json.loads((made / "prometheus.yml").read_text())
        assert all(Path(file).is_file() for file in configuration["rule_files"])
        [found] = json.loads((made / "targets.json").read_text())
        ports = [int(address.rpartition(":")[2]) for address in found["targets"]]
        assert len(ports) == 17  # 8 of the shop, 5 of the bank, and those that are there to be looked at

        def answered() -> float:
            """The commands that all services have answered; 0 while one of them does not answer us."""
            try:
                return sum(scrape(port).total("headrace_commands_total") for port in ports)
            except OSError:
                return 0.0

        until(lambda: answered() > 0, "all can be looked at")
        before = answered()
        until(lambda: answered() >= before + 100, "commands go on")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=90)
        assert list(folder.iterdir()) == []
        assert working_in(folder) == []


def test_a_day_has_each_orders_steps_in_order_and_some_seconds_apart() -> None:
    day = read_day(seconds=10)
    assert len(day.created) == 127
    assert len(day.planned) == 4 * 127
    times: dict[str, list[float]] = {}
    for entry in day.planned:
        times.setdefault(entry.asked.meta.aggregate_id, []).append(entry.at)
    assert all(at == pytest.approx([at[0] + 2 * step for step in range(4)]) for at in times.values())
    assert [entry.at for entry in day.planned] == sorted(entry.at for entry in day.planned)


def test_second_payments_are_new_commands_of_orders_that_are_paid() -> None:
    day = read_day(seconds=10)
    again = day.second_payments()
    ids = {entry.asked.meta.command_id for entry in day.planned}
    assert len(again) == 3
    assert not ids & {asked.meta.command_id for asked in again}
    assert {type(asked.command).__name__ for asked in again} == {"PayOrder"}


def test_the_day_s_statistics_are_shown_whole_on_a_narrow_page() -> None:
    steps = dict.fromkeys(("created", "paid", "shipped", "delivered", "cancelled"), 1_270)
    money = {"revenue": 5_896_079, "refunds_owed": 0, "average_basket": None}
    days = tuple({"day": "2010-12-01", "currency": currency, **steps, **money} for currency in ("EUR", "GBP"))
    console = Console(width=80, file=StringIO())
    console.print(statistics(days))
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in printed
    for said in ("2010-12-01, EUR", "2010-12-01, GBP", "1,270", "58,960.79", "refunds owed", "average basket"):
        assert said in printed
