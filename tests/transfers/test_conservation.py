"""Whatever comes in whatever order, money is neither made nor lost, and every transfer comes to one end."""

from collections.abc import Callable
from itertools import cycle
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from headrace.accounts.commands import (
    CloseAccount,
    DepositMoney,
    FreezeAccount,
    OpenAccount,
    UnfreezeAccount,
    WithdrawMoney,
)
from headrace.accounts.events import HoldPlaced, HoldReleased, HoldSettled, TransferCredited
from headrace.accounts.limits import Limits
from headrace.kernel.message import ACCEPTED
from headrace.testing.world import NOBODY, Name
from headrace.transfers.commands import ApproveTransfer, RejectTransfer, RequestTransfer
from headrace.transfers.events import TransactionCompleted, TransferFailed
from transfers.world import BankWorld, transfer_of

MOST = 2**53 - 1
LIMITS = Limits(review_above=50, account_per_day=2000, account_per_hour=30, open_per_account=3)
ACCOUNTS = ["a", "b", "c", "d"]
OPEN = {"a": "GBP", "b": "GBP", "c": "GBP", "d": "EUR"}
account_ids = st.sampled_from(["a", "b", "a", "b", *ACCOUNTS, "nobody"])
amounts = st.integers(1, 40) | st.integers(1, 60) | st.sampled_from([100, 1000, MOST])
numbers = st.integers(0, 1_000_000)
hows = st.sampled_from(["once"] * 12 + ["resent"] * 2 + ["forgotten"] * 4 + ["discarded"])
END_STEPS = 20_000
MOST_DISCARDS = 4


