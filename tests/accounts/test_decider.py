"""The rules of an account, one a test: what happened before, what is asked, what comes of it."""

import pytest
from msgspec.structs import replace

from headrace.accounts import money, refusals
from headrace.accounts.account import Account, Credit, Hold
from headrace.accounts.commands import (
    CloseAccount,
    Command,
    CreditTransfer,
    DepositMoney,
    FreezeAccount,
    OpenAccount,
    PlaceHold,
    ReleaseHold,
    SettleCredit,
    SettleHold,
    UnfreezeAccount,
    WithdrawMoney,
)
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
from headrace.kernel.errors import Rejected
from headrace.testing import given

MOST = 2**53 - 1

OPEN = OpenAccount("Ann", "GBP")
DEPOSIT = DepositMoney(1000, "GBP", "wages")
WITHDRAW = WithdrawMoney(400, "GBP", "rent")
FREEZE = FreezeAccount("asked for by the court")
HOLD = PlaceHold("t-1", "bob", 300, "GBP")
CREDIT = CreditTransfer("t-2", "bob", 200, "GBP")

OPENED = AccountOpened("Ann", "GBP")
DEPOSITED = MoneyDeposited(1000, "GBP", "wages")
FROZEN = AccountFrozen("asked for by the court")
HELD = HoldPlaced("t-1", "bob", 300, "GBP", 0)
CREDITED = TransferCredited("t-2", "bob", 200, "GBP")

TO_OPEN: tuple[Event, ...] = (OPENED,)
TO_FULL: tuple[Event, ...] = (*TO_OPEN, DEPOSITED)
TO_HELD: tuple[Event, ...] = (*TO_FULL, HELD)
TO_CREDITED: tuple[Event, ...] = (*TO_OPEN, CREDITED)
TO_FROZEN: tuple[Event, ...] = (*TO_FULL, FROZEN)
TO_CLOSED: tuple[Event, ...] = (*TO_OPEN, AccountClosed())
TO_BRIM: tuple[Event, ...] = (OPENED, MoneyDeposited(MOST, "GBP", "all"), HoldPlaced("t-1", "bob", 300, "GBP", 0))


def test_an_account_is_opened_for_one_currency() -> None:
    assert given(accounts).when(OPEN) == [OPENED]


def test_money_that_comes_in_is_available() -> None:
    assert given(accounts, *TO_OPEN).when(DEPOSIT) == [DEPOSITED]
    assert given(accounts, *TO_FULL).state.balance == 1000


def test_money_that_is_there_is_taken_out_to_the_last_penny() -> None:
    assert given(accounts, *TO_FULL).when(WITHDRAW) == [MoneyWithdrawn(400, "GBP", "rent")]
    assert given(accounts, *TO_FULL).when(replace(WITHDRAW, amount=1000)) == [MoneyWithdrawn(1000, "GBP", "rent")]


def test_an_account_is_frozen_and_unfrozen() -> None:
    assert given(accounts, *TO_OPEN).when(FREEZE) == [FROZEN]
    assert given(accounts, *TO_FROZEN).when(UnfreezeAccount()) == [AccountUnfrozen()]
    assert given(accounts, *TO_FROZEN, AccountUnfrozen()).when(DEPOSIT) == [DEPOSITED]


def test_an_empty_account_is_closed() -> None:
    assert given(accounts, *TO_OPEN).when(CloseAccount()) == [AccountClosed()]


def test_what_is_held_is_no_longer_available() -> None:
    assert given(accounts, *TO_FULL).when(HOLD) == [HELD]
    after = given(accounts, *TO_HELD).state
    assert (after.balance, after.held, after.holds) == (700, 300, {"t-1": Hold("bob", 300)})


def test_a_hold_that_is_settled_is_gone_and_one_that_is_released_is_available_again() -> None:
    settled, released = HoldSettled("t-1", "bob", 300, "GBP"), HoldReleased("t-1", "bob", 300, "GBP")
    assert given(accounts, *TO_HELD).when(SettleHold("t-1")) == [settled]
    assert given(accounts, *TO_HELD).when(ReleaseHold("t-1")) == [released]
    after = given(accounts, *TO_HELD, settled).state
    assert (after.balance, after.held, after.holds) == (700, 0, {})
    after = given(accounts, *TO_HELD, released).state
    assert (after.balance, after.held, after.holds) == (1000, 0, {})


