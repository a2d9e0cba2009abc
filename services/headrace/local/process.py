"""A server process: started, recognised again by whoever comes later, signalled, awaited."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from headrace.kernel.errors import Fault
from headrace.local import tether

POLL_SECONDS = 0.02
KILL_SECONDS = 30.0
CLOCK_TOLERANCE_SECONDS = 2.0

# The kernel counts the *thread* that started a child as its parent, and tests start servers from passing threads:
# one thread that lives as long as this process starts them all.
_spawner = ThreadPoolExecutor(1, "headrace-spawner")


class LocalServerError(Fault):
    """A local server could not be started, stopped or reached; the message says what to do."""


class NeverStarted(LocalServerError):  # noqa: N818 - an answer, which `local status` shows
    """There is no server in that folder, and never was."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One process, never mistaken for a later one with the same number: the number and the second it started."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> "Identity":
        """The process that has this number now. Raises `psutil.NoSuchProcess` when there is none."""
        return cls(pid, psutil.Process(pid).create_time())

    @property
    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < CLOCK_TOLERANCE_SECONDS
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


@dataclass(frozen=True, slots=True)
class Account:
    """The user and group that a process runs as."""

    uid: int = -1
    gid: int = -1


@dataclass(frozen=True, slots=True)
class Record:
    """What a server's folder remembers of its process; a detached server has no owner."""

    process: Identity
    owner: Identity | None


def spawn(
    argv: Sequence[str | Path],
    log_file: Path,
    *,
    directory: Path | None = None,
    env: Mapping[str, str] | None = None,
    account: Account | None = None,
    dies_with_us: int = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, its output appended to `log_file`.

    `dies_with_us` is the signal it gets when this process ends however it ends, 0 for none.
    """
    who = account or Account()
    command = [sys.executable, "-I", "-S", tether.__file__, int(dies_with_us), os.getpid(), who.uid, who.gid, *argv]

    def start() -> subprocess.Popen[bytes]:
        with log_file.open("ab") as log:
            return subprocess.Popen(  # noqa: S603
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env=env,
                start_new_session=True,
            )

    return _spawner.submit(start).result()


def send_signal(pid: int, number: int) -> None:
    """Send a signal. After SIGSTOP return only when every thread has stopped, which takes them a moment."""
    os.kill(pid, number)
    if number == signal.SIGSTOP and not until(lambda: frozen(pid), KILL_SECONDS):
        raise LocalServerError(f"process {pid} does not stop, not even by SIGSTOP")


def frozen(pid: int) -> bool:
    """Whether no thread of a process runs (elsewhere than on Linux: whether the process says so), or it is gone."""
    try:
        threads = [thread.id for thread in psutil.Process(pid).threads()] if sys.platform == "linux" else [pid]
        return all(psutil.Process(thread).status() == psutil.STATUS_STOPPED for thread in threads)
    except psutil.NoSuchProcess:
        return not psutil.pid_exists(pid)


class ServerProcess:
    """The process of one server, remembered in the server's folder by number and start time."""

    def __init__(self, directory: Path, name: str, *, detached: bool) -> None:
        self.directory = directory
        self.name = name
        self.log_file = directory / f"{name}.log"
        self._record_file = directory / "process.json"
        self._detached = detached
        self._child: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def running(self) -> bool:
        """Whether the process last started here, by us or by someone before us, is alive."""
        if self._child is not None:
            return self._child.poll() is None
        record = self._record()
        return record is not None and record.process.alive

    @property
    def pid(self) -> int | None:
        """Its number, None when it does not run."""
        record = self._record()
        return record.process.pid if record and self.running else None

    def start(self, argv: Sequence[str | Path], *, account: Account | None = None, dies_with_us: int) -> None:
        """Start the server and write down who it is and who owns it."""
        self._log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        tie = 0 if self._detached else dies_with_us
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        self._child = spawn(
            argv, self.log_file, directory=self.directory, env=environment, account=account, dies_with_us=tie
        )
        owner = None if self._detached else Identity.of(os.getpid())
        record = msgspec.json.encode(Record(Identity.of(self._child.pid), owner))
        write_whole(self._record_file, record.decode())

    def claim(self) -> None:
        """End what a crashed owner left running here. Raises when a server runs here by right."""
        record = self._record()
        if record is None or not self.running:
            return
        which = f"{self.name} in {self.directory} (pid {record.process.pid})"
        if record.owner is None:
            raise LocalServerError(f"{which} already runs: `headrace local down` stops it")
        if record.owner.alive:
            raise LocalServerError(
                f"{which} belongs to process {record.owner.pid}, which still runs: use another folder"
            )
        self.end(signal.SIGKILL, 0)

    def send(self, number: int) -> None:
        """Send a signal, when the process is alive."""
        pid = self.pid
        if pid is None:
            return
        try:
            send_signal(pid, number)
        except ProcessLookupError:
            return
        except PermissionError:
            raise LocalServerError(f"{self.name} (pid {pid}) runs as another user: be that user, or root") from None

    def end(self, number: int, timeout: float) -> bool:
        """Ask the process to end with a signal, and make it after `timeout` seconds. Whether it ended by itself."""
        self.send(number)
        self.send(signal.SIGCONT)
        if until(lambda: not self.running, timeout):
            return True
        self.send(signal.SIGKILL)
        if not until(lambda: not self.running, KILL_SECONDS):
            raise LocalServerError(f"{self.name} (pid {self.pid}) does not end, not even by SIGKILL")
        return False

    def wait_until(self, answers: Callable[[], bool], timeout: float) -> None:
        """Wait until the server answers. Raises with its last log lines when it ends or stays mute."""
        if until(lambda: not self.running or answers(), timeout) and self.running:
            return
        what = f"did not answer within {timeout:.0f} s" if self.running else "ended while starting"
        quoted = quote_end(self.log_of_this_start())
        raise LocalServerError(f"{self.name} {what}. Its log, {self.log_file}, ends with:{quoted}")

    def log_of_this_start(self) -> str:
        """What the server has logged since it was last started."""
        with self.log_file.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def _record(self) -> Record | None:
        try:
            return msgspec.json.decode(self._record_file.read_bytes(), type=Record)
        except FileNotFoundError:
            return None
        except ValueError as error:  # msgspec's own, too
            raise LocalServerError(
                f"{self._record_file} is damaged ({error}): end {self.name} by hand if it runs, and remove the file"
            ) from error


def quote_end(log: str, lines: int = 12) -> str:
    """The last lines of a log, as a message shows them: without Java's stack frames, which bury what happened."""
    telling = [line for line in log.splitlines() if line.strip() and not line.lstrip().startswith(("at ", "... "))]
    return "".join(f"\n  | {line}" for line in telling[-lines:]) or " nothing"


def until(holds: Callable[[], bool], timeout: float) -> bool:
    """Wait until a condition holds, at most `timeout` seconds. Whether it did."""
    deadline = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def write_whole(file: Path, text: str) -> None:
    """Write a file so that a reader sees the old text or the new, never half of it."""
    draft = file.with_name(f"{file.name}.{os.getpid()}.draft")
    draft.write_text(text)
    draft.replace(file)


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold a lock between processes; the kernel lets go of it when its holder ends."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
