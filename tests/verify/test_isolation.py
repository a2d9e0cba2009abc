"""What only a reader of uncommitted records sees."""

from collections.abc import Iterator

import pytest

from headrace_load.verify.isolation import hidden, isolation
from headrace_load.verify.records import Partition, Record
from headrace_load.verify.report import Check
from verify.checking import SCHEMAS, log_of, read, small_past
from verify.past import Past


@pytest.fixture
def past() -> Past:
    return small_past()


@pytest.fixture
def part(past: Past) -> Partition:
    return read(past)


def record_of(past: Past, kind: str, place: int) -> Record:
    return Record(*log_of(past).topics[f"orders.{kind}", 0][place])


def problems(part: Partition, **aborted: Record) -> list[str]:
    check = Check("", "")
    found = {kind: [aborted[kind]] if kind in aborted else [] for kind in ("events", "outcomes", "parked")}
    isolation(part, found, SCHEMAS, check)
    return check.problems


def test_what_only_the_uncommitted_reader_sees_is_told_apart(past: Past, part: Partition) -> None:
    check = Check("", "")
    ghost = record_of(past, "outcomes", 0)._replace(offset=3)
    open_still = ghost._replace(offset=99)

    def others(known: set[int]) -> Iterator[Record]:
        known.clear()
        yield from (ghost, open_still)

    assert hidden(part, "outcomes", others, check) == [ghost]
    assert check.counted == {"outcomes_committed": 8, "outcomes_aborted": 1}
    assert check.problems == []


@pytest.mark.parametrize("kind", ["events", "outcomes"])
def test_a_committed_record_that_is_not_among_all_records_is_named(part: Partition, kind: str) -> None:
    check = Check("", "")
    hidden(part, kind, lambda known: known.intersection_update([max(known)]) or (), check)
    [problem] = check.problems
    assert f"orders.{kind}[0]: 1 committed records are not among all records" in problem


def test_an_event_that_compaction_took_between_the_two_readings_is_fine(part: Partition) -> None:
    newest = {event.aggregate_id: event.offset for event in part.events}.values()
    older = [event.offset for event in part.events if event.offset not in newest]
    assert older
    check = Check("", "")
    hidden(part, "events", lambda known: known.intersection_update(older) or (), check)
    assert check.problems == []


@pytest.mark.parametrize("kind", ["events", "outcomes", "parked"])
def test_what_was_aborted_and_done_again_is_fine(past: Past, part: Partition, kind: str) -> None:
    assert problems(part, **{kind: record_of(past, kind, 0)._replace(offset=1)}) == []


def test_an_answer_that_is_hidden_and_not_given_again_is_named(past: Past, part: Partition) -> None:
    ghost = record_of(past, "outcomes", 0)._replace(offset=1)
    del part.outcomes[0]
    [problem] = problems(part, outcomes=ghost)
    assert problem.startswith("orders.outcomes[0] offset 1 is hidden, and nothing else answers command offset 0")
    part.committed = 0
    assert problems(part, outcomes=ghost) == []


def test_an_event_that_is_hidden_and_whose_command_has_no_answer_is_named(past: Past, part: Partition) -> None:
    ghost = record_of(past, "events", 1)._replace(offset=1)
    del part.outcomes[1]
    [problem] = problems(part, events=ghost)
    assert "orders.events[0] offset 1 is hidden" in problem


def test_an_aborted_event_in_the_journal_is_named(past: Past, part: Partition) -> None:
    assert problems(part, events=record_of(past, "events", 1)) == [
        "orders.events[0] offset 2 was aborted, and the journal holds it"
    ]


def test_bytes_that_nobody_can_read_are_missed_by_nobody(part: Partition) -> None:
    ghost = Record(1, 1, b"o-1", b"never seen", [])
    assert problems(part, events=ghost, outcomes=ghost, parked=ghost) == []
