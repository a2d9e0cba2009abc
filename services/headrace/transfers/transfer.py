"""What is true of a transfer now, and what each event makes of it."""

from typing import Final, Literal, TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from headrace.transfers.events import (
    CreditRefused,
    Event,
    FundsHeld,
    MoneyTransferred,
    TransactionCompleted,
    TransferApproved,
    TransferExpired,
    TransferFailed,
    TransferRequested,
)

EXPIRED: Final = ("Expired", "The deadline came before the money was set aside.")

Status: TypeAlias = Literal[
    "blank", "awaiting_review", "requested", "held", "credited", "releasing", "completed", "failed"
]


class Transfer(Struct, frozen=True):
    """All that is true of a transfer now; `status` is blank until it is requested. Money in minor units of `currency`.

    `code` and `reason` say why the money goes back, or went back, or never left.
    """

    status: Status = "blank"
    from_account: str = ""
    to_account: str = ""
    amount: int = 0
    currency: str = ""
    requested_by: str = ""
    reference: str = ""
    expires_at: int = 0
    approved_by: str | None = None
    rejected_by: str | None = None
    code: str | None = None
    reason: str | None = None


def evolve(transfer: Transfer, event: Event) -> Transfer:  # noqa: PLR0911 - one an event
    """The transfer after the event."""
    match event:
        case TransferRequested(from_account, to_account, amount, currency, requested_by, reference, needs_review, due):
            status: Status = "awaiting_review" if needs_review else "requested"
            return Transfer(status, from_account, to_account, amount, currency, requested_by, reference, due)
        case TransferApproved(approved_by):
            return replace(transfer, status="requested", approved_by=approved_by)
        case FundsHeld():
            return replace(transfer, status="held")
        case MoneyTransferred():
            return replace(transfer, status="credited")
        case TransactionCompleted():
            return replace(transfer, status="completed")
        case CreditRefused(code, reason):
            return replace(transfer, status="releasing", code=code, reason=reason)
        case TransferExpired():
            code, reason = EXPIRED
            return replace(transfer, status="releasing", code=code, reason=reason)
        case TransferFailed(code, reason, by):
            return replace(transfer, status="failed", code=code, reason=reason, rejected_by=by)
        case _:
            assert_never(event)
