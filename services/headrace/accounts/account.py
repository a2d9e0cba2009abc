"""What is true of an account now, and what each event makes of it."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, TypeVar, assert_never

from msgspec import Struct
from msgspec.structs import replace

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
    TransferEvent,
)

HOURS_OF_DAY: Final = 24

OfT = TypeVar("OfT")

Status: TypeAlias = Literal["blank", "open", "frozen", "closed"]


class Hold(Struct, frozen=True):
    """Money that is set aside for another account."""

    to_account: str
    amount: int


class Credit(Struct, frozen=True):
    """Money that has come from another account, which still has it set aside or is about to say that it has not."""

    from_account: str
    amount: int


class Account(Struct, frozen=True):
    """All that is true of an account now; `status` is blank until it is opened. Money in minor units of `currency`.

    `balance` is what is available; what `held` sums up, by transfer id in `holds`, is not in it, and what `credits`
    lists is. `hold_hour` is the hour (since 1970, UTC) of the newest hold, `holds_that_hour` how many were placed in
    it, `held_that_day` how much was in its day.
    """

    status: Status = "blank"
    owner: str = ""
    currency: str = ""
    balance: int = 0
    held: int = 0
    holds: dict[str, Hold] = {}
    credits: dict[str, Credit] = {}
    hold_hour: int = 0
    holds_that_hour: int = 0
    held_that_day: int = 0


def evolve(account: Account, event: Event) -> Account:  # noqa: PLR0911 - one an event
    """The account after the event."""
    match event:
        case AccountOpened(owner, currency):
            return Account("open", owner, currency)
        case MoneyDeposited(amount):
            return replace(account, balance=account.balance + amount)
        case MoneyWithdrawn(amount):
            return replace(account, balance=account.balance - amount)
        case AccountFrozen():
            return replace(account, status="frozen")
        case AccountUnfrozen():
            return replace(account, status="open")
        case AccountClosed():
            return replace(account, status="closed")
        case _:
            return _after_transfer(account, event)


def _after_transfer(account: Account, event: TransferEvent) -> Account:
    balance, held, holds, credits_ = account.balance, account.held, account.holds, account.credits
    match event:
        case HoldPlaced(transfer_id, to_account, amount, _, hour):
            return replace(
                account,
                balance=balance - amount,
                held=held + amount,
                holds={**holds, transfer_id: Hold(to_account, amount)},
                hold_hour=hour,
                holds_that_hour=placed_in_hour(account, hour) + 1,
                held_that_day=held_on_day(account, hour) + amount,
            )
        case HoldSettled(transfer_id, _, amount):
            return replace(account, held=held - amount, holds=_without(holds, transfer_id))
        case HoldReleased(transfer_id, _, amount):
            return replace(account, balance=balance + amount, held=held - amount, holds=_without(holds, transfer_id))
        case TransferCredited(transfer_id, from_account, amount):
            added = {**credits_, transfer_id: Credit(from_account, amount)}
            return replace(account, balance=balance + amount, credits=added)
        case CreditSettled(transfer_id):
            return replace(account, credits=_without(credits_, transfer_id))
        case _:
            assert_never(event)


def placed_in_hour(account: Account, hour: int) -> int:
    """How many holds were placed in that hour, the newest hold's or a later one."""
    return account.holds_that_hour if hour == account.hold_hour else 0


def held_on_day(account: Account, hour: int) -> int:
    """How much was set aside on the day of that hour, likewise."""
    return account.held_that_day if hour // HOURS_OF_DAY == account.hold_hour // HOURS_OF_DAY else 0


def _without(found: Mapping[str, OfT], transfer_id: str) -> dict[str, OfT]:
    return {name: each for name, each in found.items() if name != transfer_id}
