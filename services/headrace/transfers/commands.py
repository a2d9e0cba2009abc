"""What may be asked of a transfer, by people and by its process; money is whole minor units (pence, cents)."""

from typing import TypeAlias

from msgspec import Struct


class RequestTransfer(Struct, frozen=True):
    """Move money between two accounts, by `expires_at` (milliseconds since 1970, UTC) or by the bank's own deadline."""

    from_account: str
    to_account: str
    amount: int
    currency: str
    requested_by: str
    reference: str
    expires_at: int | None = None


class ApproveTransfer(Struct, frozen=True):
    """Let a transfer go on that waits for a second person."""

    approved_by: str


class RejectTransfer(Struct, frozen=True):
    """End a transfer that waits for a second person."""

    rejected_by: str
    reason: str


class ConfirmHold(Struct, frozen=True):
    """The money is set aside."""


class RefuseHold(Struct, frozen=True):
    """The money cannot be set aside."""

    code: str
    reason: str


class ConfirmCredit(Struct, frozen=True):
    """The money has arrived."""


class RefuseCredit(Struct, frozen=True):
    """The other account does not take the money."""

    code: str
    reason: str


class ConfirmSettlement(Struct, frozen=True):
    """The first account has let the money go."""


class ConfirmRelease(Struct, frozen=True):
    """The first account has the money available again."""


class ExpireTransfer(Struct, frozen=True):
    """The deadline has come."""


PeopleCommand: TypeAlias = RequestTransfer | ApproveTransfer | RejectTransfer
Answer: TypeAlias = ConfirmHold | RefuseHold | ConfirmCredit | RefuseCredit | ConfirmSettlement | ConfirmRelease
Command: TypeAlias = PeopleCommand | Answer | ExpireTransfer
