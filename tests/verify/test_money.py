"""Money as the verifier sees it: a bank's past, by its rules and its process, is right; one that is changed is not."""

import pickle
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from headrace.accounts.commands import DepositMoney, FreezeAccount, OpenAccount, WithdrawMoney
from headrace.accounts.limits import Limits
from headrace.transfers.commands import ApproveTransfer, RejectTransfer, RequestTransfer
from headrace_load.verify import money, rows
from headrace_load.verify.money import Ledger
from headrace_load.verify.report import Check
from headrace_load.verify.schemas import Decoded
from headrace_load.verify.sums import Sums, tables
from messages import shipped_codec
from transfers.world import BankWorld
from verify.checking import SCHEMAS

Log = list[Decoded]
LIMITS = Limits(review_above=500)


def request(to: str, amount: int, due: int | None = None) -> RequestTransfer:
    return RequestTransfer("ann", to, amount, "GBP", "ann", "rent", due)


@cache
def frames() -> tuple[bytes, ...]:
    """The events of a bank's past."""
    world = BankWorld(LIMITS)
    live(world)
    return tuple(shipped_codec().encode(fact.event, fact.meta, fact.state) for fact in world.facts)


def live(world: BankWorld) -> None:
    """A past with every end that a transfer can have, and one that waits for a review."""
    for name in ("ann", "bob", "eve"):
        world.send(name, OpenAccount(name, "GBP"))
        world.send(name, DepositMoney(1000, "GBP", "wages"))
    world.send("bob", WithdrawMoney(10, "GBP", "x"))
    world.send("eve", FreezeAccount("r"))
    world.settle()
    asked = [request("bob", 300), request("eve", 10), request("nobody", 10), request("bob", 501), request("bob", 600)]
    for number, command in enumerate([*asked, request("bob", 600), request("bob", 10_000)], 1):
        world.send(f"t-{number}", command)
    world.settle()
    world.send("t-4", ApproveTransfer("bob"))
    world.send("t-5", RejectTransfer("bob", "odd"))
    world.send("t-7", ApproveTransfer("bob"))
    world.settle()
    # The deadline comes while the account cannot be reached, and so do the hold and its release.
    world.park(("accounts", "ann"))
    world.send("t-8", request("bob", 20, world.now + 5))
    world.settle()
    world.fire(("transfer_process", "t-8", "deadline"))
    world.settle()
    world.release(("accounts", "ann"))
    world.settle()


def past() -> Log:
    """As the verifier decodes it, anew for each who changes it."""
    return [SCHEMAS.decode(frame) for frame in frames()]


def problems(log: Log) -> list[str]:
    """What is wrong with the money, each domain read by itself, as from its partitions."""
    check = Check("money", "")
    found = []
    for domain in money.DOMAINS:
        ledger = Ledger(domain, check)
        for event in log:
            if event.form.domain == domain:
                ledger.see(event)
        found.append(pickle.loads(pickle.dumps(ledger.close())))  # noqa: S301 - our own; partitions may be read elsewhere
    money.compare(found, check)
    return check.problems


def one(log: Log, name: str, transfer: str) -> Decoded:
    """The event of that name of that transfer."""
    [found] = [
        event
        for event in log
        if event.form.name == name
        and transfer in (event.fields.get("transfer_id"), event.fields["meta"]["aggregate_id"])
    ]
    return found


def test_a_bank_s_past_is_right() -> None:
    log = past()
    names = {event.form.name for event in log}
    assert names >= {*money.CAUSES, "TransferFailed", "TransferApproved"}
    assert problems(log) == []


def test_each_state_is_the_fold_of_the_verifier_s_own_models() -> None:
    check = Check("states", "")
    for domain, model in rows.MODELS.items():
        fold = rows.Fold(model, check)
        for offset, event in enumerate(past()):
            if event.form.domain == domain:
                fold.apply(event.fields["meta"]["aggregate_id"], offset, event)
    assert check.problems == []


def without(name: str, transfer: str) -> Callable[[Log], Log]:
    return lambda log: [event for event in log if event is not one(log, name, transfer)]


def changed(name: str, transfer: str, **changes: Any) -> Callable[[Log], Log]:
    def change(log: Log) -> Log:
        fields = one(log, name, transfer).fields
        fields |= {key: value for key, value in changes.items() if key in fields}
        fields["meta"] |= {key: value for key, value in changes.items() if key in fields["meta"]}
        return log

    return change


