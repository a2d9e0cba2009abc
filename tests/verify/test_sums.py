"""Tables whose rows gather several aggregates: folded from a past, compared with what a database says they are."""

import pickle
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import pytest

from headrace_load.verify import order_statistics, orders
from headrace_load.verify.partition import Found
from headrace_load.verify.report import Check
from headrace_load.verify.rows import Fold
from headrace_load.verify.sums import Rows, Sums, tables
from verify.checking import read, small_past
from verify.past import CANCELLED, CREATE, PAY, Past

DAY = (date(2010, 12, 1), "GBP")
# o-1 is created, paid and shipped, o-2 created and cancelled.
RIGHT = (2, 1, 1, 0, 1, 1, 1530, 0)


class Tables:
    """A database that has nothing but the statistics."""

    def __init__(self, rows: Rows, seen: Rows) -> None:
        self._tables = {order_statistics.TABLE: rows, order_statistics.SEEN: seen}

    def table(self, name: str, _columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        return ((*key, *row) for key, row in self._tables[name].items())


def folded(past: Past, not_applied: frozenset[tuple[str, int]] = frozenset()) -> Sums:
    found = Sums(order_statistics, not_applied)
    fold = Fold(orders, Check("", ""))

    class Both(Fold):
        def apply(self, aggregate_id: str, offset: int, event: Any) -> None:
            found.apply((3, aggregate_id, offset), event, fold.apply(aggregate_id, offset, event))

    read(past, Both(orders, Check("", "")))
    return found


def problems(rows: Rows, seen: Rows) -> list[str]:
    check = Check("rows", "")
    folded(small_past()).compare(Tables(rows, seen), check)  # type: ignore[arg-type]
    return check.problems


def test_a_day_is_the_sum_of_what_its_orders_came_to() -> None:
    assert folded(small_past()).rows == {(3, *DAY): RIGHT}
    assert problems({(3, *DAY): RIGHT}, {DAY: (*RIGHT, 1530)}) == []


def test_a_paid_order_that_is_cancelled_is_not_sold_and_owed_back() -> None:
    past = small_past()
    past.accept(past.ask("o-3", "CreateOrder", CREATE), "OrderCreated", CREATE | {"total": 1530})
    past.accept(past.ask("o-3", "PayOrder", PAY), "OrderPaid", PAY)
    before = folded(past).rows[3, *DAY]
    past.accept(past.ask("o-3", "CancelOrder", {"reason": "late"}), "OrderCancelled", CANCELLED | {"refund_owed": 1530})
    after = folded(past).rows[3, *DAY]
    assert [is_ - was for is_, was in zip(after, before, strict=True)] == [0, 0, 0, 0, 1, -1, -1530, 1530]


def test_an_event_that_is_held_back_does_not_count() -> None:
    past = small_past()
    [shipped] = [row for row in past.journal if row[5] == "OrderShipped"]
    rows = folded(past, frozenset({(shipped[3], shipped[2])})).rows
    assert rows == {(3, *DAY): (2, 1, 0, 0, 1, 1, 1530, 0)}


@pytest.mark.parametrize(
    ("rows", "seen", "said"),
    [
        ({(3, *DAY): (3, *RIGHT[1:])}, {DAY: (*RIGHT, 1530)}, "3 2010-12-01 GBP: created is 3, must be 2"),
        ({(4, *DAY): RIGHT}, {DAY: (*RIGHT, 1530)}, "4 2010-12-01 GBP: no event in the journal leads to this row"),
        ({}, {DAY: (*RIGHT, 1530)}, "3 2010-12-01 GBP: the row is missing"),
        ({(3, *DAY): RIGHT}, {DAY: (*RIGHT, 1529)}, "2010-12-01 GBP: average_basket is 1529, must be 1530"),
        ({(3, *DAY): RIGHT}, {}, "public.order_statistics 2010-12-01 GBP: the row is missing"),
    ],
    ids=["a count", "another partition", "a missing row", "the average", "a day that readers do not see"],
)
def test_what_is_not_what_it_must_be_is_named(rows: Rows, seen: Rows, said: str) -> None:
    assert any(said in problem for problem in problems(rows, seen))


@pytest.mark.parametrize(
    ("sold", "revenue", "average"), [(4, 350, 88), (4, 349, 87), (3, 100, 33), (1, 0, 0), (0, 0, None)]
)
def test_the_average_basket_is_rounded_half_up(sold: int, revenue: int, average: int | None) -> None:
    rows = {(0, *DAY): (9, 0, 0, 0, 0, sold, revenue, 0), (1, *DAY): (1, 0, 0, 0, 0, 0, 0, 0)}
    assert order_statistics.seen(rows)[DAY] == (10, 0, 0, 0, 0, sold, revenue, 0, average)


def test_a_table_is_looked_at_if_its_projector_is_known_and_can_go_to_another_process() -> None:
    assert tables("orders", {}) == {}
    assert tables("users", {"order_statistics_v1": set()}) == {}
    found = tables("orders", {"order_statistics_v1": {("o-1", 3)}})
    assert list(found) == ["order_statistics_v1"]
    sent = Found({}, 0, {}, {name: table.rows for name, table in found.items()})
    assert pickle.loads(pickle.dumps(sent)) == sent  # noqa: S301 - our own
