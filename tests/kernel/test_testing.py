"""What ships for tests of rules: a history, a command, an outcome; facts, a view, its rows."""

import inspect
import re
from datetime import date
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

import headrace.testing
from headrace.accounts.commands import DepositMoney, OpenAccount, PlaceHold
from headrace.app import bank
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.message import Fact
from headrace.kernel.reactor import Send
from headrace.kernel.view import Key, Table, View
from headrace.orders.commands import DeliverOrder, PayOrder, ShipOrder
from headrace.orders.decider import UnknownOrder, orders
from headrace.orders.events import Line, OrderCreated, OrderPaid, OrderShipped
from headrace.orders.views import orders_view
from headrace.testing import World, facts, fold, given, reactions
from headrace.transfers.commands import RequestTransfer
from headrace.transfers.decider import transfers
from headrace.transfers.process import transfer_process

CREATED = OrderCreated([Line("A", "", 1, 5)], "GBP", None, date(2010, 12, 1), 5)
PAID = OrderPaid("p", 5, "GBP")


class Ring(Struct, frozen=True):
    pass


class Rang(Struct, frozen=True):
    at: int


def ring(_command: Ring, _rings: int, at: int) -> list[Rang]:
    return [Rang(at)]


def rang(rings: int, _event: Rang) -> int:
    return rings + 1


bells: Aggregate[Ring, int, Rang] = Aggregate(
    name="bells", initial=0, decide=ring, evolve=rang, commands=Ring, events=Rang
)


def test_a_history_is_folded_before_the_command_is_decided() -> None:
    assert given(orders, CREATED).when(PayOrder("p", 5, "GBP")) == [PAID]


def test_a_refusal_is_raised_to_the_test() -> None:
    with pytest.raises(UnknownOrder):
        given(orders).when(DeliverOrder())


def test_a_test_says_when_a_command_was_appended() -> None:
    assert given(bells, Rang(1)).when(Ring(), at=1_700_000_000_000) == [Rang(1_700_000_000_000)]
    assert given(bells).when(Ring()) == [Rang(0)]


def test_facts_count_their_versions_and_carry_the_state_after_them() -> None:
    log = list(facts(orders, "o-1", CREATED, PAID))
    assert [fact.version for fact in log] == [1, 2]
    assert [fact.state.status for fact in log] == ["created", "paid"]
    assert {fact.aggregate_id for fact in log} == {"o-1"}
    assert {fact.topic for fact in log} == {"orders.events"}


def test_facts_happen_when_the_test_says_so() -> None:
    new_year = 1_767_225_600_000
    log = list(facts(orders, "o-1", CREATED, PAID, at=new_year))
    assert [fact.meta.occurred_at for fact in log] == [fact.log_time for fact in log] == [new_year, new_year + 1]
    assert log[0].meta.time.isoformat() == "2026-01-01T00:00:00+00:00"


class Bell(Struct, frozen=True):
    bell: str
    heard_in: str
    rung: int


def bell_key(fact: Fact[Any]) -> tuple[Key, ...]:
    return ((fact.aggregate_id, "tower"), (fact.aggregate_id, "town"))


def bell_row(key: Key, row: Bell | None, fact: Fact[Any]) -> Bell | None:
    if fact.event.at < 0:
        return None
    return Bell(*key, 1) if row is None else replace(row, rung=row.rung + 1)


BELLS = View(
    name="bells",
    sources=("bells",),
    table=Table(name="bells", row=Bell, key=("bell", "heard_in"), ddl=""),
    keys=bell_key,
    evolve=bell_row,
)


def test_a_fold_touches_every_row_that_a_fact_names() -> None:
    log = [*facts(bells, "big", Rang(1), Rang(2)), *facts(bells, "small", Rang(3))]
    assert {key: row.rung for key, row in fold(BELLS, log).items()} == {
        ("big", "tower"): 2, ("big", "town"): 2, ("small", "tower"): 1, ("small", "town"): 1
    }  # fmt: skip


def test_a_row_that_becomes_none_is_gone() -> None:
    assert fold(BELLS, facts(bells, "big", Rang(1), Rang(-1))) == {}
    assert fold(BELLS, facts(bells, "big", Rang(-1))) == {}


REQUESTED = given(transfers).when(RequestTransfer("ann", "bob", 500, "GBP", "ann", "rent"))[0]
KNOWN: dict[str, Any] = {
    **{each.__name__: each for each in (World, facts, fold, given, reactions, Send, ShipOrder, OrderShipped)},
    **{each.__name__: each for each in (OpenAccount, DepositMoney, PlaceHold, RequestTransfer)},
    "orders": orders,
    "orders_view": orders_view,
    "created": CREATED,
    "paid": PAID,
    "bank": bank,
    "transfers": transfers,
    "transfer_process": transfer_process,
    "requested": REQUESTED,
}


@pytest.mark.parametrize("documented", [headrace.testing, World], ids=["testing", "World"])
def test_the_examples_of_docstrings_hold(documented: object) -> None:
    lines = (inspect.getdoc(documented) or "").splitlines()
    example = [line for line in lines if re.match(r"    |(assert|hold) ", line)]
    assert sum("assert" in line for line in example) > 0
    exec(inspect.cleandoc("\n".join(["", *example])), dict(KNOWN))  # noqa: S102 - it is our own text
