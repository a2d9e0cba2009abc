"""What events add up to: rows and states that are wrong, and what is said of them."""

from collections.abc import Callable
from typing import Any

import pytest

from headrace_load.verify import orders
from headrace_load.verify.report import PROBLEMS_KEPT, Check
from headrace_load.verify.rows import Fold, compare_rows, explain
from verify.checking import read, small_past
from verify.past import CANCELLED, CREATE, PAY, SHIP, Past, Row

LINES, STATUS, TOTAL = 6, 2, 7


@pytest.fixture
def past() -> Past:
    return small_past()


def states(past: Past) -> list[str]:
    """What is wrong with the events' states and with the rules that they follow."""
    check = Check("states", "")
    read(past, Fold(orders, check))
    return check.problems


def compared(past: Past, rows: list[Row]) -> tuple[Check, list[Row]]:
    check = Check("rows", "")
    fold = Fold(orders, Check("", ""))
    read(past, fold)
    wanted = fold.open_rows()
    fold.close_partition()
    different = compare_rows("t", fold.rows, rows, check)
    explain("t", orders.COLUMNS, different, wanted, check)
    return check, different


def test_rows_that_are_the_fold_of_the_journal_are_fine(past: Past) -> None:
    check, _ = compared(past, list(past.rows.values()))
    assert check.ok
    assert check.counted["rows"] == 2
    assert states(past) == []


@pytest.mark.parametrize("column", range(1, len(orders.COLUMNS)), ids=orders.COLUMNS[1:])
def test_a_row_that_differs_in_any_column_is_named_with_it(past: Past, column: int) -> None:
    first, second = past.rows.values()
    changed = (*first[:column], "another", *first[column + 1 :])
    check, _ = compared(past, [changed, second])
    assert check.problems == [f"t o-1: {orders.COLUMNS[column]} is 'another', must be {first[column]!r}"]


def test_a_row_that_is_missing_is_named(past: Past) -> None:
    check, _ = compared(past, [past.rows["o-2"]])
    assert check.problems == ["t o-1 has events in the journal, and no row"]


def test_a_row_that_no_event_led_to_is_named(past: Past) -> None:
    check, _ = compared(past, [*past.rows.values(), ("o-9", *past.rows["o-1"][1:])])
    assert check.problems == ["t o-9 has a row, and no event in the journal"]


def test_many_rows_that_differ_are_all_counted_and_some_explained() -> None:
    check = Check("rows", "")
    rows: list[Row] = [(f"o-{number}", 1) for number in range(50)]
    different = compare_rows("t", {row[0]: b"" for row in rows}, rows, check)
    explain("t", ("order_id", "version"), different, {row[0]: (row[0], 2) for row in rows}, check)
    assert check.problems_total == 50
    assert len(check.problems) == PROBLEMS_KEPT


def test_all_steps_of_an_order_are_known_to_the_model(past: Past) -> None:
    known = read(past)
    assert {event.type for event in known.events} | {"OrderDelivered"} == set(orders.STEPS)


def after(*steps: tuple[str, dict[str, Any]]) -> tuple[orders.Order | None, list[str]]:
    """An order after some events, and the rules that they broke."""
    order: orders.Order | None = None
    problems: list[str] = []
    for version, (name, fields) in enumerate(steps, 1):
        event = {"meta": {"version": version, "occurred_at": version}, **fields}
        problems += orders.broken_rules(order, name, event)
        order = orders.after(order, name, event)
    return order, problems


CREATED = ("OrderCreated", CREATE | {"total": 1530})
PAID = ("OrderPaid", PAY)
SHIPPED = ("OrderShipped", SHIP)
DELIVERED: tuple[str, dict[str, Any]] = ("OrderDelivered", {})


def test_an_order_that_is_created_paid_shipped_and_delivered_breaks_no_rule() -> None:
    order, problems = after(CREATED, PAID, SHIPPED, DELIVERED)
    assert problems == []
    assert order is not None
    assert (order.status, order.paid, order.tracking, order.version) == ("delivered", 1530, "T1", 4)


def test_a_paid_order_that_is_cancelled_owes_what_was_paid() -> None:
    assert after(CREATED, PAID, ("OrderCancelled", CANCELLED | {"refund_owed": 1530}))[1] == []
    assert after(CREATED, PAID, ("OrderCancelled", CANCELLED))[1] == ["0 are owed back of 1530 paid"]


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ((PAID,), "OrderPaid comes after nothing"),
        ((CREATED, CREATED), "OrderCreated comes after created"),
        ((CREATED, SHIPPED), "OrderShipped comes after created"),
        ((CREATED, PAID, DELIVERED), "OrderDelivered comes after paid"),
        ((CREATED, PAID, SHIPPED, ("OrderCancelled", CANCELLED)), "OrderCancelled comes after shipped"),
        ((("OrderCreated", CREATE | {"total": 9}),), "its total is 9, the sum of its 1 lines 1530"),
        ((CREATED, ("OrderPaid", PAY | {"amount": 1})), "1 GBP are paid for 1530 GBP"),
        ((CREATED, ("OrderPaid", PAY | {"currency": "EUR"})), "1530 EUR are paid for 1530 GBP"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_event_that_no_rule_allows_is_named(steps: tuple[tuple[str, dict[str, Any]], ...], problem: str) -> None:
    assert problem in after(*steps)[1]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda state: state | {"total": 9}, "state.total is 9, not 1530"),
        (lambda state: state | {"status": "shipped"}, "state.status is 'shipped', not 'paid'"),
        (lambda state: state | {"lines": []}, "state.lines differs"),
        (lambda state: state | {"mood": 1}, "state.mood is 1, not 'unknown to the verifier'"),
    ],
    ids=["number", "text", "lines", "unknown"],
)
def test_a_state_that_is_not_the_fold_is_named(
    change: Callable[[dict[str, Any]], dict[str, Any]], problem: str
) -> None:
    order, _ = after(CREATED, PAID)
    assert order is not None
    state = {name: getattr(order, name) for name in ("status", "total", "paid")} | {"lines": CREATE["lines"]}
    assert list(orders.wrong_state(order, state)) == []
    assert list(orders.wrong_state(order, change(state))) == [problem]


def test_an_event_that_the_model_does_not_know_is_named(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(orders.STEPS, "OrderPaid")
    assert states(past)[0] == "o-1: the verifier's model knows no OrderPaid"
