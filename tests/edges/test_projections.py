"""Batches are worked out before the one in front is written, and on what memory keeps: nothing comes out otherwise."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from headrace.app import shop
from headrace.avro.codec import Decoded
from headrace.kernel.errors import Fault
from headrace.kernel.message import EventMeta, Fact, Writer
from headrace.kernel.view import Key, Table, View
from headrace.orders.decider import decide, evolve
from headrace.orders.events import OrderDelivered, OrderShipped
from headrace.postgres.connection import connect
from headrace.postgres.schema import migrate
from headrace.postgres.session import Session
from headrace.projector.projection import Journal, ViewFold, apply
from headrace.projector.recent import Recent
from headrace.projector.stored import StoredEvent
from headrace.settings import Settings
from lifecycles import lifecycles
from messages import shipped_catalogue

pytestmark = pytest.mark.edge

Connection = psycopg.Connection[tuple[Any, ...]]
Pair = tuple[StoredEvent, Decoded]
ORDERS = 4
MANY = 10_000


class Parcel(Struct, frozen=True):
    order_id: str
    was_there: bool = False


def unpacked(_key: Key, row: Parcel | None, fact: Fact[Any]) -> Parcel | None:
    """The row goes when the order is shipped, and another comes when it is delivered."""
    if isinstance(fact.event, OrderShipped):
        return None
    if isinstance(fact.event, OrderDelivered):
        return Parcel(fact.aggregate_id, was_there=row is not None)
    return Parcel(fact.aggregate_id)


PARCELS: View[Any] = View(
    name="parcels",
    sources=("orders",),
    table=Table(
        name="parcels",
        row=Parcel,
        key=("order_id",),
        ddl="CREATE TABLE parcels (order_id text PRIMARY KEY, was_there boolean NOT NULL)",
    ),
    keys=lambda fact: ((fact.aggregate_id,),),
    evolve=unpacked,
)


class Share(Struct, frozen=True):
    order_id: str
    thirds: Decimal = Decimal(0)
    whole: Decimal = Decimal(0)
    weight: float = 0
    note: str = ""
    seen: str = ""


def shared(key: Key, row: Share | None, _fact: Fact[Any]) -> Share:
    """Each column is given more than it holds, or a number of another class, and folded on."""
    row = row or Share(*key)
    seen = f"{row.thirds} {row.whole / 2} {row.weight} {row.note!r}"
    return Share(row.order_id, row.thirds + Decimal(1) / 3, int(row.whole) + 1, 2, row.note + "a    ", seen)  # type: ignore[arg-type]


SHARES: View[Any] = View(
    name="shares",
    sources=("orders",),
    table=Table(
        name="shares",
        row=Share,
        key=("order_id",),
        ddl="""CREATE TABLE shares (
            order_id text PRIMARY KEY, thirds numeric(12,2), whole numeric, weight double precision, note varchar(16),
            seen text)""",
    ),
    keys=lambda fact: ((fact.aggregate_id,),),
    evolve=shared,
)
OURS = (PARCELS, SHARES)
VIEWS = (*shop.views, *OURS)


def log() -> list[Pair]:
    """The events of some orders, from the first to the last, on two partitions."""
    states: dict[str, Any] = {}
    pairs = []
    for offset, (name, command) in enumerate(lifecycles(ORDERS)):
        version, state = states.get(name, (0, shop.aggregate("orders").initial))
        (event,) = decide(command, state, 0)  # type: ignore[arg-type]
        states[name] = version + 1, evolve(state, event)
        meta = EventMeta(version + 1, f"{name}/{version}", name, offset, "c", offset, "c", "c", None, Writer("w", 0))
        contract = shipped_catalogue().newest["orders", type(event).__name__]
        record = StoredEvent("orders.events", int(name[-1]) % 2, offset, name, b"", meta.time)
        pairs.append((record, Decoded(contract, meta, event, states[name][1], b"")))
    return pairs


LOG = log()


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    config = Settings(DATABASE_URL=database)  # type: ignore[call-arg]
    migrate(shop, config)
    with connect(config, "test") as connection:
        for view in OURS:
            connection.execute(f"CREATE SCHEMA {view.schema}; SET search_path TO {view.schema}".encode())
            connection.execute(view.table.ddl.encode())
        connection.commit()
        yield connection


def emptied(connection: Connection, view: View[Any], recent: int = MANY) -> ViewFold:
    connection.execute(f"TRUNCATE {view.schema}.{view.table.name}".encode())
    return ViewFold(connection, view, recent=recent)


def cut(cuts: list[int]) -> Iterator[list[Pair]]:
    """The log in batches that begin there."""
    for begin, end in zip([0, *cuts], [*cuts, len(LOG)], strict=True):
        yield LOG[begin:end]


def rows_of(connection: Connection, view: View[Any]) -> list[tuple[Any, ...]]:
    columns = ", ".join(view.table.row.__struct_fields__)
    return connection.execute(
        f"SELECT {columns} FROM {view.schema}.{view.table.name} ORDER BY 1, 2".encode()
    ).fetchall()


READ_SO_FAR = "SELECT seq_tup_read, idx_scan FROM pg_stat_xact_user_tables WHERE relid = %s::regclass"
CUTS = st.sets(st.integers(1, len(LOG) - 1)).map(sorted)
KEPT = st.sampled_from([1, 3, MANY])
"""How many keys memory has room for: hardly any, less than there are, all."""
on_one_database = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
@given(cuts=CUTS, recent=KEPT)
@on_one_database
def test_batches_prepared_one_ahead_lead_to_what_one_batch_does(
    connection: Connection, view: View[Any], cuts: list[int], recent: int
) -> None:
    with connection.cursor() as cursor:
        apply(emptied(connection, view), cursor, LOG)  # type: ignore[arg-type]
        at_once = rows_of(connection, view)
        fold = emptied(connection, view, recent)
        waiting: dict[Key, Any] | None = None
        for batch in cut(cuts):
            prepared = fold.prepare(connection.cursor, batch, waiting)  # type: ignore[arg-type]
            if waiting is not None:
                fold.write(cursor, waiting)
                fold.keep(waiting)
            waiting = prepared
        assert waiting is not None
        fold.write(cursor, waiting)
    assert rows_of(connection, view) == at_once
    connection.rollback()


@given(cuts=CUTS, recent=KEPT, lost=st.integers(0, len(LOG) - 1))
@on_one_database
def test_the_journal_misses_an_event_however_the_log_is_cut(
    connection: Connection, cuts: list[int], recent: int, lost: int
) -> None:
    """Unless it is its aggregate's last, after which nothing comes that tells."""
    journal, missing = Journal(recent=recent), LOG[lost]
    later = any(pair[1].meta.aggregate_id == missing[1].meta.aggregate_id for pair in LOG[lost + 1 :])
    with connection.cursor() as cursor, refused(missing) if later else nullcontext():
        for batch in cut(cuts):
            prepared = journal.prepare(connection.cursor, [pair for pair in batch if pair is not missing])  # type: ignore[misc]
            journal.write(cursor, prepared)
            journal.keep(prepared)
        found = cursor.execute('SELECT "offset" FROM headrace.journal ORDER BY 1').fetchall()
        assert [offset for (offset,) in found] == [offset for offset in range(len(LOG)) if offset != lost]
    connection.rollback()


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("view", [*VIEWS, None], ids=lambda view: view.name if view else "journal")
def test_a_table_that_grows_from_nothing_is_never_read_as_a_whole(database: str, view: View[Any] | None) -> None:
    """Whatever is thought of it when it is empty: a plan is kept until the table is analysed, a minute later or so."""
    table = f"{view.schema}.{view.table.name}" if view else "headrace.journal"
    with (
        closing(Session(Settings(DATABASE_URL=database), "test")) as session,  # type: ignore[call-arg]
        session.connection.cursor() as cursor,
    ):
        projection = ViewFold(session.connection, view, recent=1) if view else Journal(recent=1)
        for pair in LOG:
            apply(projection, cursor, [pair])  # type: ignore[list-item]
        found = cursor.execute(READ_SO_FAR, [table]).fetchone()
    assert found is not None
    in_order, by_index = found
    assert (in_order, by_index > 0) == (0, True)


def refused(missing: Pair) -> AbstractContextManager[Any]:
    version = missing[1].meta.version
    return pytest.raises(Fault, match=f"has version {version + 1} after {version - 1} in the journal")


def test_what_was_written_last_is_kept_and_what_is_older_than_so_many_keys_is_not() -> None:
    recent = Recent(3)
    for number in range(10):
        recent.keep({number: f"row {number}"})
    kept = {number: f"row {number}" for number in range(6, 10)}
    assert recent.look_up([5, *kept, 6]) == ({5: None} | kept, [5])
    recent.keep({7: None})
    assert recent.look_up([7, 11]) == ({7: None, 11: None}, [11])
    assert recent.look_up([6, 7, 11], {6: None, 7: "a newer one"}) == ({6: None, 7: "a newer one", 11: None}, [11])
    recent.forget()
    assert recent.look_up(kept) == (dict.fromkeys(kept), [*kept])
