"""Parking by key: what our code breaks on waits, with all that follow it for its aggregate; a fixed version goes on."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from structlog.testing import capture_logs

from handler.bells import Command, Engrave, Rang, Ring, Touch, bell_codec, bells, decide
from handler.desk import SPAN_MS, Desk, Row, bell_desk, command_id
from headrace.handler.notes import read_note
from headrace.handler.parking import Caps
from headrace.handler.partition import Partition
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.errors import Fault
from headrace.kernel.message import CommandMeta, DiscardParked, RedriveParked

POISON = 7
REDRIVE = RedriveParked()


def decide_wrongly(command: Command, bell: Any, at: int) -> list[Any]:
    """The bug: seven strokes."""
    if command == Ring(POISON):
        raise ZeroDivisionError(f"secret {at}")
    return decide(command, bell, at)


def decide_wrongly_elsewhere(command: Command, bell: Any, at: int) -> list[Any]:
    """Another bug, in the version that was to fix the first: texts."""
    if isinstance(command, Engrave) and bell.rung:
        raise TypeError
    return decide(command, bell, at)


BROKEN: Aggregate[Any, Any, Any] = structs.replace(bells, decide=decide_wrongly)

BROKEN_ELSEWHERE: Aggregate[Any, Any, Any] = structs.replace(bells, decide=decide_wrongly_elsewhere)


def broken_desk(caps: Caps | None = None) -> Desk:
    return Desk(BROKEN, bell_codec(), caps=caps)


def results(desk: Desk) -> list[tuple[str, str | None]]:
    found = [desk.codec.decode(frame).body for frame in desk.outcomes]
    return [(outcome.result, outcome.code) for outcome in found]


def test_what_follows_a_parked_command_waits_and_other_keys_go_on() -> None:
    desk = broken_desk()
    desk.ask("a", Ring(1))
    replies = [desk.ask(name, Ring(times)).outcome for name, times in (("a", POISON), ("a", 1), ("b", 1), ("a", 2))]
    assert [(reply.result, reply.code, reply.version) for reply in replies] == [
        ("parked", "ZeroDivisionError", 1),
        ("parked", "KeyParked", 1),
        ("accepted", None, 1),
        ("parked", "KeyParked", 1),
    ]
    assert not any("secret" in str(reply.message) for reply in replies)


def test_a_redrive_after_a_fixed_deploy_answers_them_in_order_at_their_own_offsets_and_times() -> None:
    desk = broken_desk()
    for times in (1, POISON, 2):
        desk.ask("a", Ring(times))
    desk.commit()
    fixed = desk.successor(bells)
    reply = fixed.ask("a", REDRIVE, actor="ann")
    assert (reply.outcome.result, reply.outcome.version, reply.outcome.events) == ("accepted", 10, 0)
    fixed.commit()
    metas = [fixed.codec.decode(frame).meta for _, frame in fixed.events]
    assert [(meta.version, meta.command_offset) for meta in metas] == [(1, 0)] + [
        (version, 1 if version < 9 else 2) for version in range(2, 11)
    ]
    assert {meta.occurred_at - meta.command_offset for meta in metas} == {metas[0].occurred_at}
    assert results(fixed)[-3:] == [("accepted", None)] * 3
    mark = read_note(fixed.parked[-1])
    assert (mark.kind, mark.aggregate_id, mark.through, mark.result, mark.actor) == (
        "released",
        "a",
        2,
        "redriven",
        "ann",
    )
    assert fixed.ask("a", Ring(1)).outcome.version == 11
    assert fixed.successor().ask("a", Ring(1)).outcome.version == 11


def test_a_redrive_that_breaks_again_says_so_and_keeps_what_is_left() -> None:
    desk = broken_desk()
    for times in (POISON, 1, POISON, 2):
        desk.ask("a", Ring(times))
    desk.commit()
    reply = desk.ask("a", REDRIVE).outcome
    assert (reply.result, reply.code) == ("refused", "StillFailing")
    assert "ZeroDivisionError at command offset 0" in str(reply.message)
    assert [waiting.offset for waiting in desk.parking.queue("a")] == [0, 1, 2, 3]

    def half_fixed(command: Command, bell: Any, at: int) -> list[Any]:
        return decide(command, bell, at) if bell.rung == 0 else decide_wrongly(command, bell, at)

    desk.commit()
    later = desk.successor(structs.replace(bells, decide=half_fixed))
    reply = later.ask("a", REDRIVE).outcome
    assert (reply.code, reply.version) == ("StillFailing", 8)
    later.commit()
    assert read_note(later.parked[-1]).through == 1
    assert [waiting.offset for waiting in later.parking.queue("a")] == [2, 3]
    last = later.successor(bells)
    assert [waiting.offset for waiting in last.parking.queue("a")] == [2, 3]
    assert last.ask("a", REDRIVE).outcome.version == 17


def test_a_redrive_or_a_discard_of_what_is_not_parked_is_refused() -> None:
    desk = bell_desk()
    for command in (REDRIVE, DiscardParked("why not")):
        assert desk.ask("a", command).outcome.code == "NotParked"
    assert desk.ask("a", REDRIVE, key=b"b").outcome.code == "KeyMismatch"


@pytest.mark.parametrize("reason", ["", "  ", "x" * 1001])
def test_a_discard_needs_a_reason(reason: str) -> None:
    desk = broken_desk()
    desk.ask("a", Ring(POISON))
    assert desk.ask("a", DiscardParked(reason)).outcome.code == "ReasonMissing"
    assert len(desk.parking.queue("a")) == 1


def test_what_is_discarded_is_refused_and_the_reason_is_kept() -> None:
    desk = broken_desk()
    for times in (1, POISON, 2):
        desk.ask("a", Ring(times))
    desk.commit()
    assert desk.ask("a", DiscardParked("nobody wants it")).outcome.version == 1
    desk.commit()
    assert results(desk)[-3:] == [("refused", "Discarded"), ("refused", "Discarded"), ("accepted", None)]
    mark = read_note(desk.parked[-1])
    assert (mark.result, mark.message, mark.through) == ("discarded", "nobody wants it", 2)
    assert desk.successor().ask("a", Ring(1)).outcome.version == 2


def test_a_resend_is_answered_as_parked_until_the_redrive_and_with_the_result_after_it() -> None:
    desk = broken_desk()
    poison = {"name": "a", "command": Ring(POISON), "command_id": command_id(99)}
    desk.ask(**poison)
    again = desk.ask(**poison).outcome
    assert (again.result, again.code, again.repeated) == ("parked", "ZeroDivisionError", True)
    assert desk.ask("a", Ring(1), command_id=command_id(99)).outcome.code == "CommandIdReused"
    desk.commit()
    fixed = desk.successor(bells)
    assert fixed.ask(**poison).outcome.result == "parked"
    fixed.ask("a", REDRIVE)
    for _ in range(2):
        again = fixed.ask(**poison).outcome
        assert (again.result, again.version, again.events, again.repeated) == ("accepted", 7, 7, True)
        fixed.commit()
        fixed = fixed.successor()


def test_an_id_that_was_used_again_after_the_window_keeps_its_newer_answer() -> None:
    desk = broken_desk()
    desk.ask("a", Ring(POISON), command_id=command_id(99))
    desk.at += SPAN_MS
    newer = desk.ask("b", Ring(1), command_id=command_id(99)).outcome
    desk.commit()
    fixed = desk.successor(bells)
    fixed.ask("a", REDRIVE)
    fixed.commit()
    for each in (fixed, fixed.successor()):
        again = each.ask("b", Ring(1), command_id=command_id(99)).outcome
        assert (again.repeated, again.version) == (True, newer.version)


def test_an_aborted_batch_parks_and_releases_nobody() -> None:
    desk = broken_desk()
    desk.ask("a", Ring(POISON))
    desk.discard()
    assert not desk.parking.occupied
    desk.ask("a", Ring(POISON))
    desk.commit()
    desk.ask("a", DiscardParked("a try"))
    desk.discard()
    assert [waiting.offset for waiting in desk.parking.queue("a")] == [1]
    assert desk.ask("a", Ring(1)).outcome.code == "KeyParked"


@pytest.mark.parametrize(
    ("caps", "said"),
    [
        (Caps(keys=2), "3 aggregates would be parked, 2 may be"),
        (Caps(records=2), "3 commands would be parked, 2 may be"),
        (Caps(bytes=120), "bytes would be parked, 120 may be"),
    ],
    ids=["keys", "records", "bytes"],
)
def test_above_its_caps_the_partition_stops_and_says_how_to_go_on(caps: Caps, said: str) -> None:
    desk = broken_desk(caps)
    for name in "ab":
        desk.ask(name, Ring(POISON))
    with pytest.raises(Fault, match=said) as caught:
        desk.ask("c", Ring(POISON))
    assert "HEADRACE_PARKED_" in str(caught.value)


def test_what_was_aborted_or_released_does_not_count_towards_the_caps() -> None:
    desk = broken_desk(Caps(records=2))
    for after in (desk.discard, desk.commit):
        desk.ask("a", Ring(POISON))
        desk.ask("a", Ring(1))
        after()
    desk.ask("a", DiscardParked("a try"))
    desk.commit()
    assert [desk.ask("a", Ring(POISON)).outcome.result for _ in range(2)] == ["parked"] * 2
    with pytest.raises(Fault, match="3 commands would be parked, 2 may be"):
        desk.ask("a", Ring(1))


def test_memory_that_is_short_parks_nobody() -> None:
    def starve(*_: Any) -> list[Any]:
        raise MemoryError

    desk = Desk(structs.replace(bells, decide=starve), bell_codec())
    with pytest.raises(Fault, match="out of memory"):
        desk.ask("a", Ring(1))
    assert not desk.parking.occupied


def test_an_exception_that_cannot_even_be_told_parks_its_key() -> None:
    class Unspeakable(Exception):  # noqa: N818
        def __str__(self) -> str:
            raise KeyError("\ud800")

        def __bool__(self) -> bool:
            return False

    def fail(*_: Any) -> list[Any]:
        raise Unspeakable

    desk = Desk(structs.replace(bells, decide=fail), bell_codec())
    assert desk.ask("a", Ring(1)).outcome.code == "Unspeakable"
    desk.commit()
    assert read_note(desk.parked[0]).message == "KeyError"


def test_a_state_that_cannot_be_read_parks_its_key() -> None:
    desk = bell_desk()
    desk.ask("a", Ring(1))
    desk.commit()
    desk.partition.restore({"a": desk.events[0][1][:-1]})
    reply = desk.ask("a", Ring(1)).outcome
    assert (reply.result, reply.code, reply.version) == ("parked", "Undecodable", 1)


def test_the_trace_of_a_parked_command_comes_back_with_its_events() -> None:
    desk = broken_desk()
    trace = ("traceparent", b"00-1-2-03")
    for number, times in ((50, POISON), (51, 1)):
        meta = CommandMeta(command_id=command_id(number), aggregate_id="a")
        desk.put(b"a", desk.codec.encode(Ring(times), meta), [("headrace-parking", b"released"), trace])
    desk.commit()
    fixed = desk.successor(bells)
    meta = CommandMeta(command_id=command_id(52), aggregate_id="a")
    answer = fixed.put(b"a", fixed.codec.encode(REDRIVE, meta))
    assert [earlier.trace for earlier in answer.released] == [[trace], [trace]]


def test_nothing_is_asked_of_the_parking_while_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = bell_desk()
    monkeypatch.setattr(desk.parking, "queue", None)
    assert desk.ask("a", Ring(1)).events[0].body == Rang(1)
    assert isinstance(desk.partition, Partition)


ASKED = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["a", "b", "c"]),
        "command": st.sampled_from([Ring(1), Ring(POISON), Ring(10), Engrave(5), Touch()]),
    },
    optional={
        "command_id": st.integers(1000, 1003).map(command_id),
        "expected_version": st.integers(0, 9),
        "key": st.sampled_from([None, b"a"]),
    },
)
STEPS = st.lists(
    st.tuples(st.just("ask"), ASKED)
    | st.tuples(st.just("wait"), st.sampled_from([1, SPAN_MS // 2, SPAN_MS]))
    | st.tuples(st.sampled_from(["commit", "restart", "deploy", "redrive a", "redrive b"]), st.none()),
    max_size=40,
)


def run(desk: Desk, steps: list[tuple[str, Any]], others: Aggregate[Any, Any, Any]) -> Desk:
    for step, value in steps:
        if step == "ask":
            desk.ask(**value)
        elif step == "wait":
            desk.at += value
        elif step.startswith("redrive"):
            # It takes its place in the log, so that offsets and times are the same with and without the bug.
            desk.ask(step[-1], REDRIVE, command_id=command_id(desk.at))
        else:
            desk.commit()
            desk = desk if step == "commit" else desk.successor(others if step == "deploy" else None)
    desk.commit()
    return desk


def left(desk: Desk) -> tuple[dict[str, list[bytes]], dict[int, bytes]]:
    """Events by aggregate, and the final outcome of each command that is neither a resend nor the engine's own."""
    events: dict[str, list[bytes]] = {}
    for name, frame in desk.events:
        events.setdefault(name, []).append(frame)
    outcomes = {}
    for frame in desk.outcomes:
        outcome = desk.codec.decode(frame).body
        if not outcome.repeated and outcome.command_type != "RedriveParked":
            outcomes[outcome.command_offset] = frame
    return events, outcomes


