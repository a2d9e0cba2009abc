"""Check of what commands ask for before they are decided on: a version to be at, and an answer in time."""

from collections.abc import Iterator
from typing import Final

from headrace_load.verify.parking import ENGINE, PARKED, REUSED, decisive
from headrace_load.verify.records import Command, Outcome, Partition
from headrace_load.verify.report import Check

ACCEPTED: Final = "accepted"
CONFLICT: Final = "VersionConflict"
EXPIRED: Final = "Expired"
EARLY: Final = "IssuedInTheFuture"
SKEW_MS: Final = 60_000
"""How far the clock of a client may be ahead."""


def admission(part: Partition, check: Check, window_ms: int) -> None:
    """A command is accepted at the version that it expects and in its time only, and refused only for missing them."""
    outcomes = decisive(part)
    expecting = issued = 0
    for command in part.commands:
        outcome = outcomes.get(command.offset)
        if outcome is None or outcome.repeated or outcome.code == REUSED or outcome.result == PARKED:
            continue
        for problem in (*_wrong_version(command, outcome), *_wrong_time(command, outcome, window_ms)):
            check.problem(f"{part.place('commands', command.offset)} ({command.aggregate_id}): {problem}")
        expecting += command.expected_version is not None
        issued += command.issued_at is not None
    check.count(expecting=expecting, issued=issued)


def _wrong_version(command: Command, outcome: Outcome) -> Iterator[str]:
    if command.type in ENGINE:
        return  # answered with the version after what was redriven
    before, expected = outcome.version - outcome.events, command.expected_version
    if outcome.result == ACCEPTED and expected not in (None, before):
        yield f"it expects version {expected}, and was accepted at {before}"
    if outcome.code == CONFLICT and expected in (None, before):
        yield f"it was refused as {CONFLICT} at version {before}, and expects {expected}"


def _wrong_time(command: Command, outcome: Outcome, window_ms: int) -> Iterator[str]:
    age = None if command.issued_at is None else command.log_time - command.issued_at
    expired = age is not None and age > window_ms
    early = age is not None and -age > SKEW_MS
    if outcome.result == ACCEPTED and (expired or early):
        yield f"it was logged {age} ms after it was issued, and accepted"
    if (outcome.code == EXPIRED and not expired) or (outcome.code == EARLY and not early):
        yield f"it was refused as {outcome.code}, and logged {age} ms after it was issued"
