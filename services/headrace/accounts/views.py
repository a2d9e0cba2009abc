"""How accounts look to those who read them: one row an account."""

from datetime import datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from headrace.accounts.events import (
    AccountClosed,
    AccountFrozen,
    AccountOpened,
    AccountUnfrozen,
    Event,
    HoldPlaced,
    HoldReleased,
    HoldSettled,
    MoneyDeposited,
    MoneyWithdrawn,
    TransferCredited,
)
from headrace.kernel.errors import Fault
from headrace.kernel.message import Fact
from headrace.kernel.view import Key, Table, View

# Most of what happens to an account changes no column of an index: updates stay in the page of its row.
ACCOUNTS_TABLE: Final = """
CREATE TABLE accounts (
    account_id text        PRIMARY KEY,
    version    bigint      NOT NULL,
    status     text        NOT NULL,
    owner      text        NOT NULL,
    currency   text        NOT NULL,
    balance    bigint      NOT NULL,
    held       bigint      NOT NULL,
    opened_at  timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 70);
CREATE INDEX accounts_by_owner ON accounts (owner, account_id);
COMMENT ON COLUMN accounts.balance IS 'what is available, in minor units of the currency';
COMMENT ON COLUMN accounts.held IS 'what is set aside for transfers, likewise; not in the balance';
"""

STATUS: Final[dict[type, str]] = {AccountFrozen: "frozen", AccountUnfrozen: "open", AccountClosed: "closed"}
"""What an event makes of the account."""
AVAILABLE: Final[dict[type, int]] = {
    MoneyDeposited: +1, MoneyWithdrawn: -1, HoldPlaced: -1, HoldReleased: +1, TransferCredited: +1,
}  # fmt: skip
"""Whether an event's amount comes to what is available, or goes from it."""
HELD: Final[dict[type, int]] = {HoldPlaced: +1, HoldReleased: -1, HoldSettled: -1}
"""Likewise to what is set aside."""


class AccountRow(Struct, frozen=True):
    """One account as of `version`: money in minor units of `currency`, times in UTC."""

    account_id: str
    version: int
    status: str
    owner: str
    currency: str
    balance: int
    held: int
    opened_at: datetime
    updated_at: datetime


def keys(fact: Fact[Event]) -> tuple[Key, ...]:
    """The account's own row, and no other."""
    return ((fact.meta.aggregate_id,),)


def evolve(key: Key, row: AccountRow | None, fact: Fact[Event]) -> AccountRow:
    """The row after the fact; `Fault` when the account's first events never came."""
    event, meta = fact.event, fact.meta
    kind, at = type(event), meta.time
    if isinstance(event, AccountOpened):
        return AccountRow(key[0], meta.version, "open", event.owner, event.currency, 0, 0, at, at)
    if row is None:
        raise Fault(
            f"accounts: {kind.__name__}, version {meta.version} of {meta.aggregate_id!r}, finds no row: "
            f"earlier events are missing, so fill the view anew from the journal"
        )
    amount: int = getattr(event, "amount", 0)
    return replace(
        row,
        version=meta.version,
        status=STATUS.get(kind, row.status),
        balance=row.balance + AVAILABLE.get(kind, 0) * amount,
        held=row.held + HELD.get(kind, 0) * amount,
        updated_at=at,
    )


accounts_view = View(
    name="accounts",
    sources=("accounts",),
    table=Table(name="accounts", row=AccountRow, key=("account_id",), ddl=ACCOUNTS_TABLE),
    keys=keys,
    evolve=evolve,
)
