"""The demo's second act: accounts are opened, money moves between them, and a second person looks at the large sum."""

import time
from typing import Any, Final
from uuid import uuid4

import psycopg
from msgspec import Struct
from psycopg.rows import dict_row

from headrace.accounts.commands import DepositMoney, FreezeAccount, OpenAccount
from headrace.app import bank
from headrace.avro.codec import Codec
from headrace.avro.contract import read_lock
from headrace.client import CommandClient
from headrace.kernel.message import CommandMeta
from headrace.settings import Settings
from headrace.transfers.commands import ApproveTransfer, RequestTransfer

CURRENCY: Final = "GBP"
PAID_IN: Final = {"ann": 100_000, "bob": 5_000, "eve": 0}
"""The accounts, and what is paid into each, in pence."""
REVIEWED: Final = 50_000
"""Transfers of more wait for a second person."""
FROZEN: Final = "eve"
ASKED: Final = (
    ("rent", "ann", "bob", 25_000),
    ("change", "bob", "ann", 2_050),
    ("to-eve", "ann", "eve", 1_000),  # comes back: the account is frozen
    ("too-much", "bob", "ann", 40_000),  # more than there is
    ("car", "ann", "bob", 60_000),  # waits for a second person
)
"""Transfers: id, from, to, pence."""
ENDINGS: Final = {
    "rent": "completed",
    "change": "completed",
    "to-eve": "failed",
    "too-much": "failed",
    "car": "completed",
}
"""How each is to end."""

TRANSFERS: Final = """
    SELECT transfer_id, from_account, to_account, amount, status, code, reviewed_by
    FROM transfers ORDER BY requested_at, transfer_id"""
ACCOUNTS: Final = "SELECT account_id, owner, status, balance, held FROM accounts ORDER BY account_id"


class Bank:
    """A client of the bank's, who looks at its read models."""

    def __init__(self, settings: Settings) -> None:
        self._database_url = settings.database
        self._client = CommandClient(Codec(bank, read_lock(settings.schemas)), settings)

    def open_accounts(self) -> None:
        """Open them, pay money in, and freeze one."""
        for name, amount in PAID_IN.items():
            self._send("accounts", name, OpenAccount(name.title(), CURRENCY))
            if amount:
                self._send("accounts", name, DepositMoney(amount, CURRENCY, "paid in"))
        self._send("accounts", FROZEN, FreezeAccount("asked for by a court"))
        self._client.flush()

    def ask(self) -> None:
        """Request the transfers."""
        for name, source, target, amount in ASKED:
            self._send("transfers", name, RequestTransfer(source, target, amount, CURRENCY, source, name), actor=source)
        self._client.flush()

    def approve(self) -> None:
        """The second person has looked at the large sum."""
        self._send("transfers", "car", ApproveTransfer("carol"), actor="carol")
        self._client.flush()

    def is_open(self) -> bool:
        """Whether all accounts are there, the frozen one frozen."""
        found = {row["account_id"]: row for row in self._rows(ACCOUNTS)}
        return found.keys() == PAID_IN.keys() and found[FROZEN]["status"] == "frozen"

    def waits_for_review(self) -> bool:
        """Whether all but the large sum have ended, and it waits."""
        found = self._statuses()
        return found == ENDINGS | {"car": "awaiting_review"}

    def is_over(self) -> bool:
        """Whether every transfer has ended as it is to."""
        return self._statuses() == ENDINGS

    def read(self) -> dict[str, Any]:
        """Accounts and transfers as their readers see them, and whether every penny that was paid in is there."""
        accounts, transfers = self._rows(ACCOUNTS), self._rows(TRANSFERS)
        there = sum(row["balance"] + row["held"] for row in accounts)
        conserved = there == sum(PAID_IN.values()) and not any(row["held"] for row in accounts)
        return {"conserved": conserved, "accounts": accounts, "transfers": transfers}

    def _statuses(self) -> dict[str, str]:
        return {row["transfer_id"]: row["status"] for row in self._rows(TRANSFERS)}

    def _rows(self, query: str) -> list[dict[str, Any]]:
        with psycopg.connect(self._database_url, row_factory=dict_row) as connection:
            return connection.execute(query).fetchall()

    def _send(self, aggregate: str, name: str, command: Struct, actor: str | None = None) -> None:
        meta = CommandMeta(command_id=str(uuid4()), aggregate_id=name, actor=actor, issued_at=round(time.time() * 1000))
        self._client.send(bank.aggregate(aggregate), command, meta)
