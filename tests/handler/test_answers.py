"""How a command is answered: accepted, refused by its domain, refused for its version; and what an event then says."""

import gc
import sys
import weakref
from datetime import date
from types import FrameType
from typing import Any

import pytest
from msgspec import structs

from handler.bells import Bell, Engrave, Rang, Ring, Smash, Touch, bell_codec, bells
from handler.desk import START, WRITER, Desk, bell_desk, command_id, order_desk
from headrace.avro.codec import PREFIX_LENGTH
from headrace.avro.functions import COMPILED
from headrace.handler.replies import MAX_EVENT_BYTES, Answer
from headrace.kernel.errors import Fault
from headrace.kernel.message import CommandMeta, EventMeta, Outcome
from headrace.orders.commands import CancelOrder, CreateOrder, PayOrder, ShipOrder
from headrace.orders.decider import Order
from headrace.orders.events import Line, OrderCancelled, OrderCreated
from headrace.transactional.loop import TransactionalLoop

CREATE = CreateOrder(
    lines=[Line("A", "a thing", 2, 50)], currency="GBP", customer="ann", business_date=date(2010, 12, 1)
)
PAY = PayOrder("p-1", 100, "GBP")
CREATED = OrderCreated(lines=CREATE.lines, currency="GBP", customer="ann", business_date=date(2010, 12, 1), total=100)


def test_an_accepted_command_becomes_an_event_and_an_outcome() -> None:
    reply = order_desk().ask("o-1", CREATE, actor="till", correlation_id="day", causation_id="import")
    [event] = reply.events
    state = Order("created", CREATE.lines, "GBP", "ann", date(2010, 12, 1), 100)
    assert (event.body, event.state) == (CREATED, state)
    assert event.meta == EventMeta(
        1, "orders/o-1/1", "o-1", START + 1, command_id(1), 0, "day", "import", "till", WRITER
    )
    assert reply.outcome == Outcome(
        command_id=command_id(1),
        occurred_at=START + 1,
        aggregate_id="o-1",
        command_type="CreateOrder",
        command_offset=0,
        body_hash=reply.outcome.body_hash,
        result="accepted",
        version=1,
        events=1,
        actor="till",
        correlation_id="day",
        causation_id="import",
    )


def test_a_command_that_names_no_cause_is_its_own() -> None:
    reply = order_desk().ask("o-1", CREATE)
    for said in (reply.outcome, reply.events[0].meta):
        assert (said.correlation_id, said.causation_id, said.actor) == (command_id(1), command_id(1), None)


def test_a_refused_command_is_answered_with_the_name_and_the_words_of_the_refusal() -> None:
    desk = order_desk()
    desk.ask("o-1", CREATE)
    reply = desk.ask("o-1", ShipOrder("Post", "T"))
    assert reply.events == []
    said = reply.outcome
    assert (said.result, said.code, said.message) == ("refused", "NotPaid", "The order is not paid yet.")
    assert (said.version, said.events, said.repeated) == (1, 0, False)


def test_a_refusal_may_have_words_of_its_own_for_each_command() -> None:
    desk = bell_desk()
    said = [desk.ask("b", Smash(where)).outcome for where in ("lip", "waist", "lip")]
    assert {each.code for each in said} == {"Cracked"}
    assert [each.message for each in said] == [
        f"The bell is cracked at its {where}." for where in ("lip", "waist", "lip")
    ]


def test_what_is_refused_half_way_leaves_nothing_of_its_command() -> None:
    desk = bell_desk()
    reply = desk.ask("b", Smash("clapper"))
    assert (reply.events, reply.outcome.code, reply.outcome.version, reply.outcome.events) == ([], "Muffled", 0, 0)
    assert [event.body for event in desk.ask("b", Ring(1)).events] == [Rang(1)]


def test_a_refused_command_is_decided_on_once() -> None:
    asked: list[Any] = []

    def decide(command: Any, *more: Any) -> list[Any]:
        asked.append(command)
        return bells.decide(command, *more)

    desk = Desk(structs.replace(bells, decide=decide), bell_codec())
    assert desk.ask("b", Ring(10)).outcome.code == "Muffled"
    assert asked == [Ring(10)]


def test_each_command_sees_what_those_before_it_did() -> None:
    desk = order_desk()
    assert [desk.ask("o-1", command).outcome.version for command in (CREATE, PAY, CancelOrder("late"))] == [1, 2, 3]
    assert desk.ask("o-2", PAY).outcome.code == "UnknownOrder"


def test_a_command_that_changes_nothing_is_accepted_without_events() -> None:
    desk = bell_desk()
    reply = desk.ask("b", Touch())
    assert (reply.events, reply.outcome.result, reply.outcome.version, reply.outcome.events) == ([], "accepted", 0, 0)
    assert desk.ask("b", Ring(1), expected_version=0).outcome.version == 1


