"""How orders look to those who read them: one row an order."""

from datetime import date, datetime
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from headrace.kernel.errors import Fault
from headrace.kernel.message import EventMeta, Fact
from headrace.kernel.view import Key, Table, View
from headrace.orders.events import Event, OrderCancelled, OrderCreated, OrderDelivered, OrderPaid, OrderShipped

# Room for the order's later steps in the page of its row, and no index on what they change: updates stay in the page.
ORDERS_TABLE = """
CREATE TABLE orders (
    order_id      text        PRIMARY KEY,
    version       bigint      NOT NULL,
    status        text        NOT NULL,
    customer      text,
    currency      text        NOT NULL,
    business_date date        NOT NULL,
    line_count    integer     NOT NULL,
    total         bigint      NOT NULL,
    paid          bigint      NOT NULL,
    refund_owed   bigint      NOT NULL,
    payment_id    text,
    carrier       text,
    tracking      text,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    applied_at    timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 80);
CREATE INDEX orders_by_customer ON orders (customer, created_at) WHERE customer IS NOT NULL;
"""


class OrderRow(Struct, frozen=True):
    """One order as of `version`: money in minor units of `currency`, times in UTC."""

    order_id: str
    version: int
    status: str
    customer: str | None
    currency: str
    business_date: date
    line_count: int
    total: int
    paid: int
    refund_owed: int
    payment_id: str | None
    carrier: str | None
    tracking: str | None
    created_at: datetime
    updated_at: datetime


def keys(fact: Fact[Event]) -> tuple[Key, ...]:
    """The order's own row, and no other."""
    return ((fact.meta.aggregate_id,),)


def evolve(_key: Key, row: OrderRow | None, fact: Fact[Event]) -> OrderRow:
    """The row after the fact; `Fault` when the order's first events never came."""
    event, meta = fact.event, fact.meta
    if isinstance(event, OrderCreated):
        return _created(event, meta)
    if row is None:
        raise Fault(
            f"orders: {type(event).__name__}, version {meta.version} of {meta.aggregate_id!r}, finds no row: "
            f"earlier events are missing, so fill the view anew from the journal"
        )
    version, at = meta.version, meta.time
    match event:
        case OrderPaid(payment_id, amount):
            return replace(row, version=version, updated_at=at, status="paid", payment_id=payment_id, paid=amount)
        case OrderShipped(carrier, tracking):
            return replace(row, version=version, updated_at=at, status="shipped", carrier=carrier, tracking=tracking)
        case OrderDelivered():
            return replace(row, version=version, updated_at=at, status="delivered")
        case OrderCancelled(_, refund_owed):
            return replace(row, version=version, updated_at=at, status="cancelled", refund_owed=refund_owed)
        case _:
            assert_never(event)


def _created(event: OrderCreated, meta: EventMeta) -> OrderRow:
    at = meta.time
    return OrderRow(
        order_id=meta.aggregate_id,
        version=meta.version,
        status="created",
        customer=event.customer,
        currency=event.currency,
        business_date=event.business_date,
        line_count=len(event.lines),
        total=event.total,
        paid=0,
        refund_owed=0,
        payment_id=None,
        carrier=None,
        tracking=None,
        created_at=at,
        updated_at=at,
    )


orders_view = View(
    name="orders",
    sources=("orders",),
    table=Table(name="orders", row=OrderRow, key=("order_id",), ddl=ORDERS_TABLE),
    keys=keys,
    evolve=evolve,
)
