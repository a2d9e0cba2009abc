"""The rules of an order, one a test: what happened before, what is asked, what comes of it."""

from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from headrace.kernel.errors import Rejected
from headrace.orders import decider
from headrace.orders.commands import CancelOrder, Command, CreateOrder, DeliverOrder, PayOrder, ShipOrder
from headrace.orders.decider import orders
from headrace.orders.events import Event, Line, OrderCancelled, OrderCreated, OrderDelivered, OrderPaid, OrderShipped
from headrace.testing import given

DAY = date(2010, 12, 1)
LINES = [Line("85123A", "WHITE HANGING HEART T-LIGHT HOLDER", 6, 255), Line("71053", "", 2, 0)]
CREATE = CreateOrder(LINES, "GBP", DAY, "17850")
PAY = PayOrder("payment-1", 1530, "GBP")
SHIP = ShipOrder("Post", "T1")
CANCEL = CancelOrder("changed their mind")

CREATED = OrderCreated(LINES, "GBP", "17850", DAY, 1530)
PAID = OrderPaid("payment-1", 1530, "GBP")
SHIPPED = OrderShipped("Post", "T1")
DELIVERED = OrderDelivered()
CANCELLED = OrderCancelled("changed their mind", 0, "GBP")

TO_CREATED: tuple[Event, ...] = (CREATED,)
TO_PAID: tuple[Event, ...] = (*TO_CREATED, PAID)
TO_SHIPPED: tuple[Event, ...] = (*TO_PAID, SHIPPED)
TO_DELIVERED: tuple[Event, ...] = (*TO_SHIPPED, DELIVERED)
TO_CANCELLED: tuple[Event, ...] = (*TO_CREATED, CANCELLED)


def one_line(**changes: Any) -> CreateOrder:
    return replace(CREATE, lines=[replace(LINES[0], **changes)])


def test_a_created_order_states_the_total_of_its_lines() -> None:
    assert given(orders).when(CREATE) == [CREATED]


def test_an_order_may_be_for_nobody_known_and_cost_nothing() -> None:
    command = CreateOrder([Line("GIFT", "", 1, 0)], "EUR", DAY)
    assert given(orders).when(command) == [OrderCreated(command.lines, "EUR", None, DAY, 0)]


def test_an_order_that_costs_nothing_is_paid_with_nothing() -> None:
    free = OrderCreated([Line("GIFT", "", 1, 0)], "EUR", None, DAY, 0)
    assert given(orders, free).when(PayOrder("p", 0, "EUR")) == [OrderPaid("p", 0, "EUR")]


def test_the_whole_total_pays_an_order() -> None:
    assert given(orders, *TO_CREATED).when(PAY) == [PAID]


def test_a_paid_order_is_shipped() -> None:
    assert given(orders, *TO_PAID).when(SHIP) == [SHIPPED]


def test_a_shipped_order_is_delivered() -> None:
    assert given(orders, *TO_SHIPPED).when(DeliverOrder()) == [DELIVERED]


def test_an_unpaid_order_that_is_cancelled_owes_nothing() -> None:
    assert given(orders, *TO_CREATED).when(CANCEL) == [CANCELLED]


def test_a_paid_order_that_is_cancelled_owes_what_was_paid() -> None:
    assert given(orders, *TO_PAID).when(CANCEL) == [OrderCancelled("changed their mind", 1530, "GBP")]


def test_the_largest_total_is_the_largest_number_that_json_keeps() -> None:
    [created] = given(orders).when(one_line(quantity=1, unit_price=2**53 - 1))
    assert isinstance(created, OrderCreated)
    assert created.total == 2**53 - 1


WRONG_TIME: list[tuple[str, tuple[Event, ...], Command, type[Rejected]]] = [
    ("an order is created once", TO_CREATED, CREATE, decider.AlreadyCreated),
    ("a cancelled order is not created again", TO_CANCELLED, CREATE, decider.AlreadyCreated),
    ("what does not exist is not paid", (), PAY, decider.UnknownOrder),
    ("what does not exist is not shipped", (), SHIP, decider.UnknownOrder),
    ("what does not exist is not delivered", (), DeliverOrder(), decider.UnknownOrder),
    ("what does not exist is not cancelled", (), CANCEL, decider.UnknownOrder),
    ("an order is paid once", TO_PAID, PAY, decider.AlreadyPaid),
    ("a shipped order is not paid again", TO_SHIPPED, PAY, decider.AlreadyPaid),
    ("a delivered order is not paid again", TO_DELIVERED, PAY, decider.AlreadyPaid),
    ("an unpaid order is not shipped", TO_CREATED, SHIP, decider.NotPaid),
    ("an order is shipped once", TO_SHIPPED, SHIP, decider.AlreadyShipped),
    ("a delivered order is not shipped again", TO_DELIVERED, SHIP, decider.AlreadyShipped),
    ("an unpaid order is not delivered", TO_CREATED, DeliverOrder(), decider.NotShipped),
    ("an order in the shop is not delivered", TO_PAID, DeliverOrder(), decider.NotShipped),
    ("an order is delivered once", TO_DELIVERED, DeliverOrder(), decider.AlreadyDelivered),
    ("a shipped order is not cancelled", TO_SHIPPED, CANCEL, decider.TooLateToCancel),
    ("a delivered order is not cancelled", TO_DELIVERED, CANCEL, decider.TooLateToCancel),
    ("a cancelled order is not paid", TO_CANCELLED, PAY, decider.AlreadyCancelled),
    ("a cancelled order is not shipped", TO_CANCELLED, SHIP, decider.AlreadyCancelled),
    ("a cancelled order is not delivered", TO_CANCELLED, DeliverOrder(), decider.AlreadyCancelled),
    ("an order is cancelled once", TO_CANCELLED, CANCEL, decider.AlreadyCancelled),
]