def test_several_events_of_one_command_count_on() -> None:
    desk = bell_desk()
    desk.ask("b", Ring(2))
    reply = desk.ask("b", Ring(3))
    assert [event.meta.version for event in reply.events] == [3, 4, 5]
    assert [event.meta.event_id for event in reply.events] == ["bells/b/3", "bells/b/4", "bells/b/5"]
    assert [event.state for event in reply.events] == [Bell(3), Bell(4), Bell(5)]
    assert {event.meta.command_id for event in reply.events} == {command_id(2)}
    assert (reply.outcome.version, reply.outcome.events) == (5, 3)


@pytest.mark.parametrize(("expected", "result"), [(0, "refused"), (1, "accepted"), (2, "refused"), (None, "accepted")])
def test_an_expected_version_is_a_condition(expected: int | None, result: str) -> None:
    desk = order_desk()
    desk.ask("o-1", CREATE, expected_version=0)
    said = desk.ask("o-1", PAY, expected_version=expected).outcome
    assert said.result == result
    assert said.code == ("VersionConflict" if result == "refused" else None)
    assert said.version == (2 if result == "accepted" else 1)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "no value"),
        (b"", "not in Confluent framing"),
        (b'{"pay": 100}', "not in Confluent framing"),
        (b"\0\0\0\0\1\2", "schema id 1 is not in the lock file"),
        (bytes(1_000_001), "1000001 bytes, more than"),
    ],
    ids=["null", "empty", "JSON", "unknown schema", "oversized"],
)
def test_what_is_no_command_is_set_aside_alone(value: bytes | None, why: str) -> None:
    desk = order_desk()
    desk.ask("o-1", CREATE)
    answer = desk.put(b"o-1", value)
    assert answer == Answer(set_aside=answer.set_aside)
    assert answer.set_aside is not None
    assert why.encode() in answer.set_aside.said
    assert desk.ask("o-1", PAY).outcome.version == 2


def test_an_event_or_an_outcome_on_the_command_topic_is_no_command() -> None:
    desk = order_desk()
    desk.ask("o-1", CREATE)
    desk.commit()
    for value, name in ((desk.events[0][1], "OrderCreated"), (desk.outcomes[0], "Outcome")):
        answer = desk.put(b"o-1", value)
        assert answer.set_aside is not None
        assert answer.set_aside.name == "Undecodable"
        assert answer.set_aside.said == f"a {name} is not a command of orders".encode()


