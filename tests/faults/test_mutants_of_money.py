"""Money that is made or lost: a rule of accounts, or a step of a transfer, is wrong; the check of money says so."""

import pytest

from headrace.accounts.commands import DepositMoney, FreezeAccount, OpenAccount
from headrace.transfers.commands import RequestTransfer
from running import Running
from wrong import assert_caught, each, failpoint

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]

TRANSFERS = 20
FROZEN = "eve"


def pay(bank: Running) -> None:
    """Transfers between two accounts, and some to a third, which takes none."""
    names = ("ann", "bob", FROZEN)
    bank.send("accounts", *[(name, OpenAccount(name.title(), "GBP")) for name in names])
    bank.send("accounts", *[(name, DepositMoney(100_000, "GBP", "wages")) for name in names])
    bank.send("accounts", (FROZEN, FreezeAccount("asked for by a court")))
    for number in range(TRANSFERS):
        target = "bob" if number % 4 else FROZEN
        bank.send("transfers", (f"t-{number}", RequestTransfer("ann", target, 10, "GBP", "ann", "rent")))


@each("double_credit", short=["double_credit"])
def test_an_account_that_is_wrong_about_what_it_takes(bank: Running, wrong: str) -> None:
    bank.start("accounts", "handle", "accounts", HEADRACE_FAILPOINT=failpoint(wrong))
    bank.start("transfers", "handle", "transfers")
    bank.start("process", "react", "transfer_process")
    bank.start_projectors()
    pay(bank)
    bank.wait_until_quiet()
    bank.services.stop()
    assert_caught(bank, "accounts", wrong)


@each("skip_hold", "lose_release", short=["lose_release"])
def test_a_process_that_is_wrong_about_what_follows(bank: Running, wrong: str) -> None:
    bank.start("accounts", "handle", "accounts")
    bank.start("transfers", "handle", "transfers")
    bank.start("process", "react", "transfer_process", HEADRACE_FAILPOINT=failpoint(wrong))
    bank.start_projectors()
    pay(bank)
    bank.wait_until_quiet()
    bank.services.stop()
    assert_caught(bank, "process", wrong)
