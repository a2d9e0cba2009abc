"""The verifier's own small model of a transfer: what events make of it, and what its row shows."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from headrace_load.verify.content import Led

Fields = dict[str, Any]

PROJECTOR: Final = "transfers_v1"
TABLE: Final = "transfers_v1.transfers"
# What readers see under the plain name.
SEEN: Final = "public.transfers"
COLUMNS: Final = (
    "transfer_id", "version", "status", "from_account", "to_account", "amount", "currency", "requested_by",
    "reference", "reviewed_by", "code", "reason", "expires_at", "requested_at", "updated_at", "ended_at",
)  # fmt: skip
# What a transfer must be before each step, and what it is after it; None is before its first event.
STEPS: Final = {
    "TransferRequested": ((None,), ""),
    "TransferApproved": (("awaiting_review",), "requested"),
    "FundsHeld": (("requested",), "held"),
    "MoneyTransferred": (("held",), "credited"),
    "CreditRefused": (("held",), "releasing"),
    "TransferExpired": (("requested",), "releasing"),
    "TransactionCompleted": (("credited",), "completed"),
    "TransferFailed": (("awaiting_review", "requested", "releasing"), "failed"),
}
EXPIRED: Final = ("Expired", "The deadline came before the money was set aside.")
MONEY: Final = ("from_account", "to_account", "amount", "currency")
ASKED: Final = (*MONEY, "requested_by", "reference", "expires_at")
ENDS: Final = ("completed", "failed")
LEADS_TO: Final = {
    "RequestTransfer": Led(("TransferRequested",), ASKED, if_given=("expires_at",)),
    "ApproveTransfer": Led(("TransferApproved",), ("approved_by",)),
    "RejectTransfer": Led(("TransferFailed",), ("rejected_by", "reason"), called=("by", "reason")),
    "ConfirmHold": Led(("FundsHeld",), again=True),
    "RefuseHold": Led(("TransferFailed",), ("code", "reason"), again=True),
    "ConfirmCredit": Led(("MoneyTransferred",), again=True),
    "RefuseCredit": Led(("CreditRefused",), ("code", "reason"), again=True),
    "ConfirmSettlement": Led(("TransactionCompleted",), again=True),
    "ConfirmRelease": Led(("TransferFailed",), again=True),
    "ExpireTransfer": Led(("TransferExpired", "TransferFailed")),
}


class Transfer(NamedTuple):
    """A transfer after some events."""

    version: int
    requested_at: int
    updated_at: int
    status: str | None = None
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
    ended_at: int | None = None


def after(transfer: Transfer | None, name: str, event: Fields) -> Transfer:
    """The transfer after one more event."""
    meta = event["meta"]
    at = meta["occurred_at"]
    now = (transfer or Transfer(0, at, at))._replace(version=meta["version"], updated_at=at, status=STEPS[name][1])
    if now.status in ENDS:
        now = now._replace(ended_at=at)
    match name:
        case "TransferRequested":
            status = "awaiting_review" if event["needs_review"] else "requested"
            return now._replace(status=status, **{field: event[field] for field in ASKED})
        case "TransferApproved":
            return now._replace(approved_by=event["approved_by"])
        case "CreditRefused":
            return now._replace(code=event["code"], reason=event["reason"])
        case "TransferExpired":
            return now._replace(code=EXPIRED[0], reason=EXPIRED[1])
        case "TransferFailed":
            return now._replace(code=event["code"], reason=event["reason"], rejected_by=event["by"])
        case _:
            return now


def broken_rules(transfer: Transfer | None, name: str, event: Fields) -> Iterator[str]:
    """Which rules of the domain an event breaks, coming after what the transfer was."""
    before, at = transfer or Transfer(0, 0, 0), event["meta"]["occurred_at"]
    if before.status not in STEPS[name][0]:
        yield f"{name} comes after {before.status or 'nothing'}"
    if name == "TransferRequested":
        if event["amount"] < 1 or event["from_account"] == event["to_account"]:
            yield f"{event['amount']} go from {event['from_account']} to {event['to_account']}"
        if event["expires_at"] <= at:
            yield f"its deadline is {event['expires_at']}, it was requested at {at}"
        return
    asked = {field: getattr(before, field) for field in MONEY}
    if "amount" in event and asked != {field: event[field] for field in MONEY}:
        yield f"{name} has other money than was requested"
    reviewer = event.get("approved_by") or event.get("by")
    if reviewer is not None and reviewer == before.requested_by:
        yield f"{reviewer} asked for it and reviews it"
    if EXPIRED[0] in (name.removeprefix("Transfer"), event.get("code")) and at < before.expires_at:
        yield f"it expired at {at}, its deadline is {before.expires_at}"


def wrong_state(transfer: Transfer, state: Fields) -> Iterator[str]:
    """How the state in an event differs from the transfer as the model has it."""
    for name, value in state.items():
        mine = getattr(transfer, name, "unknown to the verifier")
        if mine != value:
            yield f"state.{name} is {value!r}, not {mine!r}"


def row(transfer_id: str, transfer: Transfer) -> tuple[Any, ...]:
    """The transfer's row, in the order of COLUMNS."""
    it = transfer
    return (
        transfer_id, it.version, it.status, it.from_account, it.to_account, it.amount, it.currency, it.requested_by,
        it.reference, it.rejected_by or it.approved_by, it.code, it.reason, it.expires_at, it.requested_at,
        it.updated_at, it.ended_at,
    )  # fmt: skip
