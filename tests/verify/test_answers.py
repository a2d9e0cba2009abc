"""Damage to the answers, and which check names it."""

from typing import Any

import pytest

from headrace_load.verify.records import Ends, Partition
from verify.checking import WINDOW_MS, log_of, read, small_past, wrong
from verify.past import CREATE, PAY, Past

CREATED, _PAID_LATER, PAID, REFUSED, REPEATED, REUSED = range(6)


@pytest.fixture
def past() -> Past:
    return small_past()


@pytest.fixture
def part(past: Past) -> Partition:
    return read(past)


def change(part: Partition, number: int, **changes: Any) -> None:
    part.outcomes[number] = part.outcomes[number]._replace(**changes)


def test_a_command_without_an_outcome_is_named(part: Partition) -> None:
    del part.outcomes[REFUSED]
    assert wrong(part) == {"answers": ["orders.commands[0] offset 6 has 0 outcomes instead of 1 (offsets: none)"]}


def test_a_command_with_two_outcomes_is_named(part: Partition) -> None:
    part.outcomes.append(part.outcomes[REFUSED]._replace(offset=40))
    assert wrong(part) == {"answers": ["orders.commands[0] offset 6 has 2 outcomes instead of 1 (offsets: 6, 40)"]}


def test_garbage_that_is_not_set_aside_is_named(part: Partition) -> None:
    part.parked.clear()
    [problem] = wrong(part)["answers"]
    assert problem.startswith("orders.commands[0] offset 12 (schema id")
    assert problem.endswith("has 0 parked records instead of 1 (offsets: none)")


def test_garbage_that_is_set_aside_twice_is_named(part: Partition) -> None:
    part.parked *= 2
    assert "has 2 parked records instead of 1" in wrong(part)["answers"][0]


def test_a_command_that_is_set_aside_is_named(part: Partition) -> None:
    part.parked.append(part.parked[0]._replace(origin=6))
    assert "orders.commands[0] offset 6 has 1 parked records instead of 0" in wrong(part)["answers"][0]


def test_garbage_that_is_answered_is_named(part: Partition) -> None:
    part.outcomes.append(part.outcomes[REFUSED]._replace(offset=40, command_offset=12))
    assert "has 1 outcomes instead of 0" in wrong(part)["answers"][0]


def test_an_answer_to_what_was_never_sent_is_named(part: Partition) -> None:
    part.outcomes.append(part.outcomes[REFUSED]._replace(offset=40, command_offset=7))
    part.parked.append(part.parked[0]._replace(offset=2, origin=3))
    assert wrong(part)["answers"] == [
        "orders.parked[0] offset 2 answers command offset 3, where none lies",
        "orders.outcomes[0] offset 40 answers command offset 7, where none lies",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"command_id": "x"},
        {"command_type": "PayOrder"},
        {"aggregate_id": "o-9"},
        {"key": b"o-9"},
        {"key": None},
        {"occurred_at": 7},
    ],
    ids=str,
)
def test_an_outcome_that_is_not_about_its_command_is_named(part: Partition, changes: dict[str, Any]) -> None:
    change(part, REFUSED, **changes)
    assert wrong(part)["answers"][0].startswith("orders.outcomes[0] offset 6 answers (")


def test_an_outcome_with_another_hash_than_its_commands_content_has_is_named(part: Partition) -> None:
    change(part, REFUSED, body_hash=part.outcomes[0].body_hash)
    assert wrong(part) == {"answers": ["orders.outcomes[0] offset 6: its hash is not that of its command's content"]}


def test_an_outcome_that_does_not_say_who_asked_for_it_is_named(part: Partition) -> None:
    change(part, REFUSED, told=1)
    assert wrong(part)["answers"] == [
        "orders.outcomes[0] offset 6: its actor, correlation or causation is not its command's"
    ]


@pytest.mark.parametrize(
    "changes", [{"content": 1}, {"log_time": 1}, {"partition": 5}, {"topic": "x"}, {"kind": "key"}], ids=str
)
def test_a_parked_record_that_is_not_what_was_sent_is_named(part: Partition, changes: dict[str, Any]) -> None:
    part.parked[0] = part.parked[0]._replace(**changes)
    assert "is not the record that it says it is" in wrong(part)["answers"][0]


def test_a_parked_record_that_does_not_say_where_it_came_from_is_named(past: Past) -> None:
    past.log.append(
        "orders.parked", 0, b"k", b"v", [("headrace-parking", b"alone"), ("kafka_dlt-original-topic", b"x")]
    )
    assert wrong(read(past))["contracts"] == [
        "orders.parked[0] offset 2 does not say where it came from: header 'kafka_dlt-original-partition'"
    ]


