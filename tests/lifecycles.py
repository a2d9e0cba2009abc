"""Commands for tests: orders that are created, paid, shipped and delivered."""

from collections.abc import Iterator
from datetime import date

from msgspec import Struct

from headrace.orders.commands import CreateOrder, DeliverOrder, PayOrder, ShipOrder
from headrace.orders.events import Line


def lifecycles(count: int, first: int = 0) -> Iterator[tuple[str, Struct]]:
    """The commands of `count` orders, step by step over all of them, so that they interleave."""
    steps = [
        CreateOrder([Line("85123A", "HEART T-LIGHT HOLDER", 6, 255)], "GBP", date(2010, 12, 1), "17850"),
        PayOrder("p-1", 1530, "GBP"),
        ShipOrder("Royal Mail", "RM1"),
        DeliverOrder(),
    ]
    for step in steps:
        for number in range(first, first + count):
            yield f"order-{number}", step