def test_what_is_credited_is_available_at_once_and_remembered_until_it_is_settled() -> None:
    assert given(accounts, *TO_OPEN).when(CREDIT) == [CREDITED]
    after = given(accounts, *TO_CREDITED).state
    assert (after.balance, after.held, after.credits) == (200, 0, {"t-2": Credit("bob", 200)})
    settled = CreditSettled("t-2", "bob", 200, "GBP")
    assert given(accounts, *TO_CREDITED).when(SettleCredit("t-2")) == [settled]
    assert given(accounts, *TO_CREDITED, settled).state == replace(after, credits={})


AGAIN: list[tuple[str, tuple[Event, ...], Command]] = [
    ("the hold is there", TO_HELD, HOLD),
    ("the hold is there, on an account that was frozen since", (*TO_HELD, FROZEN), HOLD),
    ("the money has come", TO_CREDITED, CREDIT),
    ("the money has come, to an account that was frozen since", (*TO_CREDITED, FROZEN), CREDIT),
    ("no such hold to settle", TO_FULL, SettleHold("t-1")),
    ("no such hold to release", TO_FULL, ReleaseHold("t-1")),
    ("no such credit to settle", TO_FULL, SettleCredit("t-1")),
    ("another hold", TO_HELD, SettleHold("t-2")),
    ("nothing to release on an account that never was", (), ReleaseHold("t-1")),
    ("nothing to settle on an account that is closed", TO_CLOSED, SettleCredit("t-1")),
]


@pytest.mark.parametrize(("history", "command"), [case[1:] for case in AGAIN], ids=[case[0] for case in AGAIN])
def test_a_transfer_s_command_that_comes_again_changes_nothing(history: tuple[Event, ...], command: Command) -> None:
    assert given(accounts, *history).when(command) == []


@pytest.mark.parametrize("command", [SettleHold("t-1"), ReleaseHold("t-1")])
def test_what_is_under_way_comes_to_an_end_on_a_frozen_account_too(command: Command) -> None:
    assert len(given(accounts, *TO_HELD, FROZEN).when(command)) == 1


@pytest.mark.parametrize("end", [(FROZEN,), (MoneyWithdrawn(200, "GBP", "x"), AccountClosed())])
def test_a_credit_is_settled_on_a_frozen_and_on_a_closed_account(end: tuple[Event, ...]) -> None:
    assert given(accounts, *TO_CREDITED, *end).when(SettleCredit("t-2")) == [CreditSettled("t-2", "bob", 200, "GBP")]


