"""A load in one command, on servers and services of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from running import ROOT
from servers import readable_folder


@pytest.mark.edge
def test_one_command_starts_loads_verifies_and_leaves_only_the_report(tmp_path: Path) -> None:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("HEADRACE_", "KAFKA_", "DATABASE"))
    }
    with readable_folder() as folder:
        environment = {
            **kept,
            "PYTHONPATH": f"{ROOT}/services{os.pathsep}{ROOT}/load",
            "TMPDIR": str(folder),
            "HEADRACE_TUNING": "latency",
        }
        command = [sys.executable, "-m", "headrace", "load", "run", "steady", "--local"]
        options = ["--duration", "2", "--rate", "100", "--output", str(tmp_path / "run")]
        ran = subprocess.run(
            [*command, *options], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=170
        )
        assert ran.returncode in (0, 1), ran.stderr
        assert list(folder.iterdir()) == []
    found = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert found["verification"]["ok"], ran.stdout
    assert found["settings"]["tuning"] == "latency"
    assert {"handler", "orders-projector", "journal-projector", "kafka", "postgres"} <= set(found["cpu_us"])
    assert "partition order: " in ran.stdout
