"""A loop that stands still ends its process; one that gets on does not."""

import subprocess
import sys

import pytest

PROGRAM = """
import threading
from headrace.observe.watchdog import Watchdog
from headrace.settings import Settings
watchdog = Watchdog(Settings(HEADRACE_PROFILE="local"), limit_s=0.5)
{body}
"""
STANDS_STILL = "watchdog.beat(); threading.Event().wait(60)"
GETS_ON = "[(watchdog.beat(), threading.Event().wait(0.1)) for _ in range(15)]; watchdog.stop()"
NEVER_BEGAN = "threading.Event().wait(1.5)"
HAS_STOPPED = "watchdog.beat(); watchdog.stop(); threading.Event().wait(1.5)"


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (STANDS_STILL, 1, "the loop has not come round for"),
        (GETS_ON, 0, ""),
        (NEVER_BEGAN, 0, ""),
        (HAS_STOPPED, 0, ""),
    ],
    ids=["stands still", "gets on", "never began", "has stopped"],
)
def test_only_a_loop_that_stands_still_is_ended(body: str, code: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=body)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    assert said in done.stderr
