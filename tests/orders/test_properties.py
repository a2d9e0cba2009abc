"""What holds of an order whatever is asked of it, in whatever order."""

from datetime import date
from functools import reduce

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.kernel.errors import Rejected
from headrace.orders.commands import CancelOrder, Command, CreateOrder, DeliverOrder, PayOrder, ShipOrder
from headrace.orders.decider import Order, orders
from headrace.orders.events import Event, Line, OrderCancelled, OrderPaid
from headrace.orders.views import orders_view
from headrace.testing import facts, fold

# Few values, so that payments match totals often enough; beside them what a long can hold.
numbers = st.integers(-1, 3) | st.integers(-(2**63), 2**63 - 1)
texts = st.sampled_from(["a", "b", "", " ", "x" * 501, "\0"]) | st.text(max_size=5)
currencies = st.sampled_from(["GBP", "EUR", "gbp", ""])
commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(
        CreateOrder,
        lines=st.lists(st.builds(Line, texts, texts, numbers, numbers), max_size=3),
        currency=currencies,
        customer=st.none() | texts,
        business_date=st.dates(),
    ),
    st.builds(PayOrder, texts, numbers, currencies),
    st.builds(ShipOrder, texts, texts),
    st.just(DeliverOrder()),
    st.builds(CancelOrder, texts),
)
LIFE: list[Command] = [
    CreateOrder([Line("a", "", 1, 2)], "GBP", date(2010, 12, 1)),
    PayOrder("p", 2, "GBP"),
    ShipOrder("c", "t"),
    DeliverOrder(),
]
likely = st.sampled_from([*LIFE, CancelOrder("r")])
# What most orders go through, or part of it, and then anything; otherwise few would ever be shipped.
conversations = st.builds(
    lambda steps, rest: LIFE[:steps] + rest, st.integers(0, len(LIFE)), st.lists(likely | commands, max_size=8)
)


def answered(conversation: list[Command]) -> tuple[Order, list[Event], list[Order]]:
    """The live state, what happened, and every state on the way."""
    order = orders.initial
    happened: list[Event] = []
    passed: list[Order] = []
    for command in conversation:
        try:
            events = orders.decide(command, order, 0)
        except Rejected:
            continue
        for event in events:
            order = orders.evolve(order, event)
            happened.append(event)
            passed.append(order)
    return order, happened, passed


@given(conversations)
def test_what_was_accepted_replays_to_the_live_state(conversation: list[Command]) -> None:
    live, happened, _ = answered(conversation)
    assert reduce(orders.evolve, happened, orders.initial) == live


@given(conversations)
def test_money_is_never_negative_and_never_more_than_json_keeps(conversation: list[Command]) -> None:
    for order in answered(conversation)[2]:
        assert 0 <= order.refund_owed <= order.paid <= order.total <= 2**53 - 1
        assert order.total == sum(line.quantity * line.unit_price for line in order.lines)
        assert order.paid in (0, order.total)


@given(conversations)
def test_no_step_happens_twice(conversation: list[Command]) -> None:
    kinds = [type(event) for event in answered(conversation)[1]]
    assert len(kinds) == len(set(kinds))


@given(conversations)
def test_a_refund_is_owed_only_when_a_paid_order_is_cancelled(conversation: list[Command]) -> None:
    live, happened, _ = answered(conversation)
    paid = sum(event.amount for event in happened if isinstance(event, OrderPaid))
    cancelled = any(isinstance(event, OrderCancelled) for event in happened)
    assert live.refund_owed == (paid if cancelled else 0)


@settings(max_examples=200)
@given(conversations)
def test_the_row_of_an_order_agrees_with_its_state(conversation: list[Command]) -> None:
    live, happened, _ = answered(conversation)
    rows = fold(orders_view, facts(orders, "o-1", *happened))
    if not happened:
        assert rows == {}
        return
    row = rows["o-1",]
    assert (row.order_id, row.version, row.line_count) == ("o-1", len(happened), len(live.lines))
    for field in set(row.__struct_fields__) & set(live.__struct_fields__):
        assert getattr(row, field) == getattr(live, field), field


def test_conversations_reach_every_end_of_an_order() -> None:
    ends: set[str] = set()

    @settings(max_examples=300, derandomize=True, database=None)
    @given(conversations)
    def talk(conversation: list[Command]) -> None:
        ends.add(answered(conversation)[0].status)

    talk()
    assert ends == {"blank", "created", "paid", "shipped", "delivered", "cancelled"}
