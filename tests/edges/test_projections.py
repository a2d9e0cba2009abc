"""What a batch leads to may be worked out before the batch in front of it is written: nothing comes out otherwise."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from headrace.app import shop
from headrace.avro.codec import Decoded
from headrace.kernel.message import EventMeta, Fact, Writer
from headrace.kernel.view import Key, Table, View
from headrace.orders.decider import decide, evolve
from headrace.orders.events import OrderDelivered, OrderShipped
from headrace.postgres.connection import connect
from headrace.postgres.schema import migrate
from headrace.projector.projection import ViewFold, apply
from headrace.projector.stored import StoredEvent
from headrace.settings import Settings
from lifecycles import lifecycles
from messages import shipped_catalogue

pytestmark = pytest.mark.edge

Connection = psycopg.Connection[tuple[Any, ...]]
Pair = tuple[StoredEvent, Decoded]
ORDERS = 4


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
VIEWS = (*shop.views, PARCELS)


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
        connection.execute("CREATE SCHEMA parcels_v1; SET search_path TO parcels_v1")
        connection.execute(PARCELS.table.ddl.encode())
        connection.commit()
        yield connection


def emptied(connection: Connection, view: View[Any]) -> ViewFold:
    connection.execute(f"TRUNCATE {view.schema}.{view.table.name}".encode())
    return ViewFold(connection, view)


def rows_of(connection: Connection, view: View[Any]) -> list[tuple[Any, ...]]:
    columns = ", ".join(view.table.row.__struct_fields__)
    return connection.execute(
        f"SELECT {columns} FROM {view.schema}.{view.table.name} ORDER BY 1, 2".encode()
    ).fetchall()


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
@given(cuts=st.sets(st.integers(1, len(LOG) - 1)).map(sorted))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_batches_prepared_one_ahead_lead_to_what_one_batch_does(
    connection: Connection, view: View[Any], cuts: list[int]
) -> None:
    with connection.cursor() as cursor:
        apply(emptied(connection, view), cursor, LOG)  # type: ignore[arg-type]
        at_once = rows_of(connection, view)
        fold = emptied(connection, view)
        waiting: dict[Key, Any] | None = None
        for begin, end in zip([0, *cuts], [*cuts, len(LOG)], strict=True):
            prepared = fold.prepare(connection.cursor, LOG[begin:end], waiting)  # type: ignore[arg-type]
            if waiting is not None:
                fold.write(cursor, waiting)
            waiting = prepared
        assert waiting is not None
        fold.write(cursor, waiting)
    assert rows_of(connection, view) == at_once
    connection.rollback()
