"""The orders' commands as bytes, ready but for their ids: encoding each anew would cost more than sending it."""

from datetime import date
from typing import Final, NamedTuple

from msgspec import Struct

from headrace.avro.codec import Codec
from headrace.kernel.message import CommandMeta
from headrace.orders.commands import CancelOrder, CreateOrder, DeliverOrder, PayOrder, ShipOrder
from headrace.orders.events import Line
from headrace_load.generator.ids import command_id, order_id

RUN: Final = "ffffffff"
COMMAND_ID: Final = command_id(RUN, 0xFFFF, 0, 0)
ORDER_ID: Final = order_id(RUN, 0xFFFFFF, 0xFFFFFFFF)
WRONG_VERSION: Final = 1_000_000
"""No order gets so far."""

GOODS: Final = (
    Line(sku="85123A", description="WHITE HANGING HEART T-LIGHT HOLDER", quantity=6, unit_price=255),
    Line(sku="71053", description="WHITE METAL LANTERN", quantity=6, unit_price=339),
    Line(sku="84406B", description="CREAM CUPID HEARTS COAT HANGER", quantity=8, unit_price=275),
    Line(sku="22752", description="SET 7 BABUSHKA NESTING BOXES", quantity=2, unit_price=765),
)
CARTS: Final = tuple(GOODS[:size] for size in (1, 2, 1, 3, 1, 2, 1, 4))
"""What orders are made of; most have one line."""


class Frame(NamedTuple):
    """A command's value around its two ids."""

    head: bytes
    middle: bytes
    tail: bytes

    def fill(self, command: bytes, order: bytes) -> bytes:
        """The value for a command id and an order's id, which must be as long as those it was made with."""
        return self.head + command + self.middle + order + self.tail


class Frames:
    """A frame for each command, by cart where it matters, and where the same on a condition that does not hold."""

    def __init__(self, codec: Codec) -> None:
        self.carts = len(CARTS)
        self.life = [[_frame(codec, step) for step in _life(lines)] for lines in CARTS]
        """By cart: created, paid, shipped, delivered."""
        self.conflicting = [[_frame(codec, step, WRONG_VERSION) for step in _life(lines)] for lines in CARTS]
        self.cancelled = _frame(codec, CancelOrder(reason="changed their mind"))
        self.other_body = _frame(codec, CancelOrder(reason="another body under an id that was used"))


def _life(lines: tuple[Line, ...]) -> tuple[Struct, ...]:
    total = sum(line.quantity * line.unit_price for line in lines)
    return (
        CreateOrder(lines=list(lines), currency="GBP", customer="17850", business_date=date(2010, 12, 1)),
        PayOrder(payment_id="pay-536365", amount=total, currency="GBP"),
        ShipOrder(carrier="Royal Mail", tracking="RM 4418 2276 5GB"),
        DeliverOrder(),
    )


def _frame(codec: Codec, command: Struct, expected_version: int | None = None) -> Frame:
    meta = CommandMeta(command_id=COMMAND_ID, aggregate_id=ORDER_ID, expected_version=expected_version, actor="load")
    head, rest = codec.encode(command, meta).split(COMMAND_ID.encode())
    middle, tail = rest.split(ORDER_ID.encode())
    return Frame(head, middle, tail)
