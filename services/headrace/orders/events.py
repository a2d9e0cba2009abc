"""What has happened to an order; money is whole minor units (pence, cents) of the order's one currency."""

from datetime import date
from typing import TypeAlias

from msgspec import Struct


class Line(Struct, frozen=True):
    """So many of one thing, at `unit_price` minor units each."""

    sku: str
    description: str
    quantity: int
    unit_price: int


class OrderCreated(Struct, frozen=True):
    """The order exists and is to be paid: `total` is the sum of its lines, `business_date` the shop's own day."""

    lines: list[Line]
    currency: str
    customer: str | None
    business_date: date
    total: int


class OrderPaid(Struct, frozen=True):
    """The whole total was paid, once."""

    payment_id: str
    amount: int
    currency: str


class OrderShipped(Struct, frozen=True):
    """The goods are with the carrier."""

    carrier: str
    tracking: str


class OrderDelivered(Struct, frozen=True):
    """The goods are with the customer."""


class OrderCancelled(Struct, frozen=True):
    """The order ended before it was shipped; `refund_owed` is what was paid, 0 when nothing was."""

    reason: str
    refund_owed: int
    currency: str


Event: TypeAlias = OrderCreated | OrderPaid | OrderShipped | OrderDelivered | OrderCancelled
