"""A database that went back while its projector had nothing to write is noticed all the same."""

from collections.abc import Iterator

import psycopg
import pytest

from headrace.app import shop
from headrace.kafka.records import Place
from headrace.postgres.checkpoint import Origin, Superseded, positions
from headrace.postgres.schema import migrate
from headrace.projector import writing
from headrace.projector.kind import kind_of
from headrace.projector.writing import Writing
from headrace.settings import Settings

pytestmark = pytest.mark.edge

OWNED: dict[Place, int] = {("orders.events", 0): 5, ("orders.events", 1): 7}


@pytest.fixture
def projector(database: str) -> Iterator[Writing]:
    settings = Settings(DATABASE_URL=database)  # type: ignore[call-arg]
    migrate(shop, settings)
    projector = Writing(kind_of(shop, "orders"), settings, lambda: False, OWNED)
    positions(projector.session.connection, "orders_v1", "me", OWNED, Origin("a cluster", {"orders.events": "an id"}))
    yield projector
    projector.close()


def change(database: str, statement: str) -> None:
    with psycopg.connect(database, autocommit=True) as other:
        other.execute(statement.encode())


BACK = "UPDATE headrace.checkpoints SET next_offset = 3 WHERE partition = 1"
EMPTIED = "DELETE FROM headrace.checkpoints WHERE partition = 1"
END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'headrace orders_v1'"


@pytest.mark.parametrize("loss", [BACK, EMPTIED])
def test_checkpoints_are_looked_at_now_and_then(
    projector: Writing, database: str, loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(database, loss)
    projector.look()  # not yet
    monkeypatch.setattr(writing, "LOOK_S", 0)
    with pytest.raises(Superseded, match="orders_v1: its checkpoints stand where this process has not left them"):
        projector.look()


def test_checkpoints_are_looked_at_on_each_new_connection(projector: Writing, database: str) -> None:
    change(database, BACK)
    change(database, END)
    projector.session.persist(lambda connection: connection.execute("SELECT 1") and None)
    with pytest.raises(Superseded):
        projector.look()


def test_where_nothing_is_lost_the_projector_goes_on_and_reads_from_the_server_that_it_writes_to(
    projector: Writing, database: str
) -> None:
    reads = projector._reads
    assert reads is not None
    before = reads.connection
    projector.look()
    assert reads.connection is before
    change(database, END)
    projector.session.persist(lambda connection: connection.execute("SELECT 1") and None)
    projector.look()
    assert before.closed
    assert reads.connection.execute("SELECT 1").fetchone() == (1,)
