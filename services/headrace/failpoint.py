"""Places where a test makes a process die or stop: named steps, refused outside the local profile."""

import os
import signal
import threading
from typing import Final

from headrace.kernel.errors import Misconfigured
from headrace.settings import Settings

SIGNALS: Final = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


class Failpoints:
    """HEADRACE_FAILPOINT=kill:produced:3 kills the process the third time that it reaches the step `produced`.

    `stop` instead of `kill` freezes it. A step that ends in `+` acts a millisecond later, amid what follows.
    """

    def __init__(self, settings: Settings) -> None:
        self._step = ""
        self._delayed = False
        self._remaining = 0
        if not settings.failpoint:
            return
        action, _, rest = settings.failpoint.partition(":")
        step, _, count = rest.partition(":")
        if settings.profile != "local" or action not in SIGNALS or not step or not (count or "1").isdigit():
            raise Misconfigured(
                f"HEADRACE_FAILPOINT={settings.failpoint!r}: for tests, as kill:STEP:COUNT, with HEADRACE_PROFILE=local"
            )
        self._signal = SIGNALS[action]
        self._step = step.removesuffix("+")
        self._delayed = step.endswith("+")
        self._remaining = int(count or "1")

    def reach(self, step: str) -> None:
        """Say that a step is reached; costs a comparison where no failpoint is set."""
        if step != self._step:
            return
        self._remaining -= 1
        if self._remaining == 0:
            if self._delayed:
                threading.Timer(0.001, os.kill, (os.getpid(), self._signal)).start()
            else:
                os.kill(os.getpid(), self._signal)