def test_an_event_that_is_too_large_is_refused_and_the_state_stays() -> None:
    desk = bell_desk()
    desk.ask("b", Ring(1))
    for times in (1, 2):
        reply = desk.ask("b", Engrave(MAX_EVENT_BYTES // 2, times))
        assert (reply.outcome.code, reply.outcome.version, reply.events) == ("EventTooLarge", 1, [])
    reply = desk.ask("b", Ring(1), expected_version=1)
    assert reply.events[0].state == Bell(2)


def test_a_large_event_that_fits_is_taken_and_can_be_read_back() -> None:
    desk = bell_desk()
    reply = desk.ask("b", Engrave(MAX_EVENT_BYTES // 2 - 200))
    assert reply.outcome.version == 2
    assert len(reply.events[1].body.text) == len(reply.events[1].state.text) > 470_000


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("decide", "ZeroDivisionError: at 1700000000002"),
        ("evolve", "KeyError: 'floor'"),
        ("number", "Unencodable: this Rang does not fit its schema"),
    ],
)
def test_a_command_that_our_code_breaks_on_is_parked_and_its_outcome_tells_no_more_than_the_class(
    where: str, why: str
) -> None:
    desk = bell_desk()
    desk.ask("b", Ring(1))
    reply = desk.ask("b", Smash(where))
    assert (reply.outcome.result, reply.outcome.version, reply.outcome.events) == ("parked", 1, 0)
    assert reply.outcome.code == why.partition(":")[0]
    assert why.partition(": ")[2] not in str(reply.outcome.message)


def test_a_decision_that_returns_no_event_parks_its_command() -> None:
    for returned in ([Ring(1)], None):
        aggregate = structs.replace(bells, decide=lambda *_, it=returned: it, evolve=lambda bell, _: bell)
        assert Desk(aggregate, bell_codec()).ask("b", Ring(1)).outcome.code == "TypeError"


def test_what_breaks_half_way_leaves_nothing_of_its_command() -> None:
    desk = bell_desk()
    desk.ask("b", Ring(1))
    assert desk.ask("b", Smash("evolve")).events == []
    desk.commit()
    assert [name for name, _ in desk.events] == ["b"]
    assert desk.partition._touch("b").version == 1


def frames_of_the_library(frame: FrameType | None) -> list[str]:
    """The functions of headrace that are being called, innermost first."""
    found = []
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith("headrace."):
            found.append(frame.f_code.co_name)
        frame = frame.f_back
    return found


def test_two_frames_lie_between_the_loop_and_a_decision_at_most(way: str) -> None:
    seen: list[list[str]] = []

    def decide(*_: Any) -> list[Any]:
        seen.append(frames_of_the_library(sys._getframe(1)))
        return [Rang(1)]

    desk = Desk(structs.replace(bells, decide=decide), bell_codec())
    desk.ask("b", Ring(1))
    assert seen == [["answer"] if way == "short" and COMPILED else ["_decide", "answer"]]
    assert "answer" in TransactionalLoop.run_once.__code__.co_names


def test_the_memory_of_a_partition_that_is_given_up_is_free_at_once() -> None:
    """The collector does not look at what was there when it was told to keep what lives, and it is a lot."""
    desk = bell_desk()
    desk.ask("a", Ring(1))
    desk.commit()
    given_up = weakref.ref(desk.partition)
    gc.disable()
    try:
        desk.partition = bell_desk().partition
        assert given_up() is None
    finally:
        gc.enable()


def test_a_cancelled_order_owes_what_was_paid() -> None:
    """The state that a command sees is the one that the events made, however they came to it."""
    desk = order_desk()
    for command in (CREATE, PAY):
        desk.ask("o-1", command)
        desk.commit()
    [event] = desk.successor().ask("o-1", CancelOrder("late"), command_id=command_id(9)).events
    assert event.body == OrderCancelled("late", 100, "GBP")


def test_a_state_that_is_restored_from_bytes_is_the_one_that_was_written() -> None:
    desk = order_desk()
    written = [desk.ask("o-1", command).events[0].state for command in (CREATE, PAY, ShipOrder("Post", "T"))]
    desk.commit()
    versions = [1, 2, 3]
    for version, state, (_, frame) in zip(versions, written, desk.events, strict=True):
        desk.partition.restore({"o-1": frame})
        touched = desk.partition._touch("o-1")
        assert (touched.version, touched.state) == (version, state)
        assert desk.partition._touch("o-1") is touched


def test_an_aggregate_that_is_not_decoded_yet_is_as_good_as_one_that_is() -> None:
    desk = order_desk()
    desk.ask("o-1", CREATE)
    desk.commit()
    desk.partition.restore({"o-1": desk.events[-1][1]})
    assert desk.ask("o-1", ShipOrder("Post", "T")).outcome.code == "NotPaid"
    desk.partition.restore({"o-1": desk.events[-1][1]})
    assert desk.ask("o-1", PAY).outcome.version == 2
    desk.discard()
    assert desk.ask("o-1", ShipOrder("Post", "T")).outcome.code == "NotPaid"
    assert desk.ask("o-1", PAY, expected_version=1).outcome.version == 2
    desk.commit()
    assert desk.ask("o-1", ShipOrder("Post", "T")).outcome.version == 3


def test_an_aggregate_whose_newest_record_is_broken_parks_its_command_and_only_that() -> None:
    desk = order_desk()
    desk.ask("o-1", CREATE)
    desk.commit()
    frame = desk.events[-1][1]
    begin, rest = frame[:PREFIX_LENGTH], frame[PREFIX_LENGTH + 1 :]
    without_version = (begin, begin + b"\xff", *(begin + number + rest for number in (b"\0", b"\1", b"\xff\xff\x7f")))
    for broken in (frame[:-1], frame + b"\0", *without_version):
        desk.partition.restore({"o-1": broken, "o-2": frame})
        key, value = b"o-1", desk.codec.encode(PAY, CommandMeta(command_id=command_id(99), aggregate_id="o-1"))
        parked = desk.put(key, value).parked
        assert parked is not None
        assert parked.name == "Undecodable"
        desk.discard()
        assert desk.ask("o-2", PAY).outcome.version == 2
        desk.discard()


def test_the_answer_to_a_hash_is_the_hash_of_the_body() -> None:
    desk = order_desk()
    frame = desk.codec.encode(CREATE, CommandMeta(command_id=command_id(1), aggregate_id="o-1"))
    assert desk.ask("o-1", CREATE).outcome.body_hash == desk.codec.decode(frame).body_hash != b""


def test_an_event_that_another_version_of_the_code_wrote_is_not_guessed_at() -> None:
    desk = order_desk()
    desk.partition.restore({"o-1": b"\0\0\0\0\1\2"})
    with pytest.raises(Fault, match="schema id 1 is not in the lock file"):
        desk.ask("o-1", PAY)
