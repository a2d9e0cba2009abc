"""Whatever comes, in whatever batches, committed or aborted: versions have no gap, and a successor answers the same."""

import gc
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from handler.bells import Engrave, Ring, Smash, Touch
from handler.desk import SPAN_MS, Desk, Reply, bell_desk, command_id
from headrace.avro.codec import peek_version
from headrace.kernel.errors import Fault
from headrace.kernel.message import CommandMeta

COMMANDS = st.sampled_from([Ring(1), Ring(3), Ring(10), Engrave(5), Engrave(600_000), Touch()])
ASKED = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b", "c"]), "command": COMMANDS},
    optional={
        "command_id": st.integers(1, 6).map(command_id),
        "expected_version": st.integers(0, 4),
        "key": st.sampled_from([None, b"a"]),
    },
)
STEPS = st.lists(
    ASKED | st.sampled_from(["commit", "discard", "garbage"]) | st.sampled_from([1, SPAN_MS // 2, SPAN_MS]), max_size=30
)
Step = Any


def take(desk: Desk, step: Step) -> Reply | None:
    if step == "commit":
        desk.commit()
    elif step == "discard":
        desk.discard()
    elif step == "garbage":
        assert desk.put(b"a", b"garbage").set_aside is not None
    elif isinstance(step, int):
        desk.at += step
    else:
        return desk.ask(**step)
    return None


@pytest.mark.parametrize("odd", [None, Smash("decide"), Ring(1)], ids=["garbage", "broken", "behind another"])
def test_answers_keep_nothing_of_the_batch_that_they_were_in(odd: Struct | None) -> None:
    """Exceptions lead to the frames that they came through, and those to all that these held."""
    desk = bell_desk()
    desk.ask("odd", Smash("decide") if odd == Ring(1) else Touch())
    desk.commit()

    def batch() -> "weakref.ref[Desk]":
        held = Desk(desk.aggregate, desk.codec)  # stands for the records of a batch
        answer, answers = desk.partition.answer, []
        meta = CommandMeta(command_id=command_id(7), aggregate_id="odd")
        value = b"garbage" if odd is None else desk.codec.encode(odd, meta)
        answers.append(answer(b"odd", value, next(desk.offsets), desk.at))
        assert answers[0].set_aside is not None or answers[0].parked is not None
        return weakref.ref(held)

    gone = batch()
    gc.collect()
    assert gone() is None


def versions(desk: Desk) -> dict[str, list[int]]:
    """What lies in the log, by aggregate."""
    found: dict[str, list[int]] = {}
    for name, frame in desk.events:
        found.setdefault(name, []).append(peek_version(frame))
    return found


@given(STEPS)
def test_the_versions_of_each_aggregate_are_1_to_n(steps: list[Step]) -> None:
    desk = bell_desk()
    for step in steps:
        take(desk, step)
    desk.commit()
    for found in versions(desk).values():
        assert found == list(range(1, len(found) + 1))


@given(STEPS)
def test_every_command_has_one_outcome_that_tells_its_events(steps: list[Step]) -> None:
    desk = bell_desk()
    for step in steps:
        reply = take(desk, step)
        if reply is None:
            continue
        said = reply.outcome
        assert len(reply.events) == (0 if said.repeated else said.events)
        assert (said.result == "accepted") == (said.code is None)
        if reply.events:
            assert said.version == reply.events[-1].meta.version
            assert {event.meta.command_offset for event in reply.events} == {said.command_offset}


@given(STEPS, STEPS)
def test_a_successor_that_is_restored_from_the_log_gives_the_same_answers(
    before: list[Step], after: list[Step]
) -> None:
    desk = bell_desk()
    for step in before:
        take(desk, step)
    desk.discard()
    heir = desk.successor()
    heir.offsets, heir.ids, heir.at = iter(range(1000, 2000)), iter(range(1000, 2000)), desk.at  # type: ignore[assignment]
    desk.offsets, desk.ids = iter(range(1000, 2000)), iter(range(1000, 2000))  # type: ignore[assignment]
    for step in [*after, "commit"]:
        assert take(heir, step) == take(desk, step)
    assert heir.events == desk.events
    assert heir.outcomes == desk.outcomes


@given(STEPS, STEPS)
def test_an_aborted_batch_leaves_no_trace(batch: list[Step], after: list[Step]) -> None:
    never, aborted = bell_desk(), bell_desk()
    for desk in (never, aborted):
        desk.ask("a", Ring(2), command_id=command_id(1))
        desk.commit()
    for step in batch:
        if isinstance(step, dict):
            take(aborted, step)
    aborted.discard()
    for desk in (never, aborted):
        desk.offsets, desk.ids, desk.at = iter(range(1000, 2000)), iter(range(1000, 2000)), 1_700_000_100_000  # type: ignore[assignment]
    for step in after:
        assert take(never, step) == take(aborted, step)


def test_what_was_not_committed_is_not_there_for_a_successor() -> None:
    desk = bell_desk()
    desk.ask("a", Ring(1))
    desk.commit()
    desk.ask("a", Ring(1))
    assert desk.successor().ask("a", Touch(), command_id=command_id(9)).outcome.version == 1
    assert desk.ask("a", Touch()).outcome.version == 2


def test_a_batch_sees_itself_and_its_abort_what_was_before() -> None:
    desk = bell_desk()
    assert desk.ask("a", Ring(1)).outcome.version == 1
    assert desk.ask("a", Ring(1)).outcome.version == 2
    desk.discard()
    assert desk.ask("a", Ring(1)).outcome.version == 1
    desk.commit()
    desk.ask("a", Ring(1))
    desk.discard()
    assert desk.ask("a", Ring(1)).outcome.version == 2


def test_a_fault_in_a_batch_does_not_undo_what_was_committed() -> None:
    desk = bell_desk()
    desk.ask("a", Ring(1))
    desk.commit()
    desk.partition.restore({**dict(desk.events), "b": b"\0broken"})
    try:
        desk.ask("b", Ring(1))
    except Fault:
        desk.discard()
    assert desk.ask("a", Ring(1)).outcome.version == 2
