"""What may be asked of an order; money is whole minor units (pence, cents)."""

from datetime import date
from typing import TypeAlias

from msgspec import Struct

from headrace.orders.events import Line


class CreateOrder(Struct, frozen=True):
    """Take up the order; `customer` is None for a sale to nobody known, `business_date` is the shop's own day."""

    lines: list[Line]
    currency: str
    business_date: date
    customer: str | None = None


class PayOrder(Struct, frozen=True):
    """Record the payment of the whole total."""

    payment_id: str
    amount: int
    currency: str


class ShipOrder(Struct, frozen=True):
    """Hand the paid goods to a carrier."""

    carrier: str
    tracking: str


class DeliverOrder(Struct, frozen=True):
    """Record that the shipped goods arrived."""


class CancelOrder(Struct, frozen=True):
    """End an order that is not shipped yet."""

    reason: str


Command: TypeAlias = CreateOrder | PayOrder | ShipOrder | DeliverOrder | CancelOrder
