"""Where a process dies, stops, aborts or is wrong because a test asked it to."""

import os
import signal
import subprocess
import sys

import pytest

from headrace.failpoint import Failpoints
from headrace.kafka.ladder import Aborted
from headrace.kernel.errors import Fault, Misconfigured
from headrace.settings import Settings

USAGE = "for tests, as kill:STEP:COUNT, stop:…, abort:… or mutant:NAME:COUNT, with HEADRACE_PROFILE=local"


def asked(failpoint: str, profile: str = "local") -> Failpoints:
    return Failpoints(Settings(HEADRACE_PROFILE=profile, HEADRACE_FAILPOINT=failpoint))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "said",
    [
        "kill",
        "kill:",
        "kill::1",
        "kill:+:1",
        "kill:step:0",
        "kill:step:-1",
        "kill:step:x",
        "kill:step:²",
        "burn:step:1",
        "step",
        "abort:",
        "abort:step+",
        "mutant:",
        "mutant:drop_event+",
        "kill:step,",
        "kill:step stop:step",
    ],
)
def test_a_failpoint_that_says_nothing_is_refused(said: str) -> None:
    with pytest.raises(Misconfigured, match=USAGE):
        asked(said)


@pytest.mark.parametrize("said", ["kill:step:1", "abort:step", "mutant:drop_event"])
def test_a_failpoint_in_production_is_refused(said: str) -> None:
    with pytest.raises(Fault, match="for tests"):
        asked(said, "production")


def test_without_a_failpoint_every_step_is_passed() -> None:
    failpoints = asked("", "production")
    for step in ("", "begun", "produced"):
        failpoints.reach(step)


def aborted(failpoints: Failpoints, step: str) -> bool:
    try:
        failpoints.reach(step)
    except Aborted:
        return True
    return False


def test_every_so_many_transactions_are_aborted_where_they_were_told_to() -> None:
    failpoints = asked("abort:produced:3")
    assert [aborted(failpoints, "produced") for _ in range(7)] == [False, False, True, False, False, True, False]
    assert not any(aborted(failpoints, "flushed") for _ in range(7))


def test_several_failpoints_act_each_at_its_step_and_time() -> None:
    failpoints = asked("abort:begun:2,abort:produced")
    assert [aborted(failpoints, step) for step in ("begun", "produced", "begun", "produced")] == [
        False, True, True, True
    ]  # fmt: skip


def test_a_mutant_that_nobody_knows_is_refused_in_one_line_that_lists_the_known_ones() -> None:
    with pytest.raises(Misconfigured, match=r"mutant:burn: no such mutant; there are .*\bdrop_event, .*") as caught:
        asked("mutant:burn")
    assert "\n" not in str(caught.value)


def test_a_mutant_without_the_load_package_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "headrace_load.mutants", None)
    with pytest.raises(Misconfigured, match=r"headrace_load.mutants is not installed: .* run from a clone"):
        asked("mutant:drop_event")


def died(failpoint: str, *steps: str) -> tuple[int, str]:
    """How a process ends that reaches these steps, and what it says on its way."""
    script = f"""if True:
        import signal
        from headrace.failpoint import Failpoints
        from headrace.settings import Settings
        failpoints = Failpoints(Settings(HEADRACE_PROFILE="local", HEADRACE_FAILPOINT={failpoint!r}))
        for step in {steps!r}:
            failpoints.reach(step)
            print(step, flush=True)
        {"signal.pause()" if "+" in failpoint else ""}
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("failpoint", "said"),
    [
        ("kill:b", "a\n"),
        ("kill:b:2", "a\nb\na\n"),
        ("kill:a:3", "a\nb\na\nb\n"),
        ("kill:a+", None),
        ("kill:c,kill:b:2", "a\nb\na\n"),
    ],
)
def test_a_process_dies_where_it_was_told_to(failpoint: str, said: str | None) -> None:
    code, printed = died(failpoint, "a", "b", "a", "b", "a", "b")
    assert code == -signal.SIGKILL
    assert said is None or printed == said


def test_a_step_that_is_never_reached_kills_nobody() -> None:
    assert died("kill:c", "a", "b") == (0, "a\nb\n")


def test_a_process_stops_where_it_was_told_to() -> None:
    script = """if True:
        from headrace.failpoint import Failpoints
        from headrace.settings import Settings
        Failpoints(Settings(HEADRACE_PROFILE="local", HEADRACE_FAILPOINT="stop:a")).reach("a")
        print("went on")
    """
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        process.send_signal(signal.SIGCONT)
        assert process.communicate(timeout=30)[0] == "went on\n"
