"""A resend has no second effect: the first answer again, as long as it is remembered, and a refusal afterwards."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from handler.bells import Ring, Touch
from handler.desk import SPAN_MS, START, WINDOW_MS, Desk, Reply, bell_desk, command_id, order_desk
from headrace.handler.window import SKEW_MS
from headrace.kernel.message import Outcome
from headrace.orders.commands import CancelOrder, CreateOrder, PayOrder, ShipOrder
from headrace.orders.events import Line

CREATE = CreateOrder(lines=[Line("A", "", 1, 100)], currency="GBP", customer=None, business_date=date(2010, 12, 1))
PAY = PayOrder("p-1", 100, "GBP")


def is_repeat(reply: Reply, first: Outcome) -> bool:
    """The first answer's content, at the resend's own place in the log."""
    said = reply.outcome
    at_its_place = structs.replace(
        first, command_offset=said.command_offset, occurred_at=said.occurred_at, repeated=True
    )
    return reply.events == [] and said == at_its_place and said.command_offset > first.command_offset


@pytest.mark.parametrize("committed", [True, False], ids=["later", "in the same batch"])
def test_a_resend_is_answered_as_the_first_time_and_has_no_effect(*, committed: bool) -> None:
    desk = bell_desk()
    first = desk.ask("b", Ring(2)).outcome
    if committed:
        desk.commit()
    for _ in range(3):
        assert is_repeat(desk.ask("b", Ring(2), command_id=first.command_id), first)
    assert desk.ask("b", Touch()).outcome.version == 2


def test_a_resend_to_a_successor_is_a_resend() -> None:
    desk = bell_desk()
    first = desk.ask("b", Ring(2)).outcome
    again = desk.ask("b", Ring(2), command_id=first.command_id).outcome
    desk.commit()
    heir = desk.successor()
    next(heir.offsets)
    assert again.repeated
    assert is_repeat(heir.ask("b", Ring(2), command_id=first.command_id), first)


@pytest.mark.parametrize("other", [Ring(2), Ring(3)], ids=["repeated", "another body"])
def test_an_answer_to_a_resend_is_not_what_the_next_one_is_answered_with(other: Ring) -> None:
    """A successor may find such an answer alone, when the first is older than what it reads: it says nothing."""
    desk = bell_desk()
    first = desk.ask("b", Ring(2)).outcome
    desk.ask("b", other, command_id=first.command_id)
    desk.commit()
    heir = desk.successor()
    assert heir.ask("b", other, command_id=first.command_id).events == []
    desk.outcomes = desk.outcomes[1:]
    assert len(desk.successor().ask("b", other, command_id=first.command_id).events) == other.times


def test_a_resend_with_another_meta_is_a_resend() -> None:
    desk = bell_desk()
    first = desk.ask("b", Ring(1), actor="ann").outcome
    again = desk.ask("b", Ring(1), command_id=first.command_id, actor="bob", expected_version=7, correlation_id="x")
    assert is_repeat(again, first)


def test_a_refusal_is_repeated_too_though_it_would_be_accepted_by_now() -> None:
    desk = order_desk()
    desk.ask("o-1", CREATE)
    refused = desk.ask("o-1", ShipOrder("Post", "T")).outcome
    desk.ask("o-1", PAY)
    again = desk.ask("o-1", ShipOrder("Post", "T"), command_id=refused.command_id)
    assert is_repeat(again, refused)
    assert again.outcome.code == "NotPaid"


@pytest.mark.parametrize("committed", [True, False], ids=["later", "in the same batch"])
@pytest.mark.parametrize(
    ("name", "other"),
    [("b", Ring(2)), ("b", Touch()), ("c", Ring(1))],
    ids=["another field", "another type", "another aggregate"],
)
def test_another_command_under_the_same_id_is_refused_and_the_first_answer_stays(
    name: str, other: Any, *, committed: bool
) -> None:
    desk = bell_desk()
    first = desk.ask("b", Ring(1)).outcome
    if committed:
        desk.commit()
    reply = desk.ask(name, other, command_id=first.command_id)
    assert (reply.events, reply.outcome.code, reply.outcome.repeated) == ([], "CommandIdReused", False)
    assert (reply.outcome.aggregate_id, reply.outcome.version, reply.outcome.events) == (name, 0, 0)
    if committed:
        desk.commit()
    assert is_repeat(desk.ask("b", Ring(1), command_id=first.command_id), first)
    assert desk.ask("b", Touch()).outcome.version == 1


def test_an_abort_forgets_the_answer_with_the_event() -> None:
    desk = bell_desk()
    first = desk.ask("b", Ring(1)).outcome
    desk.discard()
    reply = desk.ask("b", Ring(1), command_id=first.command_id)
    assert (reply.outcome.version, reply.outcome.repeated) == (1, False)
    assert [event.meta.version for event in reply.events] == [1]


def test_an_abort_forgets_no_more_than_its_batch() -> None:
    desk = bell_desk()
    first = desk.ask("b", Ring(1)).outcome
    desk.commit()
    second = desk.ask("b", Ring(1)).outcome
    desk.discard()
    assert is_repeat(desk.ask("b", Ring(1), command_id=first.command_id), first)
    assert desk.ask("b", Ring(1), command_id=second.command_id).outcome.version == 2
    desk.commit()
    assert desk.ask("b", Touch()).outcome.version == 2


@pytest.mark.parametrize("committed", [True, False], ids=["later", "in the same batch"])
def test_an_id_is_remembered_for_the_span_and_not_longer(*, committed: bool) -> None:
    desk = bell_desk()
    first = desk.ask("b", Ring(1)).outcome
    if committed:
        desk.commit()
    desk.at = first.occurred_at + SPAN_MS - 1
    assert is_repeat(desk.ask("b", Ring(1), command_id=first.command_id), first)
    anew = desk.ask("b", Ring(1), command_id=first.command_id).outcome
    assert (anew.version, anew.repeated) == (2, False)
    assert is_repeat(desk.ask("b", Ring(1), command_id=first.command_id), anew)


def test_after_the_window_another_body_is_another_command() -> None:
    desk = bell_desk()
    first = desk.ask("b", Ring(1)).outcome
    desk.commit()
    desk.at += SPAN_MS + 1
    assert desk.ask("b", Ring(3), command_id=first.command_id).outcome.version == 4


def test_a_command_that_says_when_it_was_issued_expires_before_it_is_forgotten() -> None:
    desk = bell_desk()
    first = desk.ask("b", Ring(1), issued_at=START).outcome
    desk.commit()
    desk.at = START + SPAN_MS + 1
    late = desk.ask("b", Ring(1), command_id=first.command_id, issued_at=START).outcome
    assert (late.code, late.version) == ("Expired", 1)


@given(
    ahead=st.integers(-WINDOW_MS, SKEW_MS),
    waits=st.lists(st.integers(0, SPAN_MS // 2) | st.sampled_from([WINDOW_MS, SPAN_MS - 1, SPAN_MS, SPAN_MS + 1])),
    taken_over=st.booleans(),
)
def test_no_resend_slips_past_the_window(ahead: int, waits: list[int], *, taken_over: bool) -> None:
    """Whenever it comes, however the client's clock goes, and whoever answers: at most one effect."""
    desk = bell_desk()
    issued_at = desk.at + 1 + ahead
    effects = 0
    for wait in [0, *waits]:
        reply = desk.ask("b", Ring(1), command_id=command_id(1), issued_at=issued_at)
        effects += len(reply.events)
        desk.commit()
        desk.ask("c", Touch(), command_id=command_id(desk.at))
        desk.commit()
        desk = desk.successor() if taken_over else desk
        desk.at += wait
    assert effects == 1
    assert desk.successor().ask("b", Touch(), command_id=command_id(2)).outcome.version == 1


def test_a_cancellation_sent_twice_is_one() -> None:
    desk: Desk = order_desk()
    for command in (CREATE, PAY):
        desk.ask("o-1", command)
    first = desk.ask("o-1", CancelOrder("late")).outcome
    again = desk.ask("o-1", CancelOrder("late"), command_id=first.command_id)
    assert is_repeat(again, first)
    assert again.outcome.result == "accepted"
