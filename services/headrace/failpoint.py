"""Places where a test makes a process die, stop, abort or be wrong: named steps, refused outside the local profile."""

import os
import re
import signal
import threading
from typing import Final

from headrace.kafka.ladder import Aborted
from headrace.kernel.errors import Misconfigured
from headrace.settings import Settings

ASKED: Final = re.compile(
    r"((?P<action>kill|stop):(?P<step>\w+)(?P<delayed>\+?)|abort:(?P<aborted>\w+)|mutant:(?P<mutant>\w+))"
    r"(:(?P<count>[1-9][0-9]*))?"
)
SIGNALS: Final = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


class Failpoint:
    """What is to happen at one step, and at which of the times that it is reached."""

    def __init__(self, asked: re.Match[str]) -> None:
        self.step = asked["step"] or asked["aborted"]
        self._signal = SIGNALS.get(asked["action"])
        self._delayed = bool(asked["delayed"])
        self._count = int(asked["count"] or "1")
        self._reached = 0

    def reach(self) -> None:
        """Act, if it is time to."""
        self._reached += 1
        if self._signal is None:
            if self._reached % self._count == 0:
                raise Aborted(f"a failpoint at the step {self.step!r}")
        elif self._reached == self._count:
            if self._delayed:
                threading.Timer(0.001, os.kill, (os.getpid(), self._signal)).start()
            else:
                os.kill(os.getpid(), self._signal)


class Failpoints:
    """HEADRACE_FAILPOINT=kill:produced:3 kills the process the third time that it reaches the step `produced`.

    `stop` instead of `kill` freezes it, and a step that ends in `+` acts a millisecond later, amid what follows.
    `abort:produced:3` aborts every third transaction there. `mutant:NAME` makes the service wrong on purpose
    (headrace_load.mutants says how). Several are separated by commas.
    """

    def __init__(self, settings: Settings) -> None:
        self._by_step: dict[str, list[Failpoint]] = {}
        if not settings.failpoint:
            return
        found = [ASKED.fullmatch(part) for part in settings.failpoint.split(",")]
        if settings.profile != "local" or None in found:
            raise Misconfigured(
                f"HEADRACE_FAILPOINT={settings.failpoint!r}: for tests, as kill:STEP:COUNT, stop:…, abort:… or "
                f"mutant:NAME:COUNT, with HEADRACE_PROFILE=local"
            )
        for asked in filter(None, found):
            if asked["mutant"]:
                _make_wrong(asked["mutant"], int(asked["count"] or "1"))
            else:
                failpoint = Failpoint(asked)
                self._by_step.setdefault(failpoint.step, []).append(failpoint)

    def reach(self, step: str) -> None:
        """Say that a step is reached; costs a look-up where no failpoint is set. `abort` raises `Aborted`."""
        if step in self._by_step:
            for failpoint in self._by_step[step]:
                failpoint.reach()


def _make_wrong(name: str, count: int) -> None:
    try:
        from headrace_load.mutants import install  # noqa: PLC0415 - not part of a production image
    except ModuleNotFoundError as error:
        raise Misconfigured(
            f"HEADRACE_FAILPOINT=mutant:{name}: {error.name} is not installed: mutants are not in the wheel, run from "
            f"a clone after `make setup`"
        ) from error
    install(name, count)
