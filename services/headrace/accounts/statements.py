"""An account's movements, one row each: all that changes what is available, in the order in which it happened."""

from datetime import datetime
from typing import Final

from msgspec import Struct

from headrace.accounts.events import (
    Event,
    HoldPlaced,
    HoldReleased,
    MoneyDeposited,
    MoneyWithdrawn,
    TransferCredited,
)
from headrace.accounts.views import AVAILABLE
from headrace.kernel.message import Fact
from headrace.kernel.view import Key, Table, View

# The primary key is the order in which pages are read: account by account, movement by movement.
STATEMENTS_TABLE: Final = """
CREATE TABLE statements (
    account_id   text        NOT NULL,
    version      bigint      NOT NULL,
    occurred_at  timestamptz NOT NULL,
    kind         text        NOT NULL,
    amount       bigint      NOT NULL,
    balance      bigint      NOT NULL,
    currency     text        NOT NULL,
    transfer_id  text,
    counterparty text,
    reference    text,
    applied_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account_id, version)
);
CREATE INDEX statements_by_transfer ON statements (transfer_id) WHERE transfer_id IS NOT NULL;
COMMENT ON COLUMN statements.amount IS 'what came (or went, below 0), in minor units of the currency';
COMMENT ON COLUMN statements.balance IS 'what was available then';
"""

KINDS: Final[dict[type, str]] = {
    MoneyDeposited: "deposit",
    MoneyWithdrawn: "withdrawal",
    HoldPlaced: "hold",
    HoldReleased: "release",
    TransferCredited: "credit",
}


class StatementRow(Struct, frozen=True):
    """One movement: `amount` is below 0 when money went, `balance` what was available after it, in minor units.

    A transfer that leaves the account is a `hold`, at once, and a `release` should it come back; one that comes is a
    `credit`. `counterparty` is the other account.
    """

    account_id: str
    version: int
    occurred_at: datetime
    kind: str
    amount: int
    balance: int
    currency: str
    transfer_id: str | None
    counterparty: str | None
    reference: str | None


def keys(fact: Fact[Event]) -> tuple[Key, ...]:
    """The movement's own row; none for what moves nothing."""
    return ((fact.meta.aggregate_id, fact.meta.version),) if type(fact.event) in KINDS else ()


def evolve(key: Key, _row: StatementRow | None, fact: Fact[Event]) -> StatementRow:
    """The row of the movement."""
    event, kind = fact.event, type(fact.event)
    moved: int = getattr(event, "amount", 0)
    return StatementRow(
        account_id=key[0],
        version=key[1],
        occurred_at=fact.meta.time,
        kind=KINDS[kind],
        amount=AVAILABLE[kind] * moved,
        balance=fact.state.balance,
        currency=fact.state.currency,
        transfer_id=getattr(event, "transfer_id", None),
        counterparty=getattr(event, "to_account", None) or getattr(event, "from_account", None),
        reference=getattr(event, "reference", None),
    )


statements = View(
    name="statements",
    sources=("accounts",),
    table=Table(name="statements", row=StatementRow, key=("account_id", "version"), ddl=STATEMENTS_TABLE),
    keys=keys,
    evolve=evolve,
)
