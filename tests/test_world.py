"""The world in memory that ships for tests: it does what the servers do, and says what would go wrong there."""

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from msgspec import Struct

from handler.bells import Ring, Smash, bells
from handler.desk import bell_desk
from headrace.accounts.commands import DepositMoney, OpenAccount
from headrace.accounts.views import accounts_view
from headrace.app import bank
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.app import App
from headrace.kernel.errors import Fault, Misconfigured
from headrace.kernel.message import ACCEPTED, PARKED, DiscardParked, Outcome
from headrace.kernel.reactor import Reaction, Reactor, Schedule, Send
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


BELL = ("bells", "b")


def told(outcomes: Sequence[Outcome]) -> list[tuple[str, str | None, int]]:
    return [(outcome.result, outcome.code, outcome.version) for outcome in outcomes]


def test_all_that_waits_for_a_key_is_given_up_as_by_a_handler() -> None:
    desk, world = bell_desk(), World(App(aggregates=(bells,)))
    world.park(BELL, KeyError("floor"))
    commands = (Smash("floor"), Ring(1), Ring(1))
    waiting = [(desk.ask("b", command).outcome, world.ask("b", command)) for command in commands]
    assert told([of_desk for of_desk, _ in waiting]) == told([of_world for _, of_world in waiting])
    assert [outcome.message for outcome, _ in waiting] == [outcome.message for _, outcome in waiting]
    desk.commit()
    desk.ask("b", DiscardParked("odd"))
    desk.commit()
    given_up = [desk.codec.decode(frame).body for frame in desk.outcomes[3:-1]]
    world.release(BELL, discard=True)
    assert told(world.outcomes[3:]) == told(given_up) == [("refused", "Discarded", 0)] * 3
    assert world.ask("b", Ring(1)).result == ACCEPTED


@pytest.mark.parametrize(
    ("name", "command"), [("b", Smash("clapper")), ("", Ring(1)), ("x" * 201, Ring(1)), ("a\0b", Ring(1))]
)
def test_what_a_handler_refuses_is_refused_and_leaves_nothing(name: str, command: Any) -> None:
    world = World(App(aggregates=(bells,)))
    assert told([world.ask(name, command)]) == told([bell_desk().ask(name, command).outcome])
    assert (world.history("bells", name), world.facts) == ([], [])


def test_all_that_follows_from_a_command_has_its_correlation_id_and_names_what_it_follows_from() -> None:
    world = funded()
    first = world.ask("t-1", ANN_TO_BOB).command_id
    world.settle()
    followed = [fact.meta for fact in world.facts if fact.meta.correlation_id == first]
    assert len(followed) == 8
    assert [meta.causation_id for meta in followed[:3]] == [first, "transfers/t-1/1", "accounts/ann/3"]


def test_facts_and_answers_have_places_in_their_topics() -> None:
    world = funded()
    world.ask("t-1", ANN_TO_BOB)
    world.settle()
    for aggregate in bank.aggregates:
        facts = [fact for fact in world.facts if fact.topic == aggregate.event_topic]
        assert [fact.offset for fact in facts] == list(range(len(facts)))
        offsets = [fact.meta.command_offset for fact in facts]
        assert offsets == sorted(set(offsets))
    assert [outcome.command_offset for outcome in world.outcomes[:4]] == [0, 1, 2, 3]


class Begin(Struct, frozen=True):
    """Let timers be set."""


class Note(Struct, frozen=True):
    """A timer has fired."""

    what: str


class Begun(Struct, frozen=True):
    """They are set."""


class Noted(Struct, frozen=True):
    """It was noted."""

    what: str


def note(command: Begin | Note, *_: Any) -> list[Begun | Noted]:
    return [Noted(command.what)] if isinstance(command, Note) else [Begun()]


notes = Aggregate(
    name="notes", initial=Begin(), decide=note, evolve=lambda s, _: s, commands=Begin | Note, events=Begun | Noted
)


def timed(*timers: tuple[str, int], again: int | None = None) -> World:
    """A world whose process sets these timers, by their times from its beginning, or one after each event."""

    def react(seen: Any) -> list[Reaction]:
        def timer(name: str, after: int) -> Schedule:
            return Schedule(name, seen.log_time + after, Send("notes", "n", Note(name)))

        if again is not None:
            return [timer("again", again)]
        return [timer(*each) for each in timers] if isinstance(seen.event, Begun) else []

    reactor = Reactor(name="timed", events=("notes",), answers=(), react=react)
    world = World(App(aggregates=(notes,), reactors=(reactor,)))
    world.ask("n", Begin())
    return world


def noted(world: World) -> list[str]:
    return [event.what for event in world.history("notes", "n")[1:]]


@pytest.mark.parametrize("seed", range(5))
def test_timers_fire_in_the_order_of_their_times_and_those_of_one_time_as_they_were_set(seed: int) -> None:
    choose = Random(seed).choice  # noqa: S311 - an order, no secret
    world = timed(("alarm", 9), ("late", 10), ("end", 9), ("alarm", 9))
    world.advance(20, choose)
    assert noted(world) == ["end", "alarm", "late"]
    overdue = timed(("alarm", -2), ("later", -1), ("end", -2), ("alarm", -2))
    overdue.settle(choose)
    assert noted(overdue) == ["end", "alarm", "later"]


@pytest.mark.parametrize(("again", "said"), [(0, "no end after 100 steps"), (1, "no end after 100 timers")])
def test_timers_without_an_end_are_told(again: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.testing.world.MOST_STEPS", 100)
    world = timed(again=again)
    with pytest.raises(AssertionError, match=said):
        world.advance(1_000_000)
