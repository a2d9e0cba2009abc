"""Processes under a supervisor: replaced when they end, given up in a crash loop, never left behind."""

import functools
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from headrace.local import CrashLoopError, LocalServerError, Patience, Supervisor
from headrace.local.process import Identity, until

pytestmark = pytest.mark.edge

SLEEP = ["sleep", "60"]
# The alarm ends it should a test not do so.
DEAF = [
    sys.executable,
    "-c",
    "import signal; signal.signal(15, signal.SIG_IGN); signal.alarm(60); print('deaf', flush=True); signal.pause()",
]


def has_ended(supervisor: Supervisor, times: int) -> bool:
    return len(supervisor.exits) == times


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with Supervisor(Patience(pause=0.01)) as made:
        yield made


def running(supervisor: Supervisor, name: str) -> Identity:
    assert until(lambda: supervisor.pid(name) is not None, 5)
    return Identity.of(supervisor.pid(name) or 0)


def test_a_killed_process_is_replaced(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start("sleeper", SLEEP, tmp_path / "log")
    first = running(supervisor, "sleeper")
    assert supervisor.kill("sleeper") == first.pid
    assert until(lambda: supervisor.restarts["sleeper"] == 1, 5)
    assert running(supervisor, "sleeper") != first
    assert [(gone.name, gone.pid, gone.code) for gone in supervisor.exits] == [("sleeper", first.pid, -signal.SIGKILL)]


def test_a_crash_loop_is_given_up_loudly_and_others_run_on(tmp_path: Path) -> None:
    supervisor = Supervisor(Patience(pause=0.01, exits=3))
    supervisor.start("steady", SLEEP, tmp_path / "steady.log")
    supervisor.start("broken", ["sh", "-c", "echo no such setting; exit 3"], tmp_path / "broken.log")
    assert until(lambda: len(supervisor.exits) == 3, 10)
    with pytest.raises(CrashLoopError, match=r"(?s)broken ended 3 times.*broken\.log.*no such setting"):
        supervisor.check()
    assert supervisor.pid("steady")
    assert {gone.code for gone in supervisor.exits} == {3}
    with pytest.raises(CrashLoopError), supervisor:
        pass
    assert len(supervisor.exits) == 3


def test_a_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    supervisor = Supervisor(Patience(pause=0.01, exits=2))
    supervisor.start("typo", ["no-such-program"], tmp_path / "log")
    assert until(lambda: len(supervisor.exits) == 2, 10)
    with pytest.raises(CrashLoopError, match="cannot run no-such-program"), supervisor:
        pass


@pytest.mark.parametrize(
    ("calm", "expected"),
    [
        pytest.param(60, [0.02, 0.04, 0.04], id="grows up to its bound"),
        pytest.param(0, [0.02, 0.02, 0.02], id="starts over after a calm time"),
    ],
)
def test_the_pause_before_the_next_restart(tmp_path: Path, calm: float, expected: list[float]) -> None:
    with Supervisor(Patience(pause=0.01, longest_pause=0.04, calm=calm)) as supervisor:
        supervisor.start("sleeper", SLEEP, tmp_path / "log")
        pauses = []
        for count in range(1, 1 + len(expected)):
            running(supervisor, "sleeper")
            supervisor.kill("sleeper")
            assert until(functools.partial(has_ended, supervisor, count), 5)
            pauses.append(supervisor._charges["sleeper"].pause)
    assert pauses == expected


def test_stopping_asks_first_and_then_insists(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start("polite", SLEEP, tmp_path / "polite.log")
    supervisor.start("deaf", DEAF, tmp_path / "deaf.log")
    supervisor.start("frozen", SLEEP, tmp_path / "frozen.log")
    supervisor.send("frozen", signal.SIGSTOP)
    pids = [running(supervisor, name).pid for name in ("polite", "deaf", "frozen")]
    assert until(lambda: "deaf" in (tmp_path / "deaf.log").read_text(), 5)
    codes = supervisor.stop(timeout=0.5)
    assert codes == {"polite": -signal.SIGTERM, "deaf": -signal.SIGKILL, "frozen": -signal.SIGTERM}
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert supervisor.exits == []


def test_one_process_can_be_stopped_for_good(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start("first", SLEEP, tmp_path / "first.log")
    supervisor.start("second", SLEEP, tmp_path / "second.log")
    assert set(supervisor.stop("first")) == {"first"}
    assert supervisor.pid("second")
    with pytest.raises(LocalServerError, match="already a process named second"):
        supervisor.start("second", SLEEP, tmp_path / "second.log")


def test_a_process_outlives_the_thread_that_started_it(supervisor: Supervisor, tmp_path: Path) -> None:
    thread = threading.Thread(target=supervisor.start, args=("sleeper", SLEEP, tmp_path / "log"))
    thread.start()
    thread.join()
    assert not until(lambda: bool(supervisor.exits), 0.3)
    assert supervisor.pid("sleeper")


def test_no_process_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    script = """if True:
        import sys
        from pathlib import Path
        from headrace.local import Supervisor
        with Supervisor() as supervisor:
            supervisor.start("sleeper", ["sleep", "60"], Path(sys.argv[1]))
            print(supervisor.pid("sleeper"), flush=True)
            sys.stdin.read()
    """
    command = [sys.executable, "-c", script, str(tmp_path / "log")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        sleeper = Identity.of(int(owner.stdout.readline()))
        assert sleeper.alive
        owner.kill()
    assert until(lambda: not sleeper.alive, 5)
