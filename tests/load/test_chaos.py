"""The chaos runner's own parts: what a seed draws, who is blamed for a standstill, what a wrong call is told."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.kernel.errors import Misconfigured
from headrace.settings import Settings
from headrace_load.chaos.__main__ import parse_minutes, parse_seed
from headrace_load.chaos.asked import Shop
from headrace_load.chaos.schedule import CALM_END_S, CALM_START_S, KINDS, Planned, draw
from headrace_load.chaos.server_faults import FAULTS
from headrace_load.chaos.watch import Happened, Watch

seeds = st.integers(0, 10**9)
minutes = st.floats(0.5, 30)


@given(seeds, minutes)
def test_a_seed_draws_one_schedule_whose_faults_all_heal_in_time(seed: int, length: float) -> None:
    planned = draw(seed, length)
    assert planned == draw(seed, length)
    assert all(one.at >= CALM_START_S and one.heals_at <= length * 60 - CALM_END_S for one in planned)
    assert [one.at for one in planned] == sorted(one.at for one in planned)


@given(seeds)
def test_longer_runs_begin_as_shorter_ones_do_and_bring_each_kind_of_fault(seed: int) -> None:
    planned = draw(seed, 8)
    assert {one.fault for one in planned} == KINDS.keys()
    assert draw(seed, 2) == planned[: len(draw(seed, 2))]


@given(seeds, st.sets(st.sampled_from(sorted(KINDS)), min_size=1))
def test_a_run_of_some_kinds_of_faults_has_no_other(seed: int, kinds: set[str]) -> None:
    assert {one.fault for one in draw(seed, 8, kinds)} == kinds


@given(seeds)
def test_faults_at_one_time_break_a_service_or_the_members_and_the_database_beside_it(seed: int) -> None:
    planned = draw(seed, 20)
    for one in planned:
        beside = [other for other in planned if other.at <= one.at < other.heals_at and other != one]
        assert {frozenset({one.touches, other.touches}) for other in beside} <= {
            frozenset({"service", "database"}),
            frozenset({"members", "database"}),
        }


def test_every_kind_of_fault_can_happen() -> None:
    assert FAULTS.keys() == KINDS.keys()


def test_what_clients_ask_follows_from_the_seed() -> None:
    first, second, another = (Shop(seed) for seed in (1, 1, 2))
    asked = [[list(shop.ask(1000)) for _ in range(500)] for shop in (first, second, another)]
    assert asked[0] == asked[1] != asked[2]
    assert first.counts == second.counts
    assert set(first.counts) == {
        "commands", "resends", "ids for another body", "garbage", "wrong versions", "too old"
    }  # fmt: skip


def test_a_standstill_is_told_for_the_fault_that_covers_most_of_it(tmp_path: Path) -> None:
    settings = Settings(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9", HEADRACE_PROFILE="local", HEADRACE_SCHEMAS=tmp_path)
    watch = Watch(settings, 2)
    kill = Planned(1, 0.0, "kill", "handler-1", 1.0)
    crash = replace(kill, number=2, fault="broker crash")
    happened = [Happened(kill, 100.0, 101.0), Happened(crash, 150.0, 154.0)]
    watch._seen[0] = [99.0, 99.5, 104.5, 105.0, 300.0, 400.0]
    watch._seen[1] = [100.0, 103.0, 149.0, 160.0]
    found = {gap.fault_class: (gap.seconds, gap.after_heal, gap.partition) for gap in watch.gaps(happened, 200.0)}
    assert found == {"F1": (46.0, 46.0, 1), "F9": (195.0, 146.0, 0)}
    assert watch.gaps([], 200.0) == []


@pytest.mark.parametrize("text", ["abc", "-1", "1.5"])
def test_a_seed_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match=f"SEED={text}: give a whole number"):
        parse_seed(text)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon", ""])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match=f"MINUTES={text}: give a number"):
        parse_minutes(text)


def test_a_wrong_call_is_told_in_one_line_and_a_right_one_names_its_seed() -> None:
    done = run("--seed", "abc")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "chaos: SEED=abc: give a whole number, as SEED=42, or none for one of chance\n"
    done = run("--fault", "kil")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("chaos: --fault 'kil': there is no such fault; there are kill, ")
    done = run("--schedule", "--minutes", "1")
    assert done.returncode == 0
    first, *faults = done.stderr.splitlines()
    assert faults == [str(one) for one in draw(int(first.split()[1].rstrip(",")), 1)]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "headrace_load.chaos", *arguments], capture_output=True, text=True, check=False
    )
