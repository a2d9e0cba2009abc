"""The rules of what transfers do to an account: each of their commands may come again, and changes nothing then.

What is under way must always come to an end, so settling and giving back are never refused.
"""

from typing import Final, assert_never

from headrace.accounts.account import Account, Credit, Hold, held_on_day, placed_in_hour
from headrace.accounts.commands import CreditTransfer, PlaceHold, ReleaseHold, SettleCredit, SettleHold, TransferCommand
from headrace.accounts.events import (
    CreditSettled,
    HoldPlaced,
    HoldReleased,
    HoldSettled,
    TransferCredited,
    TransferEvent,
)
from headrace.accounts.limits import Limits
from headrace.accounts.money import LARGEST_AMOUNT, check_amount, check_id
from headrace.accounts.refusals import (
    BalanceTooLarge,
    ClosedAccount,
    CurrencyMismatch,
    DayLimitExceeded,
    FrozenAccount,
    HourLimitExceeded,
    InsufficientFunds,
    TooManyOpen,
    TransferIdReused,
    UnknownAccount,
)

HOUR_MS: Final = 3_600_000


def decide(limits: Limits, command: TransferCommand, account: Account, at: int) -> list[TransferEvent]:
    """The event that the command leads to, or none when it was done before; or the refusal."""
    match command:
        case PlaceHold():
            return _place(limits, command, account, at)
        case CreditTransfer():
            return _credit(limits, command, account)
        case SettleHold(transfer_id) | ReleaseHold(transfer_id):
            hold = account.holds.get(transfer_id)
            if hold is None:
                return []
            ended = HoldSettled if isinstance(command, SettleHold) else HoldReleased
            return [ended(transfer_id, hold.to_account, hold.amount, account.currency)]
        case SettleCredit(transfer_id):
            credit = account.credits.get(transfer_id)
            if credit is None:
                return []
            return [CreditSettled(transfer_id, credit.from_account, credit.amount, account.currency)]
        case _:
            assert_never(command)


def usable(account: Account) -> Account:
    """The account, when money may come and go; refuses one that is not open."""
    if account.status == "blank":
        raise UnknownAccount
    if account.status == "frozen":
        raise FrozenAccount
    if account.status == "closed":
        raise ClosedAccount
    return account


def check_money(amount: int, currency: str, account: Account) -> None:
    """Refuse an amount that is none, or is in another currency."""
    check_amount(amount)
    if currency != account.currency:
        raise CurrencyMismatch


def check_room(amount: int, account: Account) -> None:
    """Refuse what would be more than an account may hold."""
    if account.balance + account.held + amount > LARGEST_AMOUNT:
        raise BalanceTooLarge


def _place(limits: Limits, command: PlaceHold, account: Account, at: int) -> list[TransferEvent]:
    transfer_id, to_account, amount, currency = (
        command.transfer_id,
        command.to_account,
        command.amount,
        command.currency,
    )
    hold = account.holds.get(transfer_id)
    if hold is not None:
        if (hold, account.currency) != (Hold(to_account, amount), currency):
            raise TransferIdReused
        return []
    check_id(transfer_id)
    check_id(to_account)
    check_money(amount, currency, usable(account))
    if amount > account.balance:
        raise InsufficientFunds
    if len(account.holds) >= limits.open_per_account:
        raise TooManyOpen
    # A clock of another broker may be behind that of the newest hold.
    hour = max(at // HOUR_MS, account.hold_hour)
    if held_on_day(account, hour) + amount > limits.account_per_day:
        raise DayLimitExceeded
    if placed_in_hour(account, hour) >= limits.account_per_hour:
        raise HourLimitExceeded
    return [HoldPlaced(transfer_id, to_account, amount, currency, hour)]


def _credit(limits: Limits, command: CreditTransfer, account: Account) -> list[TransferEvent]:
    transfer_id, from_account, amount, currency = (
        command.transfer_id, command.from_account, command.amount, command.currency,
    )  # fmt: skip
    credit = account.credits.get(transfer_id)
    if credit is not None:
        if (credit, account.currency) != (Credit(from_account, amount), currency):
            raise TransferIdReused
        return []
    check_id(transfer_id)
    check_id(from_account)
    check_money(amount, currency, usable(account))
    check_room(amount, account)
    if len(account.credits) >= limits.open_per_account:
        raise TooManyOpen
    return [TransferCredited(transfer_id, from_account, amount, currency)]
