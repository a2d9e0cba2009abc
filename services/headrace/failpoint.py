"""Places where a test makes a process die or stop: named steps, refused outside the local profile."""

import os
import re
import signal
import threading
from typing import Final

from headrace.kernel.errors import Misconfigured
from headrace.settings import Settings

ASKED: Final = re.compile(r"(?P<action>kill|stop):(?P<step>\w+)(?P<delayed>\+?)(:(?P<count>[1-9][0-9]*))?")
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
        asked = ASKED.fullmatch(settings.failpoint)
        if settings.profile != "local" or asked is None:
            raise Misconfigured(
                f"HEADRACE_FAILPOINT={settings.failpoint!r}: for tests, as kill:STEP:COUNT, with HEADRACE_PROFILE=local"
            )
        self._signal = SIGNALS[asked["action"]]
        self._step = asked["step"]
        self._delayed = bool(asked["delayed"])
        self._remaining = int(asked["count"] or "1")

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
