"""What a verification takes: here only that a verification which fails is no figure."""

import os
import subprocess
import sys

from running import ROOT


def test_servers_that_do_not_answer_are_no_figure() -> None:
    nowhere = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "DATABASE_URL": "postgresql://127.0.0.1:1/x"}
    run = subprocess.run(
        [sys.executable, "-m", "headrace_load.bench.verifying"],
        env=os.environ | nowhere,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (1, "")
    first, last = run.stderr.splitlines()
    assert "no Postgres at 127.0.0.1:1 lets us in" in first
    assert last.startswith("verifying: headrace verify ended with exit code 2")
