"""Versions that commands expect and times at which they were issued, and answers that disregard them."""

from typing import Any

import pytest

from headrace_load.verify.records import Partition
from verify.checking import WINDOW_MS, read, small_past, wrong

PAY, SHIP = 2, 3
"""The places of two commands: accepted at version 1, and refused at version 1."""


@pytest.fixture
def part() -> Partition:
    return read(small_past())


def ask(part: Partition, number: int, **changes: Any) -> None:
    part.commands[number] = part.commands[number]._replace(**changes)


def answer(part: Partition, number: int, **changes: Any) -> None:
    part.outcomes[number] = part.outcomes[number]._replace(**changes)


def issued(part: Partition, number: int, age_ms: int) -> dict[str, int]:
    return {"issued_at": part.commands[number].log_time - age_ms}


def test_commands_that_ask_for_what_they_get_are_fine(part: Partition) -> None:
    ask(part, PAY, expected_version=1, **issued(part, PAY, WINDOW_MS))
    ask(part, SHIP, expected_version=7, **issued(part, SHIP, 0))
    answer(part, SHIP, code="VersionConflict")
    assert wrong(part) == {}


def test_a_command_that_is_accepted_at_another_version_than_it_expects_is_named(part: Partition) -> None:
    ask(part, PAY, expected_version=2)
    [problem] = wrong(part)["admission"]
    assert problem.endswith("(o-1): it expects version 2, and was accepted at 1")


@pytest.mark.parametrize("expected", [1, None])
def test_a_conflict_where_there_is_none_is_named(part: Partition, expected: int | None) -> None:
    ask(part, SHIP, expected_version=expected)
    answer(part, SHIP, code="VersionConflict")
    [problem] = wrong(part)["admission"]
    assert problem.endswith(f"it was refused as VersionConflict at version 1, and expects {expected}")


@pytest.mark.parametrize("age_ms", [WINDOW_MS + 1, -60_001])
def test_a_command_that_is_accepted_out_of_its_time_is_named(part: Partition, age_ms: int) -> None:
    ask(part, PAY, **issued(part, PAY, age_ms))
    [problem] = wrong(part)["admission"]
    assert f"it was logged {age_ms} ms after it was issued, and accepted" in problem


@pytest.mark.parametrize(
    ("code", "age_ms"), [("Expired", WINDOW_MS), ("Expired", None), ("IssuedInTheFuture", -60_000)]
)
def test_a_refusal_for_a_time_that_is_right_is_named(part: Partition, code: str, age_ms: int | None) -> None:
    ask(part, SHIP, **({} if age_ms is None else issued(part, SHIP, age_ms)))
    answer(part, SHIP, code=code)
    [problem] = wrong(part)["admission"]
    assert problem.endswith(f"it was refused as {code}, and logged {age_ms} ms after it was issued")


@pytest.mark.parametrize(("code", "age_ms"), [("Expired", WINDOW_MS + 1), ("IssuedInTheFuture", -60_001)])
def test_a_refusal_for_a_time_that_is_wrong_is_fine(part: Partition, code: str, age_ms: int) -> None:
    ask(part, SHIP, **issued(part, SHIP, age_ms))
    answer(part, SHIP, code=code)
    assert wrong(part) == {}