class Bank(RuleBasedStateMachine):
    """Rules are what may come next; most often it is a step of what is under way."""

    @initialize(endings=st.lists(st.sampled_from(["once", "forgotten", "discarded"]), min_size=1, max_size=9))
    def open_accounts(self, endings: list[str]) -> None:
        self.endings = cycle(endings)
        self.discards = MOST_DISCARDS
        self.world = BankWorld(LIMITS)
        self.asked = 0
        self.ends: set[str] = set()
        for name, currency in OPEN.items():
            self.world.send(name, OpenAccount(name, currency))
            self.world.send(name, DepositMoney(100, currency, "x"))
        self.finish()

    @rule(name=account_ids, amount=amounts)
    def deposit(self, name: str, amount: int) -> None:
        self.world.send(name, DepositMoney(amount, OPEN.get(name, "GBP"), "x"))

    @rule(name=account_ids, amount=amounts)
    def withdraw(self, name: str, amount: int) -> None:
        self.world.send(name, WithdrawMoney(amount, OPEN.get(name, "GBP"), "x"))

    @rule(name=account_ids, command=st.sampled_from([FreezeAccount("r"), *[UnfreezeAccount()] * 3]))
    def freeze(self, name: str, command: Any) -> None:
        self.world.send(name, command)

    @rule(name=st.sampled_from(["c", "d", "nobody"]))
    def empty_and_close(self, name: str) -> None:
        account = self.world.accounts.get(name)
        if account and account.balance:
            self.world.send(name, WithdrawMoney(account.balance, account.currency, "x"))
        self.world.send(name, CloseAccount())

    @rule(from_account=account_ids, to_account=account_ids, amount=amounts, wait=st.none() | st.integers(1, 5000))
    def request(self, from_account: str, to_account: str, amount: int, wait: int | None) -> None:
        self.asked += 1
        due = wait and self.world.now + wait
        command = RequestTransfer(from_account, to_account, amount, OPEN.get(from_account, "GBP"), "ann", "x", due)
        self.world.send(f"t-{self.asked}", command)

    @precondition(lambda self: self.asked)
    @rule(number=numbers, command=st.sampled_from([ApproveTransfer("bob"), RejectTransfer("bob", "r")]))
    def review(self, number: int, command: Any) -> None:
        self.world.send(f"t-{1 + number % self.asked}", command)

    @precondition(lambda self: self.world.ready())
    @rule(choices=st.lists(st.tuples(numbers, hows, numbers), min_size=1, max_size=40))
    def go_on(self, choices: list[tuple[int, str, int]]) -> None:
        for choice, how, place in choices:
            if ready := self.world.ready():
                self._step(*ready[choice % len(ready)], how, place)
                self.money_is_neither_made_nor_lost()

    def _step(self, step: str, name: Any, how: str, place: int) -> None:
        if step != "handle" or how == "once" or self.world.logs[name][0].forgotten:
            self.world.take((step, name))
        elif how == "resent":
            self.world.resend(name, place)
        elif how == "discarded":
            self._discard(name)
        else:
            self._handle_and_forget(name, place)

    def _handle_and_forget(self, name: Name, place: int) -> None:
        """Once its id is forgotten, a command that was accepted comes again, before what follows for its transfer."""
        log = self.world.logs[name]
        sent = log[0]
        self.world.take(("handle", name))
        known = self.world.known.get(sent.command_id)
        if known is None or known.result != ACCEPTED or sent.process == NOBODY:
            return
        before = next((n for n, each in enumerate(log) if transfer_of(each) == transfer_of(sent)), len(log))
        log.insert(place % (before + 1), replace(sent, forgotten=True))

    def _discard(self, name: Name) -> None:
        """Our code breaks on a command of the process to an account, which an operator then gives up."""
        sent = self.world.logs[name][0]
        of_process = name[0] == "accounts" and sent.process != NOBODY
        if not of_process or name in self.world.parked or not self.discards:
            self.world.take(("handle", name))
            return
        self.discards -= 1
        self.world.park(name)
        self.world.take(("handle", name))
        self.world.release(name, discard=True)

    @precondition(lambda self: self.world.timers)
    @rule(choice=numbers, early=st.booleans())
    def fire(self, choice: int, *, early: bool) -> None:
        timers = sorted(self.world.timers)
        self.world.fire(timers[choice % len(timers)], early_ms=int(early))

    @rule(number=numbers, kind=st.sampled_from(["accounts", "transfers"]))
    def park(self, number: int, kind: str) -> None:
        names = [name for name in self.world.states if name[0] == kind]
        if names:
            self.world.park(names[number % len(names)])

    @precondition(lambda self: self.world.parked)
    @rule(number=numbers)
    def release(self, number: int) -> None:
        self.world.release(sorted(self.world.parked)[number % len(self.world.parked)])

    @invariant()
    def money_is_neither_made_nor_lost(self) -> None:
        world = self.world
        assert world.there == world.brought
        for account in world.accounts.values():
            assert 0 <= account.balance <= MOST - account.held
            assert account.held == sum(hold.amount for hold in account.holds.values())

    def finish(self) -> None:
        """All that is under way comes to its end: what is parked goes on, and so does what must be asked again."""
        world = self.world
        for _ in range(END_STEPS):
            again = [key for key in world.timers if key[2] != "deadline"]
            if world.parked:
                world.release(next(iter(world.parked)))
            elif ready := world.ready():
                self._step(*ready[len(ready) // 2], next(self.endings), 0)
            elif again:
                world.fire(again[0])
            else:
                return
            self.money_is_neither_made_nor_lost()
        raise AssertionError(f"no end: {world.ready()} {world.timers}")

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.finish()
        self._all_is_at_rest({"completed", "failed", "awaiting_review"})
        while self.world.timers:
            self.world.fire(min(self.world.timers))
            self.finish()
        self._all_is_at_rest({"completed", "failed"})

    def _all_is_at_rest(self, statuses: set[str]) -> None:
        world = self.world
        for account in world.accounts.values():
            assert (account.held, account.holds, account.credits) == (0, {}, {})
        for name, transfer in world.transfers.items():
            assert transfer.status in statuses, (name, transfer)
            self._assert_one_end(name, transfer.status)
        self.ends = {transfer.code or transfer.status for transfer in world.transfers.values()}
        for name, state in world.states.items():
            assert world.replayed(name) == state

    def _assert_one_end(self, name: str, status: str) -> None:
        ends = [
            event
            for event in self.world.happened["transfers", name]
            if isinstance(event, TransactionCompleted | TransferFailed)
        ]
        assert len(ends) == (status in ("completed", "failed"))
        did = [
            type(event)
            for (kind, _), happened in self.world.happened.items()
            for event in happened
            if kind == "accounts" and getattr(event, "transfer_id", None) == name
        ]
        assert did.count(HoldPlaced) == did.count(HoldSettled) + did.count(HoldReleased)
        assert did.count(HoldSettled) == did.count(TransferCredited) == (status == "completed")


def test_money_is_neither_made_nor_lost_and_every_transfer_comes_to_one_end() -> None:
    run_state_machine_as_test(Bank, settings=settings(max_examples=80, stateful_step_count=50))


TO_ENDS: dict[str, list[Callable[[Bank], None]]] = {
    "completed": [lambda bank: bank.request("a", "b", 10, None)],
    "Expired": [lambda bank: bank.request("a", "b", 60, None)],
    "Rejected": [
        lambda bank: bank.request("a", "b", 60, None),
        lambda bank: bank.finish(),
        lambda bank: bank.review(0, RejectTransfer("bob", "r")),
    ],
    "UnknownAccount": [lambda bank: bank.request("a", "nobody", 10, None)],
    "FrozenAccount": [
        lambda bank: bank.freeze("b", FreezeAccount("r")),
        lambda bank: bank.request("a", "b", 10, None),
    ],
    "InsufficientFunds": [lambda bank: bank.withdraw("a", 95), lambda bank: bank.request("a", "b", 10, None)],
}


@pytest.mark.parametrize("how", ["once", "forgotten"])
@pytest.mark.parametrize("end", TO_ENDS)
def test_the_bank_above_comes_to_every_kind_of_end(end: str, how: str) -> None:
    """By hand, since what a search comes to is chance."""
    bank = Bank()
    bank.open_accounts([how])
    for step in TO_ENDS[end]:
        step(bank)
    bank.teardown()
    assert bank.ends == {end}


def test_a_transfer_whose_commands_are_given_up_fails_as_discarded() -> None:
    bank = Bank()
    bank.open_accounts(["discarded"])
    bank.request("a", "b", 10, None)
    bank.teardown()
    assert bank.ends == {"Discarded"}
