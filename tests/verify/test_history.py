"""Damage to events, and which check names it."""

from typing import Any

import pytest

from headrace_load.verify.records import Checkpoint, Partition
from verify.checking import log_of, read, small_past, wrong
from verify.past import CREATE, SHIP, Past

OUTCOME = {
    "command_id": "c", "occurred_at": 1, "aggregate_id": "o-1", "command_type": "PayOrder", "command_offset": 1,
    "body_hash": b"", "result": "accepted", "code": None, "message": None, "version": 1, "events": 1,
    "repeated": False, "actor": None, "correlation_id": "c", "causation_id": "c",
}  # fmt: skip


@pytest.fixture
def past() -> Past:
    return small_past()


@pytest.fixture
def part(past: Past) -> Partition:
    return read(past)


def test_a_past_without_damage_is_fine(part: Partition) -> None:
    assert wrong(part) == {}
    assert part.read == {"commands": 9, "outcomes": 8, "parked": 1, "events": 5, "journal": 5}


def test_a_version_that_the_journal_skips_is_named(part: Partition) -> None:
    part.events[2] = part.events[2]._replace(in_journal=False)
    assert wrong(part)["versions"] == ["o-1: the journal goes from version 1 to 3 at offset 6 of orders.events[0]"]


def test_a_version_that_is_skipped_where_the_journal_stops_is_named(part: Partition) -> None:
    for at in (2, 3):
        part.events[at] = part.events[at]._replace(version=part.events[at].version + 1, in_journal=False)
    part.checkpoints["journal"] = Checkpoint(part.events[2].offset, part.events[1].command_offset)
    [problem] = wrong(part)["versions"]
    assert "o-1 goes from version 1 to 3, and the journal has nothing in between" in problem


def test_two_events_of_one_version_are_a_fork_and_both_commands_are_named(part: Partition) -> None:
    fork = part.events[0]._replace(offset=11, in_journal=False, command_id="another")
    part.events.append(fork)
    [problem] = wrong(part)["versions"]
    assert "o-1 has version 1 again, after version 3 (commands another and" in problem


def test_an_event_below_the_journals_position_must_be_in_the_journal(part: Partition) -> None:
    part.events[1] = part.events[1]._replace(in_journal=False)
    [problem] = wrong(part)["journal"]
    assert problem.startswith("orders.events[0] offset 2 (o-2 version 1) is missing in the journal")


def test_an_event_that_the_journal_has_not_reached_makes_it_late_and_not_wrong(part: Partition) -> None:
    part.events[-1] = part.events[-1]._replace(in_journal=False)
    part.checkpoints["journal"] = Checkpoint(part.events[-1].offset, part.events[-2].command_offset)
    assert wrong(part) == {
        "positions": ["journal at orders.events[0]: next offset 8 is 1 events behind the newest, offset 8"]
    }


def test_an_event_that_compaction_removed_from_the_topic_is_fine(part: Partition) -> None:
    part.events[0] = part.events[0]._replace(in_topic=False)
    assert wrong(part) == {}


def test_a_journaled_event_that_was_never_committed_to_the_topic_is_named(part: Partition) -> None:
    part.events[-1] = part.events[-1]._replace(in_topic=False)
    [problem] = wrong(part)["journal"]
    assert "is in the journal and not in the topic" in problem


def test_the_newest_event_of_an_erased_aggregate_may_be_gone_from_the_topic(part: Partition) -> None:
    part.events[-1] = part.events[-1]._replace(in_topic=False)
    part.erased.add("o-2")
    assert "journal" not in wrong(part)


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        (7, b"\0\0\0\0\1", "has other bytes than the topic"),
        (6, 77, "the journal says it was logged at 77"),
        (5, "OrderPaid", "the journal's columns say ('o-1', 1, 'OrderPaid'), its record ('o-1', 1, 'OrderCreated')"),
        (4, 9, "the journal's columns say ('o-1', 9, 'OrderCreated')"),
        (3, "o-9", "the journal's columns say ('o-9', 1, 'OrderCreated')"),
    ],
    ids=["bytes", "log time", "type", "version", "aggregate id"],
)
def test_a_journal_row_that_differs_from_its_record_is_named(
    past: Past, column: int, value: object, problem: str
) -> None:
    row = list(past.journal[0])
    row[column] = value
    past.journal[0] = tuple(row)
    assert any(problem in found for found in wrong(read(past))["journal"])


