"""The verifier's own small model of an order: what events make of it, and what its row shows."""

from collections.abc import Iterator
from datetime import date
from typing import Any, Final

from msgspec import Struct, structs

from headrace_load.verify.content import Led

Fields = dict[str, Any]

PROJECTOR: Final = "orders_v1"
TABLE: Final = "orders_v1.orders"
# What readers see under the plain name.
SEEN: Final = "public.orders"
COLUMNS: Final = (
    "order_id", "version", "status", "customer", "currency", "business_date", "line_count", "total", "paid",
    "refund_owed", "payment_id", "carrier", "tracking", "created_at", "updated_at",
)  # fmt: skip
# What an order must be before each step, and what it is after it; None is before its first event.
STEPS: Final = {
    "OrderCreated": ((None,), "created"),
    "OrderPaid": (("created",), "paid"),
    "OrderShipped": (("paid",), "shipped"),
    "OrderDelivered": (("shipped",), "delivered"),
    "OrderCancelled": (("created", "paid"), "cancelled"),
}
# What each step changes, and the event's field that says to what.
CHANGED: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "OrderPaid": (("paid", "amount"), ("payment_id", "payment_id")),
    "OrderShipped": (("carrier", "carrier"), ("tracking", "tracking")),
    "OrderDelivered": (),
    "OrderCancelled": (("refund_owed", "refund_owed"), ("cancel_reason", "reason")),
}

LEADS_TO: Final = {
    "CreateOrder": Led(("OrderCreated",), ("lines", "currency", "customer", "business_date")),
    "PayOrder": Led(("OrderPaid",), ("payment_id", "amount", "currency")),
    "ShipOrder": Led(("OrderShipped",), ("carrier", "tracking")),
    "DeliverOrder": Led(("OrderDelivered",)),
    "CancelOrder": Led(("OrderCancelled",), ("reason",)),
}


class Order(Struct, frozen=True):
    """An order after some events; `lines` is a hash of them, since millions of orders are held at once."""

    version: int
    created_at: int
    updated_at: int
    status: str | None
    lines: int
    line_count: int
    currency: str
    customer: str | None
    business_date: date | None
    total: int
    paid: int = 0
    refund_owed: int = 0
    payment_id: str | None = None
    carrier: str | None = None
    tracking: str | None = None
    cancel_reason: str | None = None


def after(order: Order | None, name: str, event: Fields) -> Order:
    """The order after one more event."""
    meta = event["meta"]
    version, at = meta["version"], meta["occurred_at"]
    if name == "OrderCreated":
        lines, known = event["lines"], (event["currency"], event["customer"], event["business_date"])
        return Order(version, at, at, "created", _hash(lines), len(lines), *known, event["total"])
    if order is None:
        order = Order(version, at, at, None, 0, 0, "", None, None, 0)
    changed = {column: event[field] for column, field in CHANGED[name]}
    return structs.replace(order, version=version, updated_at=at, status=STEPS[name][1], **changed)


def broken_rules(order: Order | None, name: str, event: Fields) -> Iterator[str]:
    """Which rules of the domain an event breaks, coming after what the order was."""
    before = order.status if order else None
    if before not in STEPS[name][0]:
        yield f"{name} comes after {before or 'nothing'}"
    if name == "OrderCreated":
        total = sum(line["quantity"] * line["unit_price"] for line in event["lines"])
        if total != event["total"] or total < 0 or not event["lines"]:
            yield f"its total is {event['total']}, the sum of its {len(event['lines'])} lines {total}"
    if name == "OrderPaid" and order and (event["amount"], event["currency"]) != (order.total, order.currency):
        yield f"{event['amount']} {event['currency']} are paid for {order.total} {order.currency}"
    if name == "OrderCancelled" and order and event["refund_owed"] != order.paid:
        yield f"{event['refund_owed']} are owed back of {order.paid} paid"


def wrong_state(order: Order, state: Fields) -> Iterator[str]:
    """How the state in an event differs from the order as the model has it."""
    for name, value in state.items():
        mine = getattr(order, name, "unknown to the verifier")
        if name == "lines":
            if mine != _hash(value):
                yield "state.lines differs"
        elif mine != value:
            yield f"state.{name} is {value!r}, not {mine!r}"


def row(order_id: str, order: Order) -> tuple[Any, ...]:
    """The order's row, in the order of COLUMNS."""
    return (
        order_id, order.version, order.status, order.customer, order.currency, order.business_date, order.line_count,
        order.total, order.paid, order.refund_owed, order.payment_id, order.carrier, order.tracking,
        order.created_at, order.updated_at,
    )  # fmt: skip


def _hash(lines: list[Fields]) -> int:
    return hash(tuple(tuple(line.values()) for line in lines))
