"""The days of a shop, step by step, and in whatever order the facts of several orders come."""

from collections.abc import Iterator
from datetime import date
from random import Random

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec.structs import replace

from headrace.kernel.message import Fact
from headrace.kernel.view import Key
from headrace.orders.decider import orders
from headrace.orders.events import Event, Line, OrderCancelled, OrderCreated, OrderDelivered, OrderPaid, OrderShipped
from headrace.orders.statistics import DayRow, order_statistics
from headrace.testing import facts, fold

DAY = date(2010, 12, 1)
SHIPPED, DELIVERED = OrderShipped("Post", "T1"), OrderDelivered()


def created(total: int = 107, currency: str = "GBP", day: date = DAY) -> OrderCreated:
    return OrderCreated([Line("A", "", 1, total)], currency, None, day, total)


def paid(total: int = 107, currency: str = "GBP") -> OrderPaid:
    return OrderPaid("payment-1", total, currency)


def cancelled(refund_owed: int = 0, currency: str = "GBP") -> OrderCancelled:
    return OrderCancelled("no longer wanted", refund_owed, currency)


def day(*events: Event) -> DayRow:
    [row] = fold(order_statistics, facts(orders, "o-1", *events)).values()
    return row


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([created()], {"created": 1}),
        ([created(), paid()], {"created": 1, "paid": 1, "sold": 1, "revenue": 107}),
        ([created(), paid(), SHIPPED], {"created": 1, "paid": 1, "shipped": 1, "sold": 1, "revenue": 107}),
        (
            [created(), paid(), SHIPPED, DELIVERED],
            {"created": 1, "paid": 1, "shipped": 1, "delivered": 1, "sold": 1, "revenue": 107},
        ),
        ([created(), cancelled()], {"created": 1, "cancelled": 1}),
        ([created(), paid(), cancelled(107)], {"created": 1, "paid": 1, "cancelled": 1, "refunds_owed": 107}),
        ([created(0), paid(0), cancelled()], {"created": 1, "paid": 1, "cancelled": 1}),
        ([created(0), paid(0)], {"created": 1, "paid": 1, "sold": 1}),
    ],
    ids=[
        "created", "paid", "shipped", "delivered", "cancelled before it is paid", "cancelled after it",
        "an order of nothing, paid and cancelled", "an order of nothing, paid",
    ],
)  # fmt: skip
def test_an_order_counts_in_each_step_that_it_came_to(events: list[Event], expected: dict[str, int]) -> None:
    assert day(*events) == DayRow(0, DAY, "GBP", **expected)


def test_days_currencies_and_partitions_are_apart() -> None:
    log = [
        *facts(orders, "o-1", created(), paid()),
        *facts(orders, "o-2", created(5, "EUR")),
        *facts(orders, "o-3", created(day=date.max)),
        *(replace(fact, partition=1) for fact in facts(orders, "o-4", created())),
    ]
    assert list(fold(order_statistics, log)) == [
        (0, DAY, "GBP"),
        (0, DAY, "EUR"),
        (0, date.max, "GBP"),
        (1, DAY, "GBP"),
    ]


LIVES: list[list[Event]] = [
    [created(), paid(), SHIPPED, DELIVERED],
    [created(40), paid(40), cancelled(40)],
    [created(1), cancelled()],
    [created(9, "EUR"), paid(9, "EUR"), SHIPPED],
    [created(0), paid(0), cancelled()],
]


def log_of(lives: list[list[Event]]) -> Iterator[Fact[Event]]:
    for number, events in enumerate(lives):
        yield from facts(orders, f"o-{number}", *events)


def rows(log: list[Fact[Event]]) -> dict[Key, DayRow]:
    return fold(order_statistics, log)


@for_all(st.lists(st.sampled_from(LIVES), max_size=8), st.randoms(use_true_random=False))
def test_rows_are_the_same_in_whatever_order_facts_come(lives: list[list[Event]], chance: Random) -> None:
    """So they are when events that a projector had set aside are applied after all."""
    log = list(log_of(lives))
    shuffled = list(log)
    chance.shuffle(shuffled)
    assert rows(shuffled) == rows(log)


@for_all(st.lists(st.sampled_from(LIVES), max_size=8))
def test_every_order_is_in_as_many_steps_as_it_has_events_and_money_adds_up(lives: list[list[Event]]) -> None:
    log = list(log_of(lives))
    found = rows(log).values()
    steps = ("created", "paid", "shipped", "delivered", "cancelled")
    assert sum(getattr(row, step) for row in found for step in steps) == len(log)
    assert sum(row.revenue + row.refunds_owed for row in found) == sum(
        fact.event.amount for fact in log if isinstance(fact.event, OrderPaid)
    )
    assert sum(row.sold for row in found) == sum(
        life[-1].__class__ is not OrderCancelled for life in lives if len(life) > 1
    )


def test_the_table_has_a_column_for_every_field_of_the_row_and_one_that_the_database_fills() -> None:
    body = order_statistics.table.ddl.partition("(\n")[2].partition("\n)")[0]
    columns = [line.split()[0] for line in body.splitlines() if "KEY" not in line]
    assert columns == [*DayRow.__struct_fields__, "applied_at"]
