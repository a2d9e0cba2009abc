"""The row of an order, step by step."""

from datetime import UTC, date, datetime

import pytest
from msgspec.structs import replace

from headrace.kernel.errors import Fault
from headrace.orders.decider import orders
from headrace.orders.events import Event, Line, OrderCancelled, OrderCreated, OrderDelivered, OrderPaid, OrderShipped
from headrace.orders.views import OrderRow, orders_view
from headrace.testing import facts, fold

CREATED = OrderCreated([Line("A", "", 2, 50), Line("B", "", 1, 7)], "GBP", "17850", date(2010, 12, 1), 107)
PAID = OrderPaid("payment-1", 107, "GBP")
SHIPPED = OrderShipped("Post", "T1")


def at(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1, 0, 0, 0, milliseconds * 1000, tzinfo=UTC)


NEW = OrderRow(
    order_id="o-1",
    version=1,
    status="created",
    customer="17850",
    currency="GBP",
    business_date=date(2010, 12, 1),
    line_count=2,
    total=107,
    paid=0,
    refund_owed=0,
    payment_id=None,
    carrier=None,
    tracking=None,
    created_at=at(1),
    updated_at=at(1),
)


def row(*events: Event) -> OrderRow:
    return fold(orders_view, facts(orders, "o-1", *events))["o-1",]


def test_a_created_order_has_a_row() -> None:
    assert row(CREATED) == NEW


def test_a_payment_is_seen_in_the_row() -> None:
    expected = replace(NEW, version=2, status="paid", paid=107, payment_id="payment-1", updated_at=at(2))
    assert row(CREATED, PAID) == expected


def test_a_delivered_order_keeps_its_carrier_and_the_time_it_was_created() -> None:
    delivered = row(CREATED, PAID, SHIPPED, OrderDelivered())
    assert (delivered.status, delivered.carrier, delivered.tracking) == ("delivered", "Post", "T1")
    assert (delivered.version, delivered.created_at, delivered.updated_at) == (4, at(1), at(4))


def test_a_cancelled_order_shows_what_is_owed() -> None:
    cancelled = row(CREATED, PAID, OrderCancelled("no longer wanted", 107, "GBP"))
    assert (cancelled.status, cancelled.refund_owed, cancelled.paid) == ("cancelled", 107, 107)


def test_two_orders_have_two_rows() -> None:
    log = [*facts(orders, "o-1", CREATED), *facts(orders, "o-2", CREATED, PAID)]
    rows = fold(orders_view, log)
    assert {key: row.status for key, row in rows.items()} == {("o-1",): "created", ("o-2",): "paid"}


def test_a_log_that_lacks_its_first_event_is_a_fault_that_names_the_order() -> None:
    with pytest.raises(Fault, match=r"OrderPaid, version 2 of 'o-1', finds no row"):
        fold(orders_view, list(facts(orders, "o-1", CREATED, PAID))[1:])


def test_times_are_exact_to_the_millisecond_for_as_long_as_a_shop_lives() -> None:
    [fact] = facts(orders, "o-1", CREATED)
    late = replace(fact, meta=replace(fact.meta, occurred_at=4_102_444_799_999))
    assert fold(orders_view, [late])["o-1",].created_at == datetime(2099, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)


def test_the_table_has_a_column_for_every_field_of_the_row_and_one_that_the_database_fills() -> None:
    body = orders_view.table.ddl.partition("(\n")[2].partition("\n)")[0]
    columns = [line.split()[0] for line in body.splitlines()]
    assert columns == [*OrderRow.__struct_fields__, "applied_at"]
