"""Rows of a view: whose they are, and tables by which replicas would get in each other's way."""

import uuid
from datetime import date
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from headrace.kernel.errors import Fault, Misconfigured
from headrace.kernel.view import Key, Table, View
from headrace.orders.decider import orders
from headrace.orders.events import Line, OrderCreated
from headrace.testing import facts, fold

[FACT] = facts(orders, "o-1", OrderCreated([Line("A", "", 1, 5)], "GBP", None, date(2010, 12, 1), 5))


class Row(Struct, frozen=True):
    partition: int
    name: Any
    day: date
    number: int = 0
    is_late: bool = False


def table(*key: str, sums: str = "") -> Table[Row]:
    return Table(name="rows", row=Row, key=key, ddl="", sums=sums)


def view(rows: Table[Row], *keys: Key, sources: tuple[str, ...] = ("orders",)) -> View[Row]:
    return View(name="days", sources=sources, table=rows, keys=lambda _: keys, evolve=lambda *_: None)


class Mutable(Struct):
    name: str


def test_rows_and_states_that_could_be_changed_in_place_are_refused() -> None:
    """A fold that changed what it is given would change what memory keeps, whatever becomes of its batch."""
    with pytest.raises(Misconfigured, match="the row of table rows must be frozen: write class Mutable"):
        Table(name="rows", row=Mutable, key=("name",), ddl="")
    with pytest.raises(Misconfigured, match="the state of aggregate orders must be frozen: write class Mutable"):
        replace(orders, initial=Mutable("x"))


@pytest.mark.parametrize("key", [("day",), ("is_late",), ("day", "is_late")])
def test_a_key_that_cannot_hold_an_id_and_has_no_partition_is_refused(key: tuple[str, ...]) -> None:
    with pytest.raises(
        Misconfigured, match="replicas would write the same rows: put the column partition into the key"
    ):
        table(*key)


def test_rows_of_partitions_are_not_left_for_readers_to_add_up() -> None:
    with pytest.raises(Misconfigured, match="table rows has the partition in its key: say in sums"):
        table("partition", "day")


def test_sums_without_partitions_to_add_up_are_refused() -> None:
    with pytest.raises(Misconfigured, match="table rows: sums adds up what each partition has"):
        table("name", sums="TABLE rows")


def test_partitions_of_two_topics_are_not_one_replica_s() -> None:
    with pytest.raises(Misconfigured, match="view days reads orders and users, whose partitions of one number"):
        view(table("partition", "day", sums="TABLE rows"), sources=("orders", "users"))


def test_aggregates_of_two_sources_that_share_an_id_are_not_one_replica_s() -> None:
    """Partition n of one topic may be another replica's than partition n of the other."""
    both = ("orders", "users")
    with pytest.raises(Misconfigured, match="reads orders and users, whose aggregates of one id may be two replicas'"):
        view(table("name"), sources=both)
    for key in (("o-1", 7), ("o-1", "users")):
        with pytest.raises(Fault, match=r"view days: the key \(.*\) does not have the name of its source, orders"):
            view(table("name", "number"), key, sources=both).touched(FACT)


def test_a_key_with_the_name_of_its_source_and_an_id_is_the_aggregate_s() -> None:
    source_and_id = table("name", "number")
    both = ("orders", "users")
    assert view(source_and_id, ("orders", "o-1"), sources=both).touched(FACT) == [("orders", "o-1")]
    namesake = replace(FACT, meta=replace(FACT.meta, aggregate_id="orders"))
    assert view(source_and_id, ("orders", "orders"), sources=both).touched(namesake) == [("orders", "orders")]
    for fact, key in ((FACT, ("orders", "o-2")), (namesake, ("orders", "all"))):
        with pytest.raises(Fault, match="neither the id of its aggregate"):
            view(source_and_id, key, sources=both).touched(fact)


@pytest.mark.parametrize(
    ("key", "names"),
    [(("o-1",), ("name",)), (("o-1", 7), ("name", "number")), ((7, "o-1"), ("number", "name"))],
    ids=["the id", "the id and more", "more and the id"],
)
def test_a_row_with_the_aggregate_s_id_in_its_key_is_the_aggregate_s(key: Key, names: tuple[str, ...]) -> None:
    assert view(table(*names), key).touched(FACT) == [key]


@pytest.mark.parametrize("own", [uuid.uuid4(), 17])
def test_an_id_may_be_of_another_type_in_its_column(own: Any) -> None:
    fact = replace(FACT, meta=replace(FACT.meta, aggregate_id=str(own)))
    assert view(table("name"), (own,)).touched(fact) == [(own,)]


def test_a_row_of_the_fact_s_partition_is_its_own() -> None:
    summed = table("partition", "day", sums="TABLE rows")
    assert view(summed, [3, date.max]).touched(replace(FACT, partition=3)) == [(3, date.max)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "key"),
    [
        (table("name"), ("o-2",)),
        (table("name", "number"), ("all", 1)),
        (table("partition", "name", sums="TABLE rows"), (1, "o-1")),
        (table("name", "partition", sums="TABLE rows"), (0, "o-1")),
    ],
    ids=["another id", "no id", "another partition", "the partition in another place"],
)
def test_a_row_that_another_replica_could_touch_is_a_fault(rows: Table[Row], key: Key) -> None:
    with pytest.raises(Fault, match=r"view days: the key \(.*\) has neither the id of its aggregate nor"):
        fold(view(rows, key), [FACT])
