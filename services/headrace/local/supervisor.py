"""Processes kept running: who exits is started again, unless it exits again and again."""

import logging
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from headrace.local.process import POLL_SECONDS, LocalServerError, quote_end, send_signal, spawn, until

log = logging.getLogger("headrace.local")


class CrashLoopError(LocalServerError):
    """A process exits again and again; it is not started any more."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How soon a process is started again, and after how many exits within how many seconds no more.

    The pause before a start doubles from `pause` to `longest_pause`, and is `pause` again after `calm` seconds up.
    """

    pause: float = 0.1
    longest_pause: float = 5.0
    calm: float = 10.0
    exits: int = 5
    within: float = 30.0


@dataclass(frozen=True, slots=True)
class Exit:
    """One process that ended unasked: its exit code (a signal as a negative number) and how many seconds it ran."""

    name: str
    pid: int
    code: int
    ran: float


@dataclass(slots=True)
class _Charge:
    """One process in the supervisor's care."""

    name: str
    argv: Sequence[str | Path]
    log_file: Path
    env: Mapping[str, str] | None
    pause: float
    child: subprocess.Popen[bytes]
    since: float
    start_at: float | None = None
    given_up: bool = False
    exited_at: list[float] = field(default_factory=list)


class Supervisor:
    """Keeps named processes running until `stop`. None of them outlives this process, however it ends (on Linux)."""

    def __init__(self, patience: Patience | None = None) -> None:
        self.exits: list[Exit] = []
        self._patience = patience or Patience()
        self._charges: dict[str, _Charge] = {}
        self._given_up: CrashLoopError | None = None
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="headrace-supervisor", daemon=True)
        self._watcher.start()

    def start(
        self, name: str, argv: Sequence[str | Path], log_file: Path, env: Mapping[str, str] | None = None
    ) -> None:
        """Start a process and keep it running; its output is appended to `log_file`.

        `env` is its whole environment, ours when left out.
        """
        with self._lock:
            if name in self._charges:
                raise LocalServerError(f"There is already a process named {name}")
            child = spawn(argv, log_file, env=env)
            self._charges[name] = _Charge(name, argv, log_file, env, self._patience.pause, child, time.monotonic())

    def pid(self, name: str) -> int | None:
        """The number of a process, None while it does not run."""
        with self._lock:
            child = self._charges[name].child
            return child.pid if child.poll() is None else None

    def send(self, name: str, number: int) -> int:
        """Send a signal to a process and return its number. Raises when it does not run."""
        with self._lock:
            pid = self.pid(name)
            if pid is None:
                raise LocalServerError(f"{name} does not run")
            send_signal(pid, number)
            return pid

    def kill(self, name: str) -> int:
        """Kill a process (SIGKILL) and return the number it had; it will be started again."""
        return self.send(name, signal.SIGKILL)

    @property
    def restarts(self) -> Counter[str]:
        """How often each process ended unasked."""
        return Counter(gone.name for gone in self.exits)

    def check(self) -> None:
        """Raise `CrashLoopError` when a process was given up."""
        if self._given_up:
            raise self._given_up

    def stop(self, *names: str, timeout: float = 10.0) -> dict[str, int]:
        """Stop the named processes, or all, and return their exit codes.

        They get SIGTERM in the order in which they were started, and SIGKILL after `timeout` seconds.
        """
        with self._lock:
            leaving = [self._charges.pop(name) for name in names or tuple(self._charges)]
        for charge in leaving:
            for number in (signal.SIGTERM, signal.SIGCONT):
                charge.child.send_signal(number)
        until(lambda: all(charge.child.poll() is not None for charge in leaving), timeout)
        for charge in leaving:
            charge.child.kill()
        return {charge.name: charge.child.wait() for charge in leaving}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._ended.set()
        self._watcher.join()
        self.stop()
        if kind is None:
            self.check()

    def _watch(self) -> None:
        while not self._ended.wait(POLL_SECONDS):
            with self._lock:
                for charge in self._charges.values():
                    self._tend(charge)

    def _tend(self, charge: _Charge) -> None:
        now = time.monotonic()
        if charge.given_up:
            return
        if charge.start_at is None:
            code = charge.child.poll()
            if code is not None:
                self._bury(charge, code, now)
        elif now >= charge.start_at:
            try:
                charge.child = spawn(charge.argv, charge.log_file, env=charge.env)
            except OSError as error:
                self._give_up(charge, f"cannot be started again ({error.strerror}).")
            charge.since, charge.start_at = now, None

    def _bury(self, charge: _Charge, code: int, now: float) -> None:
        """Note that a process has ended, and whether and when it starts again."""
        gone = Exit(charge.name, charge.child.pid, code, now - charge.since)
        log.warning("%s (pid %d) ended with %d after %.1f s", gone.name, gone.pid, gone.code, gone.ran)
        patience = self._patience
        if gone.ran >= patience.calm:
            charge.pause = patience.pause
        charge.exited_at = [at for at in charge.exited_at if now - at < patience.within] + [now]
        if len(charge.exited_at) < patience.exits:
            charge.start_at, charge.pause = now + charge.pause, min(charge.pause * 2, patience.longest_pause)
        else:
            often = f"ended {patience.exits} times within {patience.within:.0f} s"
            self._give_up(charge, f"{often}, last with {code}, and is not started again.")
        self.exits.append(gone)

    def _give_up(self, charge: _Charge, what: str) -> None:
        charge.given_up = True
        quoted = quote_end(charge.log_file.read_text(errors="replace"))
        self._given_up = CrashLoopError(f"{charge.name} {what} Its log, {charge.log_file}, ends with:{quoted}")
        log.error("%s", self._given_up)
