"""What has happened to a transfer; money is whole minor units (pence, cents), times milliseconds since 1970, UTC."""

from typing import TypeAlias

from msgspec import Struct


class TransferRequested(Struct, frozen=True):
    """The transfer is to be made, once a second person has approved it if `needs_review`, and until `expires_at`."""

    from_account: str
    to_account: str
    amount: int
    currency: str
    requested_by: str
    reference: str
    needs_review: bool
    expires_at: int


class TransferApproved(Struct, frozen=True):
    """A second person lets it go on."""

    approved_by: str


class FundsHeld(Struct, frozen=True):
    """The first account has set the money aside."""

    from_account: str
    to_account: str
    amount: int
    currency: str


class MoneyTransferred(Struct, frozen=True):
    """The money has arrived on the second account, for good."""

    from_account: str
    to_account: str
    amount: int
    currency: str


class CreditRefused(Struct, frozen=True):
    """The second account does not take the money: the first is to have it back."""

    code: str
    reason: str


class TransferExpired(Struct, frozen=True):
    """The deadline came before the money was known to be set aside: if it is, the first account is to have it back."""


class TransactionCompleted(Struct, frozen=True):
    """The first account has let the money go, and the transfer is done."""

    from_account: str
    to_account: str
    amount: int
    currency: str


class TransferFailed(Struct, frozen=True):
    """The transfer ended, and no money of it is set aside any more; `by` is the person who rejected it."""

    code: str
    reason: str
    by: str | None = None


Event: TypeAlias = (
    TransferRequested
    | TransferApproved
    | FundsHeld
    | MoneyTransferred
    | CreditRefused
    | TransferExpired
    | TransactionCompleted
    | TransferFailed
)
