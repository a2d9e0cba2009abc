"""The shipped application, with a bug in its statistics that the environment turns on: one payment breaks them."""

import os

from msgspec.structs import replace

from headrace.kernel.app import App
from headrace.kernel.message import Fact
from headrace.kernel.view import Key
from headrace.orders.decider import orders
from headrace.orders.events import Event, OrderPaid
from headrace.orders.statistics import DayRow, evolve, order_statistics
from headrace.orders.views import orders_view

BUG = os.environ.get("FAULTY_BUG", "")


def evolve_with_bug(key: Key, row: DayRow | None, fact: Fact[Event]) -> DayRow:
    if BUG and isinstance(fact.event, OrderPaid) and fact.event.payment_id == "broken":
        if BUG == "overflow":
            return replace(evolve(key, row, fact), revenue=2**63)
        raise ZeroDivisionError(f"the secret of {fact.aggregate_id}")
    return evolve(key, row, fact)


app = App(aggregates=(orders,), views=(orders_view, replace(order_statistics, evolve=evolve_with_bug)))