WRONG_TIME: list[tuple[str, tuple[Event, ...], Command, type[Rejected]]] = [
    ("an account is opened once", TO_OPEN, OPEN, refusals.AlreadyOpened),
    ("a closed account is not opened again", TO_CLOSED, OPEN, refusals.AlreadyOpened),
    ("nothing is deposited nowhere", (), DEPOSIT, refusals.UnknownAccount),
    ("nothing is withdrawn from nowhere", (), WITHDRAW, refusals.UnknownAccount),
    ("what does not exist is not frozen", (), FREEZE, refusals.UnknownAccount),
    ("what does not exist is not unfrozen", (), UnfreezeAccount(), refusals.UnknownAccount),
    ("what does not exist is not closed", (), CloseAccount(), refusals.UnknownAccount),
    ("nothing is held nowhere", (), HOLD, refusals.UnknownAccount),
    ("nothing is credited nowhere", (), CREDIT, refusals.UnknownAccount),
    ("nothing is deposited on a frozen account", TO_FROZEN, DEPOSIT, refusals.FrozenAccount),
    ("nothing is withdrawn from a frozen account", TO_FROZEN, WITHDRAW, refusals.FrozenAccount),
    ("nothing is held on a frozen account", TO_FROZEN, HOLD, refusals.FrozenAccount),
    ("nothing is credited to a frozen account", TO_FROZEN, CREDIT, refusals.FrozenAccount),
    ("a frozen account is not closed", (*TO_OPEN, FROZEN), CloseAccount(), refusals.FrozenAccount),
    ("an account is frozen once", TO_FROZEN, FREEZE, refusals.AlreadyFrozen),
    ("an open account is not unfrozen", TO_OPEN, UnfreezeAccount(), refusals.NotFrozen),
    ("nothing is deposited on a closed account", TO_CLOSED, DEPOSIT, refusals.ClosedAccount),
    ("nothing is withdrawn from a closed account", TO_CLOSED, WITHDRAW, refusals.ClosedAccount),
    ("nothing is held on a closed account", TO_CLOSED, HOLD, refusals.ClosedAccount),
    ("nothing is credited to a closed account", TO_CLOSED, CREDIT, refusals.ClosedAccount),
    ("a closed account is not frozen", TO_CLOSED, FREEZE, refusals.ClosedAccount),
    ("a closed account is not unfrozen", TO_CLOSED, UnfreezeAccount(), refusals.ClosedAccount),
    ("an account is closed once", TO_CLOSED, CloseAccount(), refusals.ClosedAccount),
    ("an account with money is not closed", TO_FULL, CloseAccount(), refusals.BalanceNotZero),
    (
        "an account with a hold is not closed",
        (*TO_HELD, MoneyWithdrawn(700, "GBP", "x")),
        CloseAccount(),
        refusals.HoldsOpen,
    ),
]


@pytest.mark.parametrize(
    ("history", "command", "refusal"), [case[1:] for case in WRONG_TIME], ids=[case[0] for case in WRONG_TIME]
)
def test_each_step_has_its_time(history: tuple[Event, ...], command: Command, refusal: type[Rejected]) -> None:
    with pytest.raises(refusal):
        given(accounts, *history).when(command)


MONEY: list[tuple[tuple[Event, ...], Command]] = [
    (TO_OPEN, DEPOSIT),
    (TO_FULL, WITHDRAW),
    (TO_FULL, HOLD),
    (TO_OPEN, CREDIT),
]
WRONG_MONEY: list[tuple[str, dict[str, int | str], type[Rejected]]] = [
    ("an amount is not 0", {"amount": 0}, money.AmountNotPositive),
    ("an amount is not negative", {"amount": -1}, money.AmountNotPositive),
    ("an amount is a number that json keeps", {"amount": 2**53}, money.AmountTooLarge),
    ("money is of the account's currency", {"currency": "EUR"}, refusals.CurrencyMismatch),
]


@pytest.mark.parametrize(
    ("changes", "refusal"), [case[1:] for case in WRONG_MONEY], ids=[case[0] for case in WRONG_MONEY]
)
@pytest.mark.parametrize(("history", "command"), MONEY, ids=lambda case: type(case).__name__)
def test_wherever_money_moves(
    history: tuple[Event, ...], command: Command, changes: dict[str, int | str], refusal: type[Rejected]
) -> None:
    with pytest.raises(refusal):
        given(accounts, *history).when(replace(command, **changes))


