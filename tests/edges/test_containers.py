"""`HEADRACE_CONTAINERS=1`: containers are what tests get then, or they do not run at all."""

import os
import subprocess
import sys
from pathlib import Path

from running import ROOT


def test_without_an_engine_the_session_ends_with_what_to_do_and_nothing_is_skipped(tmp_path: Path) -> None:
    nowhere = {"HEADRACE_CONTAINERS": "1", "DOCKER_HOST": f"unix://{tmp_path}/nobody.sock"}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/edges/test_reading.py", "-p", "no:cacheprovider"],
        env=os.environ | nowhere,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 4, ran.stdout
    assert "HEADRACE_CONTAINERS is set, and no container engine answers" in ran.stderr
    assert "start one, set DOCKER_HOST, or unset HEADRACE_CONTAINERS" in ran.stderr
    assert "skipped" not in ran.stdout
