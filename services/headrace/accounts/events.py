"""What has happened to an account; money is whole minor units (pence, cents) of the account's one currency."""

from typing import TypeAlias

from msgspec import Struct


class AccountOpened(Struct, frozen=True):
    """The account exists, and is empty."""

    owner: str
    currency: str


class MoneyDeposited(Struct, frozen=True):
    """Money came from outside."""

    amount: int
    currency: str
    reference: str


class MoneyWithdrawn(Struct, frozen=True):
    """Money was taken out."""

    amount: int
    currency: str
    reference: str


class AccountFrozen(Struct, frozen=True):
    """Nothing comes or goes, but for transfers that are under way."""

    reason: str


class AccountUnfrozen(Struct, frozen=True):
    """Money comes and goes again."""


class AccountClosed(Struct, frozen=True):
    """The account ended, empty."""


class HoldPlaced(Struct, frozen=True):
    """Money of a transfer is set aside; `hour` is when, in hours since 1970, UTC: limits count by it."""

    transfer_id: str
    to_account: str
    amount: int
    currency: str
    hour: int


class HoldSettled(Struct, frozen=True):
    """What was set aside has arrived at the other account."""

    transfer_id: str
    to_account: str
    amount: int
    currency: str


class HoldReleased(Struct, frozen=True):
    """What was set aside is available again."""

    transfer_id: str
    to_account: str
    amount: int
    currency: str


class TransferCredited(Struct, frozen=True):
    """The money of a transfer arrived; the other account still has it set aside."""

    transfer_id: str
    from_account: str
    amount: int
    currency: str


class CreditSettled(Struct, frozen=True):
    """The other account has let the money go: nothing is left to do."""

    transfer_id: str
    from_account: str
    amount: int
    currency: str


OwnerEvent: TypeAlias = (
    AccountOpened | MoneyDeposited | MoneyWithdrawn | AccountFrozen | AccountUnfrozen | AccountClosed
)
TransferEvent: TypeAlias = HoldPlaced | HoldSettled | HoldReleased | TransferCredited | CreditSettled
Event: TypeAlias = OwnerEvent | TransferEvent