def test_a_key_and_a_header_that_do_not_fit_the_event_are_named(past: Past) -> None:
    records = log_of(past).topics["orders.events", 0]
    offset, time, _, value, _ = records[0]
    records[0] = (offset, time, b"o-9", value, [("type", b"OrderPaid")])
    first, second = wrong(read(past))["journal"]
    assert "its key is b'o-9', its meta says 'o-1'" in first
    assert "its header says type b'OrderPaid', it is a OrderCreated" in second


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"strange_id": "orders/o-1/9"}, "its event id is 'orders/o-1/9', not 'orders/o-1/3'"),
        ({"occurred_at": 7}, "it occurred at 7, its command was logged at 10000"),
        ({"command_id": "other"}, "it names command other for o-1, at offset 14 lies"),
        ({"told": 1}, "its actor, correlation or causation is not that of its command"),
    ],
    ids=["event id", "time", "command id", "actor"],
)
def test_a_meta_that_does_not_follow_from_the_command_is_named(
    part: Partition, changes: dict[str, Any], problem: str
) -> None:
    part.events[3] = part.events[3]._replace(**changes)
    [found] = wrong(part)["facts"]
    assert problem in found


def test_an_event_whose_id_is_not_its_aggregates_and_versions_is_named(past: Past) -> None:
    asked = past.ask("o-1", "ShipOrder", SHIP)
    past.event(asked, "OrderShipped", SHIP, event_id="orders/o-1/9")
    assert "its event id is 'orders/o-1/9', not 'orders/o-1/4'" in wrong(read(past))["facts"][0]


def test_a_writer_that_takes_over_from_another_is_fine(part: Partition) -> None:
    part.events[3:] = [event._replace(restored_to=6) for event in part.events[3:]]
    assert wrong(part) == {}


def test_a_writer_that_was_superseded_and_still_writes_is_named(part: Partition) -> None:
    part.events[2] = part.events[2]._replace(restored_to=3)
    found = wrong(part)["writers"]
    assert len(found) == 2
    assert "its writer had restored to 0, an earlier one to 3" in found[0]


def test_a_writer_that_had_restored_what_it_wrote_itself_is_named(part: Partition) -> None:
    part.events[-1] = part.events[-1]._replace(restored_to=part.events[-1].offset + 1)
    assert wrong(part)["writers"] == ["orders.events[0] offset 8: its writer says that it had restored to 9"]


def test_events_that_do_not_lie_in_the_order_of_their_commands_are_named(part: Partition) -> None:
    part.events[1], part.events[2] = (
        part.events[1]._replace(command_offset=part.events[2].command_offset),
        part.events[2]._replace(command_offset=part.events[1].command_offset),
    )
    assert any("its command offset is 2, after 4" in problem for problem in wrong(part)["facts"])


def test_an_event_that_cannot_be_read_is_named_and_the_journals_copy_stands_in(past: Past) -> None:
    records = log_of(past).topics["orders.events", 0]
    offset, time, key, value, headers = records[1]
    records[1] = (offset, time, key, value[:-1], headers)
    found = wrong(read(past))
    assert found.keys() == {"journal"}
    row = list(past.journal[1])
    row[7] = row[7][:-1]
    past.journal[1] = tuple(row)
    part = read(past)
    assert len(part.events) == 4
    assert [text.split(": ", 1)[0] for text in wrong(part)["contracts"]] == [
        "the journal's copy of orders.events[0] offset 2 is no event",
        "orders.events[0] offset 2 is no event",
    ]


def test_a_command_among_the_events_is_named(past: Past) -> None:
    value = past.encode("Outcome", OUTCOME)
    past.log.append("orders.events", 0, b"o-1", value, [])
    assert wrong(read(past))["contracts"] == ["orders.events[0] offset 10 is no event: a Outcome"]


def test_a_record_without_a_value_erases_its_aggregate_until_it_is_written_again(past: Past) -> None:
    log_of(past).topics["orders.events", 0].append((10, 1, b"o-1", None, []))
    assert read(past).erased == {"o-1"}
    past.accept(past.ask("o-1", "CreateOrder", CREATE), "OrderShipped", SHIP)
    assert read(past).erased == set()
