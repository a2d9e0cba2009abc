"""What may be asked of an account; money is whole minor units (pence, cents)."""

from typing import TypeAlias

from msgspec import Struct


class OpenAccount(Struct, frozen=True):
    """Open the account, for one currency."""

    owner: str
    currency: str


class DepositMoney(Struct, frozen=True):
    """Add money that comes from outside."""

    amount: int
    currency: str
    reference: str


class WithdrawMoney(Struct, frozen=True):
    """Take money out, as far as it is available."""

    amount: int
    currency: str
    reference: str


class FreezeAccount(Struct, frozen=True):
    """Let nothing come or go, but for transfers that are under way."""

    reason: str


class UnfreezeAccount(Struct, frozen=True):
    """Let money come and go again."""


class CloseAccount(Struct, frozen=True):
    """End an account that holds nothing."""


class PlaceHold(Struct, frozen=True):
    """Set money of a transfer aside, for another account."""

    transfer_id: str
    to_account: str
    amount: int
    currency: str


class SettleHold(Struct, frozen=True):
    """Let what was set aside go: it has arrived."""

    transfer_id: str


class ReleaseHold(Struct, frozen=True):
    """Make what was set aside available again: it will not arrive."""

    transfer_id: str


class CreditTransfer(Struct, frozen=True):
    """Add the money of a transfer, which another account has set aside."""

    transfer_id: str
    from_account: str
    amount: int
    currency: str


class SettleCredit(Struct, frozen=True):
    """Forget the transfer that was credited: the other account has let the money go."""

    transfer_id: str


OwnerCommand: TypeAlias = OpenAccount | DepositMoney | WithdrawMoney | FreezeAccount | UnfreezeAccount | CloseAccount
TransferCommand: TypeAlias = PlaceHold | SettleHold | ReleaseHold | CreditTransfer | SettleCredit
Command: TypeAlias = OwnerCommand | TransferCommand
