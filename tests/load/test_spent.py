"""CPU time of processes, told per command."""

import os

from headrace_load.generator.spent import cpu_seconds, per_command


def test_replicas_of_one_kind_are_told_together() -> None:
    before = {"handler-1": 1.0, "handler-2": 2.0, "kafka": 5.0}
    after = {"handler-1": 1.5, "handler-2": 2.5, "kafka": 7.0}
    assert per_command(before, after, 100_000) == {"handler": 10.0, "kafka": 20.0}


def test_of_a_process_that_came_or_went_nothing_is_told() -> None:
    assert per_command({"old": 1.0}, {"new": 2.0}, 10) == {}
    assert cpu_seconds({"gone": 2**22 + 1}) == {}


def test_a_process_that_works_has_spent_something() -> None:
    before = cpu_seconds({"us": os.getpid()})
    sum(range(3_000_000))
    assert cpu_seconds({"us": os.getpid()})["us"] > before["us"] > 0
