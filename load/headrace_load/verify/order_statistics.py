"""The verifier's own model of the statistics of orders: what each event adds to a day, within its partition."""

from typing import Any, Final

from headrace_load.verify.orders import Fields, Order

PROJECTOR: Final = "order_statistics_v1"
TABLE: Final = "order_statistics_v1.order_statistics"
KEY: Final = ("partition", "business_date", "currency")
SUMMED: Final = ("created", "paid", "shipped", "delivered", "cancelled", "sold", "revenue", "refunds_owed")
STEPS: Final = {f"Order{step.title()}": tuple(int(step == column) for column in SUMMED[:5]) for step in SUMMED[:5]}
# What readers see under the plain name.
SEEN: Final = "public.order_statistics"
SEEN_KEY: Final = KEY[1:]
SEEN_COLUMNS: Final = (*SUMMED, "average_basket")

Rows = dict[tuple[Any, ...], tuple[Any, ...]]


def key(partition: int, _name: str, _event: Fields, order: Order) -> tuple[Any, ...]:
    """The row that an order's events count in."""
    return partition, order.business_date, order.currency


def adds(name: str, event: Fields, order: Order) -> tuple[int, ...]:
    """What an event adds to its row, in the order of SUMMED; `order` is as it is after the event."""
    paid = event["amount"] if name == "OrderPaid" else 0
    back = event["refund_owed"] if name == "OrderCancelled" else 0
    sold = 1 if name == "OrderPaid" else -(name == "OrderCancelled" and order.payment_id is not None)
    return (*STEPS[name], sold, paid - back, back)


def seen(rows: Rows) -> Rows:
    """What readers see of the partitions' rows: their sums, and the average basket, rounded half up."""
    together: dict[tuple[Any, ...], list[int]] = {}
    for (_, *day), row in rows.items():
        sums = together.setdefault(tuple(day), [0] * len(SUMMED))
        sums[:] = [one + other for one, other in zip(sums, row, strict=True)]
    return {day: (*sums, _average(*sums[5:7])) for day, sums in together.items()}


def _average(sold: int, revenue: int) -> int | None:
    return (2 * revenue + sold) // (2 * sold) if sold else None
