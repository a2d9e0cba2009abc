"""F22, F23: sessions that end around COMMIT, deadlocks, statements that take their time."""

import signal
import threading

import psycopg
import pytest

from headrace.local.process import frozen
from lifecycles import lifecycles
from outages import load, progress
from running import Running
from shortened import for_each

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]

END = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name LIKE 'headrace %' AND application_name NOT LIKE '%verify'"""
WAITING = "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'headrace orders%' AND wait_event_type = 'Lock'"
LEAKED = """
    SELECT application_name FROM pg_stat_activity
    WHERE application_name LIKE 'headrace %' AND state LIKE 'idle in transaction%'
    AND state_change < now() - interval '1 second'"""
SLOW = """
    CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(0.4); RETURN NULL; END $$;
    CREATE TRIGGER dawdle AFTER INSERT OR UPDATE ON orders_v1.orders EXECUTE FUNCTION public.dawdle();
    CREATE TRIGGER dawdle AFTER INSERT ON headrace.journal EXECUTE FUNCTION public.dawdle()"""


@for_each("step", ["applied", "applied+"], short=["applied+"])
def test_a_session_that_ends_around_its_commit_applies_the_batch_once(shop: Running, step: str) -> None:
    shop.start("handler", "handle", "orders")
    names = ("orders", "journal")
    for name in names:
        shop.start(name, "project", name, HEADRACE_FAILPOINT=f"stop:{step}:3", HEADRACE_BATCH_SIZE="40")
    shop.send("orders", *lifecycles(100))
    for name in names:
        shop.wait(lambda name=name: frozen(shop.services.pid(name) or 0), f"{name} stops")  # type: ignore[misc]
    with psycopg.connect(shop.env["DATABASE_URL"], autocommit=True) as killer:
        assert killer.execute(END).rowcount >= len(names)
    for name in names:
        shop.services.send(name, signal.SIGCONT)
    shop.assert_sound()
    assert not shop.services.exits
    assert all("connected anew" in shop.log(name).read_text() for name in names)


def test_of_two_that_lock_rows_in_crossed_order_the_projector_yields_and_tries_again(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    shop.start_projectors()
    shop.send("orders", *list(lifecycles(20))[:20])
    shop.wait_until_quiet()
    with psycopg.connect(shop.env["DATABASE_URL"]) as first, psycopg.connect(shop.env["DATABASE_URL"]) as eye:
        eye.autocommit = True
        # The projector is to be the one that notices: we wait longer than it does.
        first.execute("SET deadlock_timeout = '60s'")
        names = [f"order-{number}" for number in range(20)]
        first.execute("SELECT 1 FROM orders_v1.orders WHERE order_id = 'order-19' FOR UPDATE")
        shop.services.send("project-orders", signal.SIGSTOP)
        shop.send("orders", *list(lifecycles(20))[20:])
        shop.wait(lambda: len(shop.read("orders.events")) == 80, "all is answered")
        shop.services.send("project-orders", signal.SIGCONT)  # it has a batch of them all now
        shop.wait(lambda: eye.execute(WAITING).fetchone() is not None, "the projector waits for a row")
        first.execute("SELECT 1 FROM orders_v1.orders WHERE order_id = ANY(%s) FOR UPDATE", [names])
        first.rollback()
    shop.assert_sound()
    assert "deadlock detected" in shop.log("project-orders").read_text()
    assert not shop.services.exits


def test_slow_statements_cost_time_and_leave_no_transaction_idle(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    shop.start_projectors()
    shop.send("orders", *lifecycles(10, first=5000))
    shop.wait_until_quiet()
    shop.change(SLOW)
    idle = []
    with load(shop) as count, psycopg.connect(shop.env["DATABASE_URL"], autocommit=True) as eye:
        for _ in range(4):
            progress(shop, count, 100)
            idle += eye.execute(LEAKED).fetchall()
            threading.Event().wait(0.5)
    shop.assert_sound()
    assert idle == []
    assert not shop.services.exits
