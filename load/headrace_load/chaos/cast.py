"""The services of a run: three handlers, two replicas of each projector, started, armed and stopped by name."""

import contextlib
import os
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Final

from headrace.local import LocalServerError
from headrace_load.chaos.schedule import HANDLERS, PROJECTORS, SESSION_S
from headrace_load.demo.stage import DOMAIN, Stage

ABORT_S: Final = 2.0
STOP_S: Final = 45.0
"""A service that is told to stop may have a transaction to wait for; after so long it is a finding."""


class Cast:
    """Who plays.

    `stopped` counts the exit codes of those that were told to stop, by (name, code); `aborted` are the processes that
    were ended to see where they were.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.stopped: Counter[tuple[str, int]] = Counter()
        self.playing: set[str] = set()
        self.aborted: set[int] = set()

    def start_all(self) -> None:
        """Start everybody; they are up when all own partitions."""
        for name in (*HANDLERS, *PROJECTORS):
            self.start(name)

    def all_own_partitions(self) -> bool:
        """Whether everybody has said that partitions were given to it."""
        return all("partitions acquired" in self._said(self.log(name)) for name in self.playing)

    def start(self, name: str, failpoint: str = "") -> None:
        """Start a service, armed when a failpoint is named. A handler's slot is its name's number."""
        role, _, number = name.rpartition("-")
        arguments = ("handle", DOMAIN, "--slot", number) if role == "handler" else ("project", role)
        ours = {
            "HEADRACE_INSTANCE": name,
            "HEADRACE_FAILPOINT": failpoint,
            "HEADRACE_RESTORE_DIGEST": "true",
            "KAFKA_CONSUMER__SESSION_TIMEOUT_MS": f"{SESSION_S * 1000:.0f}",
            "PYTHONFAULTHANDLER": "1",  # who is aborted says where it was
        }
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HEADRACE_", "KAFKA_", "PG"))}
        command = [sys.executable, "-m", "headrace", *arguments]
        self.stage.services.start(name, command, self.log(name), kept | self.stage.environment | ours)
        self.playing.add(name)

    def stop(self, *names: str, timeout: float = STOP_S) -> None:
        """Tell services to stop, and wait until they have; who does not is aborted, and its log says where it was."""
        pids = [self.stage.services.pid(name) for name in names]
        alarm = threading.Timer(timeout - ABORT_S, abort, pids)
        alarm.start()
        for name, code in self.stage.services.stop(*names, timeout=timeout).items():
            self.stopped[name, code] += 1
            self.playing.discard(name)
        alarm.cancel()

    def abort_all(self) -> None:
        """End every service so that its log says where it was."""
        self.aborted |= {pid for name in self.playing if (pid := self.stage.services.pid(name))}
        abort(*self.aborted)

    def kill_off(self, name: str) -> None:
        """Kill a service and leave it dead."""
        self.stage.services.stop(name, timeout=0)
        self.playing.discard(name)

    def signal(self, name: str, number: int) -> None:
        """Send a signal, if the service runs just now."""
        try:
            self.stage.services.send(name, number)
        except (LocalServerError, ProcessLookupError):
            return

    def log(self, name: str) -> Path:
        """Where a service logs, from its first start to its last."""
        return self.stage.folder / "logs" / f"{name}.log"

    def last_words(self) -> dict[str, Counter[str]]:
        """By service, the lines in which its processes said why they ended."""
        return {
            path.stem: Counter(line for line in self._said(path).splitlines() if line.startswith("headrace: "))
            for path in self._logs()
        }

    def tracebacks(self) -> list[str]:
        """Exceptions that no one foresaw: the services' logs that hold one, each with its last line."""
        found = []
        for path in self._logs():
            lines = self._said(path).splitlines()
            found += [f"{path.name}: {line}" for line in lines if line.startswith("headrace: ended by an unexpected")]
            for start in (at for at, line in enumerate(lines, 1) if line.startswith("Traceback ")):
                last = next((line for line in lines[start:] if line and not line.startswith((" ", "{"))), "")
                found.append(f"{path.name} line {start}: {last}")
        return found

    def _logs(self) -> list[Path]:
        return sorted((self.stage.folder / "logs").glob("*.log"))

    def _said(self, log: Path) -> str:
        return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""


def abort(*pids: int | None) -> None:
    """Abort processes, those that are there."""
    for pid in filter(None, pids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGABRT)
