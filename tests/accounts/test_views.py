"""The row of an account, and those of its movements, step by step."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from msgspec.structs import replace

from accounts.test_properties import answered, conversations
from headrace.accounts.commands import Command
from headrace.accounts.decider import accounts
from headrace.accounts.events import (
    AccountClosed,
    AccountFrozen,
    AccountOpened,
    AccountUnfrozen,
    CreditSettled,
    Event,
    HoldPlaced,
    HoldReleased,
    HoldSettled,
    MoneyDeposited,
    MoneyWithdrawn,
    TransferCredited,
)
from headrace.accounts.statements import StatementRow, statements
from headrace.accounts.views import AccountRow, accounts_view
from headrace.kernel.errors import Fault
from headrace.kernel.view import View
from headrace.testing import facts, fold

OPENED = AccountOpened("Ann", "GBP")
DEPOSITED = MoneyDeposited(1000, "GBP", "wages")
HELD = HoldPlaced("t-1", "bob-1", 300, "GBP", 0)
RELEASED = HoldReleased("t-1", "bob-1", 300, "GBP")
SETTLED = HoldSettled("t-1", "bob-1", 300, "GBP")
CREDITED = TransferCredited("t-2", "bob-1", 50, "GBP")


def at(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1, 0, 0, 0, milliseconds * 1000, tzinfo=UTC)


NEW = AccountRow("ann-1", 1, "open", "Ann", "GBP", 0, 0, at(1), at(1))


def row(*events: Event) -> AccountRow:
    return fold(accounts_view, facts(accounts, "ann-1", *events))["ann-1",]


def movements(*events: Event) -> list[StatementRow]:
    return list(fold(statements, facts(accounts, "ann-1", *events)).values())


def test_an_account_that_was_opened_has_a_row() -> None:
    assert row(OPENED) == NEW


def test_money_that_is_set_aside_is_shown_apart() -> None:
    assert row(OPENED, DEPOSITED, HELD) == replace(NEW, version=3, balance=700, held=300, updated_at=at(3))
    assert row(OPENED, DEPOSITED, HELD, RELEASED) == replace(NEW, version=4, balance=1000, updated_at=at(4))
    assert row(OPENED, DEPOSITED, HELD, SETTLED) == replace(NEW, version=4, balance=700, updated_at=at(4))


def test_an_account_shows_whether_money_may_come_and_go() -> None:
    assert row(OPENED, AccountFrozen("r")).status == "frozen"
    assert row(OPENED, AccountFrozen("r"), AccountUnfrozen()).status == "open"
    assert row(OPENED, AccountClosed()).status == "closed"


def test_a_log_that_lacks_its_first_event_is_a_fault_that_names_the_account() -> None:
    with pytest.raises(Fault, match=r"MoneyDeposited, version 2 of 'ann-1', finds no row"):
        fold(accounts_view, list(facts(accounts, "ann-1", OPENED, DEPOSITED))[1:])


def test_each_movement_has_a_row_with_the_balance_after_it() -> None:
    withdrawn = MoneyWithdrawn(100, "GBP", "rent")
    found = movements(OPENED, DEPOSITED, withdrawn, HELD, RELEASED, CREDITED)
    assert found == [
        StatementRow("ann-1", 2, at(2), "deposit", 1000, 1000, "GBP", None, None, "wages"),
        StatementRow("ann-1", 3, at(3), "withdrawal", -100, 900, "GBP", None, None, "rent"),
        StatementRow("ann-1", 4, at(4), "hold", -300, 600, "GBP", "t-1", "bob-1", None),
        StatementRow("ann-1", 5, at(5), "release", 300, 900, "GBP", "t-1", "bob-1", None),
        StatementRow("ann-1", 6, at(6), "credit", 50, 950, "GBP", "t-2", "bob-1", None),
    ]


@pytest.mark.parametrize(
    "event",
    [AccountFrozen("r"), AccountUnfrozen(), AccountClosed(), SETTLED, CreditSettled("t-2", "bob-1", 50, "GBP")],
    ids=lambda event: type(event).__name__,
)
def test_what_changes_nothing_that_is_available_is_no_movement(event: Event) -> None:
    assert movements(OPENED, DEPOSITED, HELD, CREDITED, event) == movements(OPENED, DEPOSITED, HELD, CREDITED)


@settings(max_examples=200)
@for_all(conversations)
def test_the_row_of_an_account_agrees_with_its_state(conversation: list[tuple[Command, int]]) -> None:
    happened, passed = answered(conversation)
    rows = fold(accounts_view, facts(accounts, "ann-1", *happened))
    if not happened:
        assert rows == {}
        return
    row, live = rows["ann-1",], passed[-1]
    assert (row.account_id, row.version) == ("ann-1", len(happened))
    for field in ("status", "owner", "currency", "balance", "held"):
        assert getattr(row, field) == getattr(live, field), field


@settings(max_examples=200)
@for_all(conversations)
def test_an_account_s_movements_add_up_to_each_balance(conversation: list[tuple[Command, int]]) -> None:
    happened, passed = answered(conversation)
    total = 0
    for movement in movements(*happened):
        total += movement.amount
        assert movement.balance == total
        assert movement.amount
    assert total == passed[-1].balance


@pytest.mark.parametrize("view", [accounts_view, statements], ids=lambda view: view.name)
def test_the_table_has_a_column_for_every_field_of_the_row_and_one_that_the_database_fills(view: View[Any]) -> None:
    body = view.table.ddl.partition("(\n")[2].partition("\n)")[0]
    columns = [line.split()[0] for line in body.splitlines() if "PRIMARY KEY (" not in line]
    assert columns == [*view.table.row.__struct_fields__, "applied_at"]
