"""The world in memory that ships for tests: it does what the servers do, and says what would go wrong there."""

from random import Random

import pytest
from msgspec import Struct

from headrace.accounts.commands import DepositMoney, OpenAccount
from headrace.accounts.views import accounts_view
from headrace.app import bank
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.app import App
from headrace.kernel.errors import Fault, Misconfigured
from headrace.kernel.message import ACCEPTED, PARKED
from headrace.kernel.reactor import Reactor, Send
from headrace.testing import World
from headrace.transfers.commands import RequestTransfer

ANN_TO_BOB = RequestTransfer("ann", "bob", 300, "GBP", "Ann", "rent")


def funded() -> World:
    world = World(bank)
    for name in ("ann", "bob"):
        world.ask(name, OpenAccount(name.title(), "GBP"))
        world.ask(name, DepositMoney(1000, "GBP", "wages"))
    return world


@pytest.mark.parametrize("seed", range(20))
def test_a_process_comes_to_its_end_whatever_comes_first(seed: int) -> None:
    world = funded()
    world.ask("t-1", ANN_TO_BOB)
    world.settle(Random(seed).choice)  # noqa: S311 - an order, no secret
    assert world.state("transfers", "t-1").status == "completed"
    assert {key: row.balance for key, row in world.rows(accounts_view).items()} == {("ann",): 700, ("bob",): 1300}


def test_a_timer_fires_when_it_is_due_and_not_before() -> None:
    world = funded()
    world.park(("accounts", "ann"))
    world.ask("t-1", RequestTransfer("ann", "bob", 300, "GBP", "Ann", "rent", world.now + 60_000))
    world.advance(59_999)
    assert world.state("transfers", "t-1").status == "requested"
    world.advance(1)
    assert [type(event).__name__ for event in world.history("transfers", "t-1")][1] == "TransferExpired"
    world.release(("accounts", "ann"))
    world.settle()
    assert world.state("transfers", "t-1").status == "failed"
    assert world.state("accounts", "ann").balance == 1000


def test_an_expected_version_a_resend_and_a_parked_key_are_answered_as_by_a_handler() -> None:
    world = funded()
    assert world.ask("ann", DepositMoney(1, "GBP", "x"), expected_version=1).code == "VersionConflict"
    sent = world.send("ann", DepositMoney(1, "GBP", "x"))
    world.resend(sent.to)
    world.settle()
    assert [outcome.repeated for outcome in world.outcomes[-2:]] == [False, True]
    assert world.state("accounts", "ann").balance == 1001
    world.park(("accounts", "ann"))
    assert world.ask("ann", DepositMoney(1, "GBP", "x")).result == PARKED
    world.release(("accounts", "ann"))
    assert (world.outcomes[-1].result, world.state("accounts", "ann").balance) == (ACCEPTED, 1002)
    assert world.replayed(("accounts", "ann")) == world.state("accounts", "ann")


class Ping(Struct, frozen=True):
    """Ask."""


class Pinged(Struct, frozen=True):
    """It happened."""


pings = Aggregate(
    name="pings", initial=Ping(), decide=lambda *_: [Pinged()], evolve=lambda s, _: s, commands=Ping, events=Pinged
)


def test_processes_without_an_end_and_commands_to_nobody_are_told() -> None:
    for_ever = Reactor(name="for_ever", events=("pings",), answers=(), react=lambda _: [Send("pings", "p", Ping())])
    world = World(App(aggregates=(pings,), reactors=(for_ever,)))
    world.ask("p", Ping())
    with pytest.raises(AssertionError, match="no end after 100000 steps"):
        world.settle()
    with pytest.raises(Misconfigured, match="OpenAccount is no command of any aggregate"):
        world.ask("p", OpenAccount("Ann", "GBP"))
    lost = Reactor(name="lost", events=("pings",), answers=(), react=lambda _: [Send("pings", "p", Pinged())])
    world = World(App(aggregates=(pings,), reactors=(lost,)))
    world.ask("p", Ping())
    with pytest.raises(Fault, match="reactor lost sends Pinged to 'pings', which takes no such command"):
        world.settle()
