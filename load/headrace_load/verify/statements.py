"""The verifier's own model of an account's movements: a row for each event that changes what is available."""

from typing import Any, Final

from headrace_load.verify.accounts import ADDS, Account, Fields

PROJECTOR: Final = "statements_v1"
TABLE: Final = "statements_v1.statements"
KEY: Final = ("account_id", "version")
SUMMED: Final = (
    "occurred_at", "kind", "amount", "balance", "currency", "transfer_id", "counterparty", "reference",
)  # fmt: skip
# What readers see under the plain name.
SEEN: Final = "public.statements"
SEEN_KEY: Final = KEY
SEEN_COLUMNS: Final = SUMMED
KINDS: Final = {
    "MoneyDeposited": "deposit",
    "MoneyWithdrawn": "withdrawal",
    "HoldPlaced": "hold",
    "HoldReleased": "release",
    "TransferCredited": "credit",
}

Rows = dict[tuple[Any, ...], tuple[Any, ...]]


def key(_partition: int, name: str, event: Fields, _account: Account) -> tuple[Any, ...] | None:
    """The movement's own row; None for what moves nothing."""
    meta = event["meta"]
    return (meta["aggregate_id"], meta["version"]) if name in KINDS else None


def adds(name: str, event: Fields, account: Account) -> tuple[Any, ...]:
    """The row, in the order of SUMMED; `account` is as it is after the event."""
    return (
        event["meta"]["occurred_at"], KINDS[name], ADDS[name][0] * event["amount"], account.balance, account.currency,
        event.get("transfer_id"), event.get("to_account", event.get("from_account")), event.get("reference"),
    )  # fmt: skip


def seen(rows: Rows) -> Rows:
    """What readers see of the rows: the same."""
    return dict(rows)
