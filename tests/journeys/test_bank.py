"""Money from one account to another, through the topics: held, credited, let go, given back; reviewed, or too late."""

import json
import time

import pytest
from msgspec import Struct

from headrace.accounts.commands import DepositMoney, FreezeAccount, OpenAccount
from headrace.app import LIMITS
from headrace.transfers.commands import ApproveTransfer, RejectTransfer, RequestTransfer
from running import Running

pytestmark = pytest.mark.edge

TRANSFERS = "SELECT transfer_id, status, code FROM transfers ORDER BY transfer_id"
ACCOUNTS = "SELECT account_id, balance, held FROM accounts ORDER BY account_id"


def request(to: str, amount: int, *, within_ms: int | None = None) -> RequestTransfer:
    expires_at = within_ms and int(time.time() * 1000) + within_ms
    return RequestTransfer("ann", to, amount, "GBP", "Ann", "rent", expires_at)


def opened(*names: str) -> list[tuple[str, Struct]]:
    return [
        command
        for name in names
        for command in ((name, OpenAccount(name.title(), "GBP")), (name, DepositMoney(1000, "GBP", "wages")))
    ]


def start(bank: Running) -> None:
    bank.env[LIMITS] = '{"review_above": 500}'
    bank.start("accounts", "handle", "accounts")
    bank.start("transfers", "handle", "transfers")
    bank.start("process", "react", "transfer_process")
    bank.start_projectors()


def test_transfers_come_to_their_ends_and_all_money_is_there(bank: Running) -> None:
    start(bank)
    bank.send("accounts", *opened("ann", "bob", "eve"), ("eve", FreezeAccount("asked for by the court")))
    bank.wait_until_quiet()
    bank.send(
        "transfers",
        ("t-1", request("bob", 300)),
        ("t-2", request("eve", 100)),
        ("t-3", request("nobody", 100)),
        ("t-4", request("bob", 501)),
        ("t-5", request("bob", 600)),
        ("t-6", request("bob", 600)),
        ("t-7", request("bob", 700, within_ms=3000)),
    )
    bank.wait(lambda: ("t-1", "completed", None) in bank.rows(TRANSFERS), "the first transfer is completed")
    bank.send("transfers", ("t-4", ApproveTransfer("Bob")), ("t-5", RejectTransfer("Bob", "looks odd")))
    bank.send("transfers", ("t-6", ApproveTransfer("ann")))
    bank.wait(lambda: ("t-7", "failed", "Expired") in bank.rows(TRANSFERS), "the deadline of the last has come")
    bank.wait_until_quiet()
    assert bank.rows(TRANSFERS) == [
        ("t-1", "completed", None),
        ("t-2", "failed", "FrozenAccount"),
        ("t-3", "failed", "UnknownAccount"),
        ("t-4", "completed", None),
        ("t-5", "failed", "Rejected"),
        ("t-6", "awaiting_review", None),
        ("t-7", "failed", "Expired"),
    ]
    assert bank.rows(ACCOUNTS) == [("ann", 199, 0), ("bob", 1801, 0), ("eve", 1000, 0)]
    assert bank.rows("SELECT account_id, sum(amount) FROM statements GROUP BY account_id ORDER BY account_id") == [
        ("ann", 199),
        ("bob", 1801),
        ("eve", 1000),
    ]
    volumes = "SELECT sum(requested), sum(completed), sum(completed_amount), sum(failed) FROM transfer_volumes"
    assert bank.rows(volumes) == [(7, 2, 801, 4)]
    refused = [
        (outcome.command_type, outcome.code)
        for *_, value in bank.read("transfers.outcomes")
        if (outcome := bank.codec.decode(value).body).result == "refused"
    ]
    assert refused == [("ApproveTransfer", "SelfApproval")]
    waiting = json.loads(bank.headrace("processes", "list", "--json").stdout)
    assert [(process["id"], process["waits_for"]) for process in waiting] == [("t-6", "review")]
    bank.assert_sound()
    kept = bank.verify().check("reactors").counted
    assert kept == {"reactors": 1, "timers": 1, "keys_that_wait": 0, "records_that_wait": 0}
    bank.services.stop("process")
    bank.send("transfers", ("t-8", request("bob", 1)))
    bank.wait(lambda: any("1 events without a reaction" in problem for problem in problems(bank)), "verify names it")


def problems(bank: Running) -> list[str]:
    """What `headrace verify` says is wrong."""
    return [problem for check in bank.verify().checks for problem in check.problems]
