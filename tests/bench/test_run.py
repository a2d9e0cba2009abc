import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RATES = {
    "raw_consume": "records_per_s",
    "raw_produce": "records_per_s",
    "handler": "commands_per_s",
    "projector_orders": "events_per_s",
    "projector_order_statistics": "events_per_s",
    "projector_journal": "events_per_s",
    "restart": "records_per_s",
    "restore": "records_per_s",
}
LIVE = {
    **{f"live, {rate} a second": "row_p99_ms" for rate in (10, 50, 100)},
    "live, 100 a second, tuned for latency": "event_p50_ms",
    "everything at once": "events_per_s",
    "everything at once, tuned for throughput": "events_per_s",
}
MONEY = {"transfers": "transfers_per_s", "transfers at 200 a second": "p99_ms"}
SCALING = {
    **{f"handler of {count} accounts": "cpu_us" for count in ("10", "1,000", "10,000")},
    **{f"handlers, {count} of them": "cpu_us" for count in (1, 2, 4)},
}


def run_bench(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "headrace_load.bench", *options]
    found = [os.environ.get("PYTHONPATH"), str(ROOT / "services"), str(ROOT / "load")]
    path = os.pathsep.join(part for part in found if part)
    environment = os.environ | {"PYTHONPATH": path} | variables
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.edge
@pytest.mark.chaos  # minutes; CI runs `make bench-check`, which measures most of it
@pytest.mark.timeout(600)
def test_a_tiny_bench_measures_everything_on_servers_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    options = ("--commands", "2000", "--repeats", "1", "--warm-up", "1", "--json", "--output", str(file))
    page = tmp_path / "benchmarks.md"
    ran = run_bench(*options, "--document", str(page), HEADRACE_BATCH_SIZE="500", HEADRACE_WINDOW_MS="5")
    assert ran.returncode == 0, ran.stderr
    report: dict[str, Any] = json.loads(ran.stdout)
    assert json.loads(file.read_text()) == report
    assert "| handler | commands/s |" in page.read_text()
    assert report["commands"] == report["aggregates"] == 2000
    assert report["settings"] == {"tuning": "default", "batch_size": 500, "window_ms": 5}
    assert report["machine"]["kafka"].startswith("4.")
    figures = report["figures"]
    assert list(figures) == [*RATES, *LIVE, *MONEY, *SCALING]
    assert all(figures[who][rate]["median"] > 0 for who, rate in (RATES | LIVE | MONEY | SCALING).items())
    assert all(figures[who]["rate_to_raw"]["median"] > 0 for who in list(RATES)[2:])


def test_a_bench_without_contracts_says_what_is_missing(tmp_path: Path) -> None:
    ran = run_bench("--quick", HEADRACE_SCHEMAS=str(tmp_path))
    assert ran.returncode == 1
    assert "ids.json" in ran.stderr
    assert "Traceback" not in ran.stderr