def twice(name: str, transfer: str) -> Callable[[Log], Log]:
    def again(log: Log) -> Log:
        found = one(log, name, transfer)
        meta = found.fields["meta"]
        copy = found._replace(fields=found.fields | {"meta": meta | {"version": meta["version"] + 1000}})
        return [*log, copy]

    return again


WRONG: list[tuple[str, Callable[[Log], Log], str]] = [
    ("a credit that is doubled", twice("TransferCredited", "t-1"), "t-1: it is completed, and there is"),
    ("a release that is lost", without("HoldReleased", "t-2"), "t-2: it is failed, and there is"),
    ("a hold that is skipped", without("HoldPlaced", "t-1"), "t-1: it is completed, and there is"),
    ("a hold that is not settled", without("HoldSettled", "t-1"), "t-1: it is completed, and there is"),
    ("a credit that is not settled", without("CreditSettled", "t-1"), "t-1: it is completed, and there is"),
    ("a transfer that stands still", without("TransactionCompleted", "t-1"), "t-1: it has not come to its end"),
    ("an end that is missing", without("TransferFailed", "t-3"), "t-3: it has not come to its end"),
    ("two ends", twice("TransactionCompleted", "t-1"), "t-1: it has more than one end"),
    ("a transfer that nobody requested", without("TransferRequested", "t-1"), "t-1: nobody requested it"),
    ("another amount", changed("TransferCredited", "t-1", amount=301), "moves ('ann', 'bob', 301, 'GBP')"),
    ("another account", changed("HoldPlaced", "t-1", to_account="eve"), "moves ('ann', 'eve', 300, 'GBP')"),
    (
        "a hold that was let go before the credit",
        changed("HoldSettled", "t-1", causation_id="accounts/ann/3"),
        "and not from MoneyTransferred",
    ),
    (
        "a credit for another transfer's hold",
        changed("TransferCredited", "t-1", causation_id="transfers/t-4/3"),
        "transfers/t-4/3, no event of the transfer, and not from FundsHeld",
    ),
]


@pytest.mark.parametrize(("change", "said"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_is_wrong_with_money_is_named(change: Callable[[Log], Log], said: str) -> None:
    found = problems(change(past()))
    assert any(said in problem for problem in found), found


def test_money_that_came_from_nowhere_is_missed_in_the_sum() -> None:
    log = past()
    deposit = next(event for event in log if event.form.name == "MoneyDeposited")
    [said] = problems([event for event in log if event is not deposit])
    assert said == "1990 GBP came from outside, 2990 are there, 0 of them twice: credited, and still set aside"


def test_a_balance_below_nothing_is_named() -> None:
    log = past()
    one(log, "HoldPlaced", "t-1").fields["state"]["balance"] = -1
    assert any("-1, 300 set aside" in problem for problem in problems(log))


def test_a_transfer_that_waits_for_a_review_is_at_rest() -> None:
    log = past()
    assert [event.form.name for event in log if event.fields["meta"]["aggregate_id"] == "t-6"] == ["TransferRequested"]


def test_a_hold_of_no_transfer_that_was_given_back_is_no_problem() -> None:
    log = past()
    placed, released = one(log, "HoldPlaced", "t-8"), one(log, "HoldReleased", "t-8")
    placed.fields["meta"]["causation_id"] = "somebody's command"
    released.fields["meta"]["causation_id"] = "accounts/ann/" + str(placed.fields["meta"]["version"])
    gone = [event for event in log if event.fields["meta"]["aggregate_id"] != "t-8"]
    assert problems(gone) == []
    assert any("t-8: nobody requested it" in each for each in problems([e for e in gone if e is not released]))


def test_tables_of_the_bank_are_folded() -> None:
    found: dict[str, Sums] = {}
    for domain in money.DOMAINS:
        its = tables(domain, {"statements_v1": set(), "transfer_volumes_v1": set()})
        fold = rows.Fold(rows.MODELS[domain], Check("", ""))
        for offset, event in enumerate(past()):
            if event.form.domain == domain:
                own = event.fields["meta"]["aggregate_id"]
                after = fold.apply(own, offset, event)
                for table in its.values():
                    table.apply((0, own, offset), event, after)
        found |= its
    balances: dict[str, int] = {}
    for (account, _), row in sorted(found["statements_v1"].rows.items()):
        balances[account] = balances.get(account, 0) + row[2]
        assert row[3] == balances[account]
    assert balances == {"ann": 199, "bob": 1791, "eve": 1000}
    [day] = found["transfer_volumes_v1"].rows.values()
    assert day == (8, 300 + 10 + 10 + 501 + 600 + 600 + 10_000 + 20, 2, 801, 5, 10 + 10 + 600 + 10_000 + 20)
