"""A shop's days in numbers: one row for each business date and currency, over all orders of that day.

An order counts for the day and the currency that it was created with, whenever its later steps come. All that a fact
does is add, so a row is the same in whatever order the facts of several orders come.
"""

from datetime import date
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from headrace.kernel.message import Fact
from headrace.kernel.view import Key, Table, View
from headrace.orders.events import Event, OrderCancelled, OrderCreated, OrderDelivered, OrderPaid, OrderShipped

# Every batch writes the same few rows anew: half of each page is left for that.
STATISTICS_TABLE = """
CREATE TABLE order_statistics (
    partition     integer     NOT NULL,
    business_date date        NOT NULL,
    currency      text        NOT NULL,
    created       bigint      NOT NULL,
    paid          bigint      NOT NULL,
    shipped       bigint      NOT NULL,
    delivered     bigint      NOT NULL,
    cancelled     bigint      NOT NULL,
    sold          bigint      NOT NULL,
    revenue       bigint      NOT NULL,
    refunds_owed  bigint      NOT NULL,
    applied_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (partition, business_date, currency)
) WITH (fillfactor = 50);
COMMENT ON COLUMN order_statistics.created IS 'orders that were created; so for paid, shipped, delivered, cancelled';
COMMENT ON COLUMN order_statistics.sold IS 'orders that are paid and not cancelled';
COMMENT ON COLUMN order_statistics.revenue IS 'what was paid for them, in minor units of the currency';
COMMENT ON COLUMN order_statistics.refunds_owed IS 'what was paid for orders that then were cancelled, likewise';
"""

# Sums of money stay numeric: what each partition holds in 64 bits, all together may not.
STATISTICS = """
SELECT business_date,
       currency,
       sum(created)::bigint   AS created,
       sum(paid)::bigint      AS paid,
       sum(shipped)::bigint   AS shipped,
       sum(delivered)::bigint AS delivered,
       sum(cancelled)::bigint AS cancelled,
       sum(sold)::bigint      AS sold,
       sum(revenue)           AS revenue,
       sum(refunds_owed)      AS refunds_owed,
       round(sum(revenue) / nullif(sum(sold), 0))::bigint AS average_basket,
       max(applied_at)        AS applied_at
FROM order_statistics
GROUP BY business_date, currency
"""


class DayRow(Struct, frozen=True):
    """What one partition's orders add to one business date, in one currency; money in minor units of it.

    `created`, `paid`, `shipped`, `delivered` and `cancelled` count the orders that have reached that step, so an order
    counts in each of them that it came through. `sold` are the orders that are paid and not cancelled, `revenue` what
    was paid for those, and `refunds_owed` what was paid for orders that were cancelled after it. For readers the
    average basket is revenue by sold, rounded half up to whole minor units; null where nothing is sold.
    """

    partition: int
    business_date: date
    currency: str
    created: int = 0
    paid: int = 0
    shipped: int = 0
    delivered: int = 0
    cancelled: int = 0
    sold: int = 0
    revenue: int = 0
    refunds_owed: int = 0


def keys(fact: Fact[Event]) -> tuple[Key, ...]:
    """The order's day and currency, among the rows of its partition."""
    order = fact.state
    return ((fact.partition, order.business_date, order.currency),)


def evolve(key: Key, row: DayRow | None, fact: Fact[Event]) -> DayRow:
    """The day after one more fact."""
    day, event = row or DayRow(*key), fact.event
    match event:
        case OrderCreated():
            return replace(day, created=day.created + 1)
        case OrderPaid(_, amount):
            return replace(day, paid=day.paid + 1, sold=day.sold + 1, revenue=day.revenue + amount)
        case OrderShipped():
            return replace(day, shipped=day.shipped + 1)
        case OrderDelivered():
            return replace(day, delivered=day.delivered + 1)
        case OrderCancelled(_, refund_owed):
            was_sold = fact.state.payment_id is not None  # an order of nothing is paid, and owes nothing back
            return replace(
                day,
                cancelled=day.cancelled + 1,
                sold=day.sold - was_sold,
                revenue=day.revenue - refund_owed,
                refunds_owed=day.refunds_owed + refund_owed,
            )
        case _:
            assert_never(event)


order_statistics = View(
    name="order_statistics",
    sources=("orders",),
    table=Table(
        name="order_statistics",
        row=DayRow,
        key=("partition", "business_date", "currency"),
        ddl=STATISTICS_TABLE,
        sums=STATISTICS,
    ),
    keys=keys,
    evolve=evolve,
)
