"""The shipped application, with a bug in its view that the environment names: it breaks on one kind of payment."""

import os
from typing import Any

from msgspec.structs import replace

from headrace.kernel.app import App
from headrace.kernel.message import Fact
from headrace.kernel.view import Key, View
from headrace.orders.decider import orders
from headrace.orders.events import OrderPaid
from headrace.orders.views import OrderRow, evolve, keys, orders_view

BUG = os.environ.get("FAULTY_BUG", "")
BROKEN = "broken"


def evolve_with_bug(key: Key, row: OrderRow | None, fact: Fact[Any]) -> OrderRow:
    after = evolve(key, row, fact)
    if BUG and isinstance(fact.event, OrderPaid) and fact.event.payment_id == BROKEN:
        match BUG:
            case "crash":
                raise ZeroDivisionError(f"the secret of {after.customer}")
            case "overflow":
                return replace(after, line_count=2**40)
            case "nul":
                return replace(after, payment_id="a\0b")
            case "surrogate":
                return replace(after, payment_id="\ud800")
            case "null":
                return replace(after, currency=None)  # type: ignore[arg-type]
            case "moved":
                return replace(after, order_id="another's secret")
    return after


app = App(
    aggregates=(orders,),
    views=(View(name="orders", sources=("orders",), table=orders_view.table, keys=keys, evolve=evolve_with_bug),),
)
