"""Stored positions that are wrong, and what is said of them."""

import pytest

from headrace_load.verify.records import Checkpoint, Ends, Partition
from verify.checking import read, small_past, wrong

EVENTS_END = 10


@pytest.fixture
def part() -> Partition:
    return read(small_past())


@pytest.mark.parametrize("projector", ["journal", "orders_v1"])
@pytest.mark.parametrize(
    ("checkpoint", "problems"),
    [
        (Checkpoint(9, 16), []),
        (Checkpoint(EVENTS_END, 16), []),
        (Checkpoint(11, 16), ["next offset 11 is past the end of what is committed, 10"]),
        (Checkpoint(9, 14), ["command offset 14 is not the newest applied one, 16"]),
        (Checkpoint(9, 17), ["command offset 17 is not the newest applied one, 16"]),
        (None, ["no checkpoint, although 5 events lie there"]),
    ],
    ids=["after the newest event", "after its marker", "past the end", "token too small", "token too large", "none"],
)
def test_a_checkpoint_that_is_wrong_is_named(
    part: Partition, projector: str, checkpoint: Checkpoint | None, problems: list[str]
) -> None:
    del part.checkpoints[projector]
    if checkpoint:
        part.checkpoints[projector] = checkpoint
    said = [f"{projector} at orders.events[0]: {problem}" for problem in problems]
    assert wrong(part).get("positions", []) == said


def test_a_checkpoint_behind_the_newest_event_is_named(part: Partition) -> None:
    part.checkpoints["orders_v1"] = Checkpoint(6, 4)
    assert wrong(part) == {
        "positions": ["orders_v1 at orders.events[0]: next offset 6 is 2 events behind the newest, offset 8"]
    }


def test_a_journal_that_is_ahead_of_its_checkpoint_is_named(part: Partition) -> None:
    part.checkpoints["journal"] = Checkpoint(6, 4)
    assert wrong(part)["positions"][1] == (
        "journal at orders.events[0]: next offset 6 is not past the newest journaled event, offset 8"
    )


def test_a_partition_without_events_needs_no_checkpoint(part: Partition) -> None:
    part.events.clear()
    part.checkpoints.clear()
    assert "positions" not in wrong(part)


def test_handlers_that_are_behind_are_named_once_and_their_commands_are_not_called_lost(part: Partition) -> None:
    part.committed = 14
    del part.outcomes[-2:]
    del part.events[-2:]
    part.checkpoints = dict.fromkeys(part.checkpoints, Checkpoint(5, 4))
    assert wrong(part) == {"positions": ["handlers at orders.commands[0]: offset 14 leaves 2 records unanswered"]}


def test_answers_that_were_not_committed_with_their_offset_are_named(part: Partition) -> None:
    part.committed = None
    assert wrong(part)["positions"] == [
        "handlers at orders.commands[0]: offset 0 leaves 9 records unanswered",
        "handlers at orders.commands[0]: offset 0 is not past the newest answered command, offset 16",
    ]


def test_handlers_past_the_end_of_their_topic_are_named(part: Partition) -> None:
    part.committed = 99
    assert wrong(part)["positions"] == [
        "handlers at orders.commands[0]: offset 99 is past the end of what is committed, 18"
    ]


@pytest.mark.parametrize("kind", ["commands", "events"])
def test_positions_within_an_open_transaction_are_named(part: Partition, kind: str) -> None:
    part.ends[kind] = part.ends[kind]._replace(stable=2)
    assert any("is past the end of what is committed, 2" in problem for problem in wrong(part)["positions"])


def test_an_open_transaction_is_named(part: Partition) -> None:
    part.ends["outcomes"] = Ends(0, 14, 16)
    assert wrong(part)["positions"] == [
        "orders.outcomes[0]: a transaction is open, readers of committed records stop at 14 of 16"
    ]


@pytest.mark.parametrize(
    ("kind", "offset", "problems"),
    [
        ("events", 9, []),
        ("events", EVENTS_END, []),
        ("outcomes", 14, ["offset 14 leaves 1 outcomes without a reaction"]),
        ("events", None, ["offset 0 leaves 5 events without a reaction"]),
        ("events", 11, ["offset 11 is past the end of what is committed, 10"]),
    ],
    ids=["after the newest event", "after its marker", "behind", "none", "past the end"],
)
def test_a_reactor_that_is_not_at_the_end_is_named(
    part: Partition, kind: str, offset: int | None, problems: list[str]
) -> None:
    part.reacted["headrace.react.watcher", kind] = offset
    said = [f"headrace.react.watcher at orders.{kind}[0]: {problem}" for problem in problems]
    assert wrong(part).get("positions", []) == said


def emptied(part: Partition, low: int) -> Partition:
    """The partition with all deleted from its topics, which then begin there."""
    part.ends = {name: Ends(low, 18, 18) for name in part.ends}
    part.commands, part.outcomes, part.events, part.parked, part.checkpoints = [], [], [], [], {}
    for offsets in part.visible.values():
        del offsets[:]
    return part


@pytest.mark.parametrize(("low", "said"), [(11, []), (12, ["offset 10 is 2 before the oldest of the {}, 12"])])
@pytest.mark.parametrize(
    ("kind", "who"), [("commands", "handlers"), ("events", "headrace.react.watcher"), ("outcomes", "audit")]
)
def test_what_was_deleted_before_its_reader_came_to_it_is_named(
    part: Partition, kind: str, who: str, low: int, said: list[str]
) -> None:
    """The offset behind the last record may be that of a mark, which is deleted, too."""
    emptied(part, low).committed = 10 if kind == "commands" else 18
    part.audit = Checkpoint(10 if kind == "outcomes" else 18, 4)
    part.reacted["headrace.react.watcher", "events"] = 10 if kind == "events" else 18
    problems = [f"{who} at orders.{kind}[0]: {problem.format(kind)}: some were deleted unread" for problem in said]
    assert wrong(part).get("positions", []) == problems


def test_one_command_that_was_deleted_unanswered_is_no_mark_where_no_reactor_sends_any(part: Partition) -> None:
    emptied(part, 11).committed = 10
    part.audit = Checkpoint(18, 4)
    said = "handlers at orders.commands[0]: offset 10 is 1 before the oldest of the commands, 11"
    assert wrong(part).get("positions", []) == [f"{said}: some were deleted unread"]


def test_who_has_not_come_to_a_partition_yet_has_left_nothing_unread(part: Partition) -> None:
    emptied(part, 18).committed = None
    part.audit, part.reacted = Checkpoint(0, -1), {("headrace.react.watcher", "events"): None}
    assert "positions" not in wrong(part)
