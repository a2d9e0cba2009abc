"""A loop that stands still ends its process; one that gets on does not."""

import subprocess
import sys

import pytest

PROGRAM = """
import threading
from headrace.observe import health as module
from headrace.observe.watchdog import Watchdog
module.LIMIT_S["local"], module.STOPPING_LIMIT_S["local"], module.FATAL_GRACE_S = 0.5, 0.2, 0.5
health = module.Health()
wait = threading.Event().wait
with Watchdog(health, 0.05):
    {body}
wait(1)
"""
STANDS_STILL = "health.beat(); wait(60)"
GETS_ON = "[(health.beat(), wait(0.1)) for _ in range(15)]"
NEVER_BEGAN = "wait(1.5)"
IS_FATAL = "health.fail('fenced'); [(health.beat(), wait(0.1)) for _ in range(100)]"
HANGS_AT_ITS_END = "health.beat(); health.stop(); wait(60)"
HAS_ENDED = "health.beat()"


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (STANDS_STILL, 1, "the loop has not come round for"),
        (GETS_ON, 0, ""),
        (NEVER_BEGAN, 0, ""),
        (IS_FATAL, 1, "headrace: fenced: the process ends here"),
        (HANGS_AT_ITS_END, 1, "the loop has not come round for"),
        (HAS_ENDED, 0, ""),
    ],
    ids=["stands still", "gets on", "never began", "is fatal", "hangs at its end", "has ended"],
)
def test_only_a_loop_that_stands_still_or_must_end_is_ended(body: str, code: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=body)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    assert said in done.stderr