@pytest.mark.parametrize(
    ("history", "command", "refusal"), [case[1:] for case in WRONG_TIME], ids=[case[0] for case in WRONG_TIME]
)
def test_each_step_has_its_time(history: tuple[Event, ...], command: Command, refusal: type[Rejected]) -> None:
    with pytest.raises(refusal):
        given(orders, *history).when(command)


WRONG_CONTENT: list[tuple[str, tuple[Event, ...], Command, type[Rejected]]] = [
    ("an order has lines", (), replace(CREATE, lines=[]), decider.NoLines),
    ("a quantity of 0 is no order", (), one_line(quantity=0), decider.QuantityNotPositive),
    ("a quantity is not negative", (), one_line(quantity=-1), decider.QuantityNotPositive),
    ("a quantity is a number that json keeps", (), one_line(quantity=2**53, unit_price=0), decider.QuantityTooLarge),
    ("a price is not negative", (), one_line(unit_price=-1), decider.NegativePrice),
    ("a total is a number that json keeps", (), one_line(quantity=2, unit_price=2**52), decider.TotalTooLarge),
    ("a total does not wrap around", (), one_line(quantity=2**40, unit_price=2**40), decider.TotalTooLarge),
    ("a currency has three letters", (), replace(CREATE, currency="POUND"), decider.CurrencyInvalid),
    ("a currency is in capitals", (), replace(CREATE, currency="gbp"), decider.CurrencyInvalid),
    ("a currency is in latin letters", (), replace(CREATE, currency="ГБП"), decider.CurrencyInvalid),
    ("a currency has no digits", (), replace(CREATE, currency="GB1"), decider.CurrencyInvalid),
    ("a sku is not blank", (), one_line(sku=" "), decider.BlankText),
    ("a customer that is given is not blank", (), replace(CREATE, customer=""), decider.BlankText),
    ("a payment id is not blank", TO_CREATED, replace(PAY, payment_id=""), decider.BlankText),
    ("a carrier is not blank", TO_PAID, replace(SHIP, carrier="\t"), decider.BlankText),
    ("a tracking code is not blank", TO_PAID, replace(SHIP, tracking=""), decider.BlankText),
    ("a reason is not blank", TO_CREATED, CancelOrder(""), decider.BlankText),
    ("a description fits an index", (), one_line(description="x" * 501), decider.TextTooLong),
    ("a customer fits an index", (), replace(CREATE, customer="x" * 501), decider.TextTooLong),
    ("a text holds no NUL", (), one_line(description="a\0b"), decider.TextNotStorable),
    ("a reason holds no NUL", TO_CREATED, CancelOrder("a\0b"), decider.TextNotStorable),
    ("less than the total does not pay", TO_CREATED, replace(PAY, amount=1529), decider.AmountMismatch),
    ("more than the total does not pay", TO_CREATED, replace(PAY, amount=1531), decider.AmountMismatch),
    ("another currency does not pay", TO_CREATED, replace(PAY, currency="EUR"), decider.CurrencyMismatch),
]


@pytest.mark.parametrize(
    ("history", "command", "refusal"), [case[1:] for case in WRONG_CONTENT], ids=[case[0] for case in WRONG_CONTENT]
)
def test_what_is_asked_must_make_sense(history: tuple[Event, ...], command: Command, refusal: type[Rejected]) -> None:
    with pytest.raises(refusal):
        given(orders, *history).when(command)


def test_every_refusal_of_an_order_is_tried_and_says_why_in_one_line() -> None:
    refusals = {kind for kind in vars(decider).values() if isinstance(kind, type) and issubclass(kind, Rejected)}
    refusals.remove(Rejected)
    assert refusals == {case[3] for case in WRONG_TIME + WRONG_CONTENT}
    for refusal in refusals:
        assert refusal.__doc__ is not None
        assert refusal().message == refusal.__doc__
        assert refusal().code == refusal.__name__


def test_the_longest_texts_are_accepted() -> None:
    assert given(orders).when(one_line(sku="x" * 500, description="é" * 500))
