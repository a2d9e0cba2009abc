"""A service under measurement: the same process that production runs, watched from outside."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

import psutil

from headrace.kernel.errors import Fault
from headrace.local.process import quote_end, spawn

PATIENCE_S: Final = 120.0
STOP_S: Final = 20.0


class Service:
    """`headrace` with these arguments as a process; it stops at the end of the `with`."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = " ".join(arguments[:2])
        self._log = log
        self.began = time.time()
        self._child = spawn([sys.executable, "-m", "headrace", *arguments], log, env=environment)
        self._process = psutil.Process(self._child.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    @property
    def cpu_s(self) -> float:
        """Seconds of CPU that all its threads have used."""
        return cpu_seconds(self._process)

    @property
    def rss_mb(self) -> float:
        """Its resident memory in MB."""
        return float(self._process.memory_info().rss) / 1e6

    def ready(self, partitions: int) -> dict[str, Any]:
        """Wait until it has all partitions; returns the line in which it says so."""
        self.wait(lambda: self._acquired(partitions) is not None, "has its partitions", every_s=0.002)
        return self._acquired(partitions) or {}

    def settle(self, partitions: int) -> None:
        """Wait until it has so many partitions, and is ready for all of them, whatever it had before."""
        self.wait(lambda: self._owned() == partitions, "has its share")

    def wait(self, holds: Callable[[], bool], what: str, every_s: float = 0.05) -> None:
        """Wait until something holds; `Fault` with the end of the log when the process ends first or takes minutes."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            if self._child.poll() is not None:
                raise Fault(f"{self.name} ended before it {what}; its log ends with:{quote_end(self._text())}")
            if time.monotonic() > deadline:
                raise Fault(f"{self.name}: not one that {what} in {PATIENCE_S:.0f} s:{quote_end(self._text())}")
            time.sleep(every_s)

    def _owned(self) -> int:
        owned: set[str] = set()
        for entry in self._told():
            if entry["event"] == "partitions acquired":
                owned.update(map(str, entry["partitions"]))
            elif entry["event"] == "partitions released":
                owned.difference_update(map(str, entry["partitions"]))
        return len(owned)

    def _acquired(self, partitions: int) -> dict[str, Any] | None:
        for entry in self._told():
            if entry["event"] == "partitions acquired" and len(entry["partitions"]) == partitions:
                return entry
        return None

    def _told(self) -> Iterator[dict[str, Any]]:
        for line in self._text().splitlines(keepends=True):
            if line.startswith("{") and line.endswith("\n"):
                yield json.loads(line)

    def _text(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""


def cpu_seconds(process: psutil.Process) -> float:
    """Seconds of CPU that a process has used, in its own code and in the kernel's."""
    times = process.cpu_times()
    return float(times.user + times.system)
