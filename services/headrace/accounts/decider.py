"""The rules of an account: what its owner and the bank may do with it; `holding` has those of transfers."""

from functools import partial
from typing import TypeAlias

from headrace.accounts.account import Account, evolve
from headrace.accounts.commands import (
    CloseAccount,
    Command,
    DepositMoney,
    FreezeAccount,
    OpenAccount,
    UnfreezeAccount,
    WithdrawMoney,
)
from headrace.accounts.events import (
    AccountClosed,
    AccountFrozen,
    AccountOpened,
    AccountUnfrozen,
    Event,
    MoneyDeposited,
    MoneyWithdrawn,
)
from headrace.accounts.holding import check_money, check_room, usable
from headrace.accounts.holding import decide as decide_transfer
from headrace.accounts.limits import Limits
from headrace.accounts.money import check_currency, check_text
from headrace.accounts.refusals import (
    AlreadyFrozen,
    AlreadyOpened,
    BalanceNotZero,
    ClosedAccount,
    HoldsOpen,
    InsufficientFunds,
    NotFrozen,
    UnknownAccount,
)
from headrace.kernel.aggregate import Aggregate

Accounts: TypeAlias = Aggregate[Command, Account, Event]


def decide(limits: Limits, command: Command, account: Account, at: int) -> list[Event]:  # noqa: PLR0911 - one a command
    """The event that the command leads to, or the refusal; none where a transfer's command was done before."""
    match command:
        case OpenAccount():
            return [_open(command, account)]
        case DepositMoney():
            return [_deposit(command, usable(account))]
        case WithdrawMoney():
            return [_withdraw(command, usable(account))]
        case FreezeAccount():
            return [_freeze(command, account)]
        case UnfreezeAccount():
            return [_unfreeze(account)]
        case CloseAccount():
            return [_close(usable(account))]
        case _:
            return [*decide_transfer(limits, command, account, at)]


def accounts_with(limits: Limits) -> Accounts:
    """Accounts from which no more may be transferred than that."""
    return Aggregate(
        name="accounts",
        initial=Account(),
        decide=partial(decide, limits),
        evolve=evolve,
        commands=Command,
        events=Event,
    )


accounts = accounts_with(Limits())


def _open(command: OpenAccount, account: Account) -> AccountOpened:
    if account.status != "blank":
        raise AlreadyOpened
    check_text(command.owner)
    check_currency(command.currency)
    return AccountOpened(command.owner, command.currency)


def _deposit(command: DepositMoney, account: Account) -> MoneyDeposited:
    check_money(command.amount, command.currency, account)
    check_text(command.reference)
    check_room(command.amount, account)
    return MoneyDeposited(command.amount, command.currency, command.reference)


def _withdraw(command: WithdrawMoney, account: Account) -> MoneyWithdrawn:
    check_money(command.amount, command.currency, account)
    check_text(command.reference)
    if command.amount > account.balance:
        raise InsufficientFunds
    return MoneyWithdrawn(command.amount, command.currency, command.reference)


def _freeze(command: FreezeAccount, account: Account) -> AccountFrozen:
    if account.status == "frozen":
        raise AlreadyFrozen
    usable(account)
    check_text(command.reason)
    return AccountFrozen(command.reason)


def _unfreeze(account: Account) -> AccountUnfrozen:
    if account.status == "blank":
        raise UnknownAccount
    if account.status == "closed":
        raise ClosedAccount
    if account.status != "frozen":
        raise NotFrozen
    return AccountUnfrozen()


def _close(account: Account) -> AccountClosed:
    if account.balance:
        raise BalanceNotZero
    if account.holds:
        raise HoldsOpen
    return AccountClosed()