WRONG_CONTENT: list[tuple[str, tuple[Event, ...], Command, type[Rejected]]] = [
    ("a currency has three letters", (), replace(OPEN, currency="POUND"), money.CurrencyInvalid),
    ("a currency is in capitals", (), replace(OPEN, currency="gbp"), money.CurrencyInvalid),
    ("a currency is in latin letters", (), replace(OPEN, currency="ГБП"), money.CurrencyInvalid),
    ("a currency has no digits", (), replace(OPEN, currency="GB1"), money.CurrencyInvalid),
    ("an owner is not blank", (), replace(OPEN, owner=" "), money.BlankText),
    ("an owner fits a row", (), replace(OPEN, owner="x" * 501), money.TextTooLong),
    ("an owner holds no NUL", (), replace(OPEN, owner="a\0b"), money.TextNotStorable),
    ("a deposit is for something", TO_OPEN, replace(DEPOSIT, reference=""), money.BlankText),
    ("a withdrawal is for something", TO_FULL, replace(WITHDRAW, reference="\t"), money.BlankText),
    ("a reference holds no NUL", TO_FULL, replace(WITHDRAW, reference="\0"), money.TextNotStorable),
    ("a reason is not blank", TO_OPEN, FreezeAccount(""), money.BlankText),
    ("more than there is is not withdrawn", TO_FULL, replace(WITHDRAW, amount=1001), refusals.InsufficientFunds),
    ("what is held is not withdrawn", TO_HELD, replace(WITHDRAW, amount=701), refusals.InsufficientFunds),
    ("more than there is is not held", TO_FULL, replace(HOLD, amount=1001), refusals.InsufficientFunds),
    (
        "what is held is not held again",
        TO_HELD,
        replace(HOLD, transfer_id="t-9", amount=701),
        refusals.InsufficientFunds,
    ),
    ("a full account takes no deposit", TO_BRIM, replace(DEPOSIT, amount=1), refusals.BalanceTooLarge),
    ("a full account takes no transfer", TO_BRIM, replace(CREDIT, amount=1), refusals.BalanceTooLarge),
    ("a hold of another amount", TO_HELD, replace(HOLD, amount=301), refusals.TransferIdReused),
    ("a hold for another account", TO_HELD, replace(HOLD, to_account="eve"), refusals.TransferIdReused),
    ("a hold in another currency", TO_HELD, replace(HOLD, currency="EUR"), refusals.TransferIdReused),
    ("a credit of another amount", TO_CREDITED, replace(CREDIT, amount=201), refusals.TransferIdReused),
    ("a credit from another account", TO_CREDITED, replace(CREDIT, from_account="eve"), refusals.TransferIdReused),
    ("a credit in another currency", TO_CREDITED, replace(CREDIT, currency="EUR"), refusals.TransferIdReused),
    ("a hold has a transfer", TO_FULL, replace(HOLD, transfer_id=""), money.IdInvalid),
    ("a hold is for an account", TO_FULL, replace(HOLD, to_account="x" * 201), money.IdInvalid),
    ("a credit has a transfer", TO_OPEN, replace(CREDIT, transfer_id="a\0"), money.IdInvalid),
    ("a credit is from an account", TO_OPEN, replace(CREDIT, from_account=""), money.IdInvalid),
]


@pytest.mark.parametrize(
    ("history", "command", "refusal"), [case[1:] for case in WRONG_CONTENT], ids=[case[0] for case in WRONG_CONTENT]
)
def test_what_is_asked_must_make_sense(history: tuple[Event, ...], command: Command, refusal: type[Rejected]) -> None:
    with pytest.raises(refusal):
        given(accounts, *history).when(command)


def test_the_largest_amount_fits_an_empty_account() -> None:
    assert given(accounts, *TO_OPEN).when(replace(DEPOSIT, amount=MOST)) == [MoneyDeposited(MOST, "GBP", "wages")]
    assert given(accounts, *TO_OPEN).when(replace(CREDIT, amount=MOST)) == [TransferCredited("t-2", "bob", MOST, "GBP")]


def test_the_longest_texts_are_accepted() -> None:
    assert given(accounts).when(replace(OPEN, owner="é" * 500))
    assert given(accounts, *TO_FULL).when(replace(HOLD, transfer_id="é" * 200, to_account="x" * 200))


def test_every_refusal_is_tried_and_says_why_in_one_line() -> None:
    listed = {
        kind
        for module in (refusals, money)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Rejected)
    }
    listed.remove(Rejected)
    tried = {case[-1] for case in [*WRONG_TIME, *WRONG_CONTENT]} | {case[-1] for case in WRONG_MONEY}
    of_limits = {refusals.DayLimitExceeded, refusals.HourLimitExceeded, refusals.TooManyOpen}  # in test_limits
    assert listed == tried | of_limits
    for refusal in listed:
        assert refusal.__doc__ is not None
        assert refusal().message == refusal.__doc__
        assert refusal().code == refusal.__name__


def test_a_blank_account_is_nothing_at_all() -> None:
    assert accounts.initial == Account("blank", "", "", 0, 0, {}, {}, 0, 0, 0)