@given(STEPS)
def test_a_redrive_leaves_exactly_what_a_run_without_the_bug_would_have_left(steps: list[tuple[str, Any]]) -> None:
    sound = run(bell_desk(), steps, bells)
    fixed = run(broken_desk(), steps, BROKEN_ELSEWHERE).successor(bells)
    for number, name in enumerate("abc"):
        fixed.ask(name, REDRIVE, command_id=command_id(5000 + number))
        fixed.commit()
    assert left(fixed) == left(sound)
    assert not fixed.parking.occupied
    assert not fixed.successor().parking.occupied


@pytest.mark.parametrize(
    "name", ["headrace-through", "headrace-result", "headrace-reason", "kafka_dlt-original-offset"]
)
def test_a_sender_whose_headers_have_the_names_of_ours_is_in_the_way_of_nobody(name: str) -> None:
    desk = bell_desk()
    assert desk.put(b"bell-1", b"garbage", [(name, b"all of it")]).set_aside is not None
    desk.commit()
    assert desk.successor().ask("bell-1", Ring(1)).outcome.version == 1


def test_a_record_of_somebody_else_s_among_what_is_parked_is_logged_and_stops_nobody() -> None:
    desk = broken_desk()
    desk.ask("a", Ring(POISON))
    desk.commit()
    desk.parked.insert(0, Row((desk.aggregate.parked_topic, 0, 0), desk.at, b"x", b"foreign", [("who", "a stranger")]))
    with capture_logs() as logs:
        later = desk.successor(bells)
    assert [entry["event"] for entry in logs] == ["no parked record"]
    assert later.ask("a", REDRIVE).outcome.result == "accepted"