def test_an_outcome_that_cannot_be_read_is_named(past: Past) -> None:
    past.log.append("orders.outcomes", 0, b"k", b"v", [])
    assert wrong(read(past))["contracts"] == ["orders.outcomes[0] offset 16 is no outcome: not in Confluent framing"]


def test_answers_that_retention_has_deleted_are_not_missed(part: Partition) -> None:
    part.ends["outcomes"] = Ends(4, 16, 16)
    part.ends["parked"] = Ends(2, 2, 2)
    del part.outcomes[:2]
    part.parked.clear()
    assert wrong(part) == {}


def test_answers_to_commands_that_retention_has_deleted_are_fine(part: Partition) -> None:
    part.ends["commands"] = Ends(6, 18, 18)
    del part.commands[:3]
    assert wrong(part) == {}


def test_an_event_whose_command_has_no_outcome_is_named(past: Past) -> None:
    past.event(past.ask("o-3", "CreateOrder", CREATE), "OrderCreated", CREATE | {"total": 1530})
    found = wrong(read(past))["effects"]
    assert found == ["orders.events[0] offset 10 (o-3 version 1) comes from command offset 18, which has no outcome"]


@pytest.mark.parametrize(
    ("number", "changes", "problem"),
    [
        (CREATED, {"events": 2, "version": 2}, "it was accepted with 2 events, the log has 1 (offsets [0])"),
        (CREATED, {"repeated": True}, "it was repeated with 0 events, the log has 1 (offsets [0])"),
        (CREATED, {"result": "refused", "code": "X", "events": 0}, "it was refused with 0 events, the log has 1"),
        (CREATED, {"version": 7}, "its outcome says version 7, the log says 1"),
        (CREATED, {"result": "lost"}, "its result is 'lost'"),
        (CREATED, {"result": "parked", "code": "X", "events": 0}, "it was parked with 0 events, the log has 1"),
        (REFUSED, {"version": 2}, "its outcome says version 2, the log says 1"),
        (REFUSED, {"events": 1}, "it was refused, and its outcome has 1 events and the code NotPaid"),
        (REFUSED, {"code": None}, "it was refused, and its outcome has 0 events and the code None"),
        (CREATED, {"aggregate_id": "o-9"}, "its outcome is for o-9, its events are not"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_outcome_that_does_not_fit_its_events_is_named(
    part: Partition, number: int, changes: dict[str, Any], problem: str
) -> None:
    change(part, number, **changes)
    assert any(problem in found for found in wrong(part)["effects"])


@pytest.mark.parametrize(
    ("number", "changes", "problem"),
    [
        (REPEATED, {"version": 2}, "is answered ('accepted', None, None, 2, 1,"),
        (REPEATED, {"result": "refused", "code": "X"}, "is answered ('refused', 'X',"),
        (REPEATED, {"repeated": False}, "is a resend of command offset 0, and answered as if it were new (accepted)"),
        (REPEATED, {"result": "refused", "code": "CommandIdReused", "repeated": False}, "has the first one's content"),
        (REUSED, {"code": "NotPaid"}, "is a resend of command offset 0, and answered as if it were new (refused)"),
        (CREATED, {"code": "CommandIdReused"}, "nothing of its id was answered before"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_resend_that_is_answered_otherwise_than_the_first_time_is_named(
    part: Partition, number: int, changes: dict[str, Any], problem: str
) -> None:
    change(part, number, **changes)
    assert any(problem in found for found in wrong(part)["resends"])


def test_another_command_under_a_used_id_that_is_answered_like_the_first_is_named(part: Partition) -> None:
    first = part.outcomes[CREATED]
    part.outcomes[REUSED] = first._replace(command_offset=part.outcomes[REUSED].command_offset, repeated=True)
    [problem] = wrong(part)["resends"]
    assert problem.endswith("has another content than the first time, and is answered like it")


def resent(past: Past, after_ms: int) -> Partition:
    """The past with a command that is answered anew although its id was used before, so much later."""
    first = past.ask("o-3", "CreateOrder", CREATE)
    past.accept(first, "OrderCreated", CREATE | {"total": 1530})
    log_of(past).now = first.log_time + after_ms - 1
    past.accept(past.ask("o-3", "PayOrder", PAY, command_id=first.command_id), "OrderPaid", PAY)
    return read(past)


def test_a_command_id_that_has_two_effects_within_the_window_is_named(past: Past) -> None:
    as_new, twice = wrong(resent(past, WINDOW_MS))["resends"]
    assert "answered as if it were new" in as_new
    assert "has events from two records, command offsets 18 and 20 of orders.commands[0]" in twice


def test_a_command_id_that_comes_again_after_the_window_is_a_new_command(past: Past) -> None:
    assert wrong(resent(past, WINDOW_MS + 1)) == {}
