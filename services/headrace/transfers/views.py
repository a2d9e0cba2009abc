"""How transfers look to those who read them: one row a transfer."""

from datetime import datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from headrace.kernel.errors import Fault
from headrace.kernel.message import EventMeta, Fact, time_of
from headrace.kernel.view import Key, Table, View
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
from headrace.transfers.transfer import EXPIRED

TRANSFERS_TABLE: Final = """
CREATE TABLE transfers (
    transfer_id  text        PRIMARY KEY,
    version      bigint      NOT NULL,
    status       text        NOT NULL,
    from_account text        NOT NULL,
    to_account   text        NOT NULL,
    amount       bigint      NOT NULL,
    currency     text        NOT NULL,
    requested_by text        NOT NULL,
    reference    text        NOT NULL,
    reviewed_by  text,
    code         text,
    reason       text,
    expires_at   timestamptz NOT NULL,
    requested_at timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    ended_at     timestamptz,
    applied_at   timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 70);
CREATE INDEX transfers_by_status ON transfers (status, requested_at, transfer_id);
COMMENT ON COLUMN transfers.amount IS 'in minor units of the currency';
COMMENT ON COLUMN transfers.code IS 'why the money went back or never left: the name of the refusal';
"""

STATUS: Final[dict[type, str]] = {
    TransferApproved: "requested",
    FundsHeld: "held",
    MoneyTransferred: "credited",
    CreditRefused: "releasing",
    TransferExpired: "releasing",
    TransactionCompleted: "completed",
    TransferFailed: "failed",
}
"""What an event makes of the transfer."""


class TransferRow(Struct, frozen=True):
    """One transfer as of `version`: money in minor units of `currency`, times in UTC; `reviewed_by` either way."""

    transfer_id: str
    version: int
    status: str
    from_account: str
    to_account: str
    amount: int
    currency: str
    requested_by: str
    reference: str
    reviewed_by: str | None
    code: str | None
    reason: str | None
    expires_at: datetime
    requested_at: datetime
    updated_at: datetime
    ended_at: datetime | None


def keys(fact: Fact[Event]) -> tuple[Key, ...]:
    """The transfer's own row, and no other."""
    return ((fact.meta.aggregate_id,),)


def evolve(_key: Key, row: TransferRow | None, fact: Fact[Event]) -> TransferRow:  # noqa: PLR0911 - one an event
    """The row after the fact; `Fault` when the transfer's first events never came."""
    event, meta = fact.event, fact.meta
    if isinstance(event, TransferRequested):
        return _requested(event, meta)
    if row is None:
        raise Fault(
            f"transfers: {type(event).__name__}, version {meta.version} of {meta.aggregate_id!r}, finds no row: "
            f"earlier events are missing, so fill the view anew from the journal"
        )
    row = replace(row, version=meta.version, updated_at=meta.time, status=STATUS[type(event)])
    match event:
        case TransferApproved(approved_by):
            return replace(row, reviewed_by=approved_by)
        case CreditRefused(code, reason):
            return replace(row, code=code, reason=reason)
        case TransferExpired():
            return replace(row, code=EXPIRED[0], reason=EXPIRED[1])
        case TransferFailed(code, reason, by):
            return replace(row, code=code, reason=reason, reviewed_by=by or row.reviewed_by, ended_at=meta.time)
        case TransactionCompleted():
            return replace(row, ended_at=meta.time)
        case _:
            return row


def _requested(event: TransferRequested, meta: EventMeta) -> TransferRow:
    return TransferRow(
        transfer_id=meta.aggregate_id,
        version=meta.version,
        status="awaiting_review" if event.needs_review else "requested",
        from_account=event.from_account,
        to_account=event.to_account,
        amount=event.amount,
        currency=event.currency,
        requested_by=event.requested_by,
        reference=event.reference,
        reviewed_by=None,
        code=None,
        reason=None,
        expires_at=time_of(event.expires_at),
        requested_at=meta.time,
        updated_at=meta.time,
        ended_at=None,
    )


transfers_view = View(
    name="transfers",
    sources=("transfers",),
    table=Table(name="transfers", row=TransferRow, key=("transfer_id",), ddl=TRANSFERS_TABLE),
    keys=keys,
    evolve=evolve,
)
