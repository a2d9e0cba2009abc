"""Wrong projectors: rows that are no fold of the log, positions that do not move with them, events that are not there.

Each schedule is run with the right services, which leave nothing to be found, and with a wrong one, which is caught.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from headrace_load.observe import Observer
from running import Running
from wrong import (
    CREATE,
    EVERYTHING,
    LAST,
    ORDERS,
    PAY,
    assert_caught,
    come_to_rest,
    each,
    failpoint,
    is_answered,
    is_frozen,
    strikes,
)

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]


@contextmanager
def watching(shop: Running) -> Iterator[Observer]:
    """An observer that has begun to see."""
    with Observer(shop.env["KAFKA_BOOTSTRAP_SERVERS"], shop.env["DATABASE_URL"]) as observer:
        wait_for_samples(shop, observer)
        yield observer


def wait_for_samples(shop: Running, observer: Observer) -> None:
    """Wait until it has looked at everything anew, and compared."""
    enough = {name: observer.samples()[name] + 3 for name in ("kafka", "database")}
    shop.wait(lambda: all(observer.samples()[name] >= enough[name] for name in enough), "three samples more")


def assert_seen(shop: Running, observer: Observer, service: str, wrong: str, problem: str) -> None:
    """In the end nothing is wrong; meanwhile the observer has seen this problem, and no other."""
    assert_caught(shop, service, "")
    assert bool(strikes(shop, service)) == bool(wrong)
    problems = observer.report().problems
    seen = [text for text in problems if problem in text]
    assert (bool(seen), len(seen)) == (bool(wrong), len(problems)), problems


@each("fold_wrongly:50", "advance_without_rows:2", "leave_checkpoint", short=["fold_wrongly:50"])
def test_a_view_that_is_wrong(shop: Running, wrong: str) -> None:
    shop.start("handler", "handle", "orders")
    shop.start("project-journal", "project", "journal")
    shop.send("orders", *EVERYTHING)
    shop.wait(lambda: is_answered(shop), "all are answered")
    shop.start("project-orders", "project", "orders", HEADRACE_FAILPOINT=failpoint(wrong), HEADRACE_BATCH_SIZE="30")
    if wrong == "leave_checkpoint":
        delivered = "SELECT count(*) FROM orders_v1.orders WHERE status = 'delivered'"
        shop.wait(lambda: shop.rows(delivered) == [(ORDERS,)], "all rows are there")
        journaled = "SELECT count(*) FROM headrace.journal"
        shop.wait(lambda: shop.rows(journaled) == [(LAST,)], "all events are in the journal")
        shop.services.stop()
    else:
        come_to_rest(shop)
    assert_caught(shop, "project-orders", wrong)


@each(f"skip_in_journal:{LAST}")
def test_a_journal_that_is_wrong(shop: Running, wrong: str) -> None:
    shop.send("orders", *EVERYTHING)
    shop.start("handler", "handle", "orders", HEADRACE_FAILPOINT="abort:flushed:3", HEADRACE_BATCH_SIZE="30")
    shop.start("project-orders", "project", "orders")
    shop.start("project-journal", "project", "journal", HEADRACE_FAILPOINT=failpoint(wrong))
    come_to_rest(shop)
    assert_caught(shop, "project-journal", wrong)


@each("skip_in_audit:50")
def test_an_audit_that_is_wrong(shop: Running, wrong: str) -> None:
    shop.send("orders", *EVERYTHING)
    shop.start("handler", "handle", "orders", HEADRACE_FAILPOINT="abort:flushed:3", HEADRACE_BATCH_SIZE="30")
    shop.start_projectors()
    shop.start("project-audit", "project", "audit", HEADRACE_FAILPOINT=failpoint(wrong))
    come_to_rest(shop)
    assert_caught(shop, "project-audit", wrong)


@each("ignore_fence", short=["ignore_fence"])
def test_a_projector_that_goes_on_after_another_has_taken_over(shop: Running, wrong: str) -> None:
    shop.start("handler", "handle", "orders")
    shop.start("project-journal", "project", "journal")
    shop.send("orders", *CREATE, *PAY)
    shop.wait(lambda: is_answered(shop), "all are answered")
    # A group of its own, as if it had been put out of the others' and did not know yet.
    env = {"KAFKA_CONSUMER__GROUP_ID": "headrace.late", "KAFKA_CONSUMER__SESSION_TIMEOUT_MS": "60000"}
    said = failpoint(wrong, "stop:committed:1", "kill:committed:2")
    shop.start("late", "project", "orders", HEADRACE_FAILPOINT=said, HEADRACE_BATCH_SIZE="5", **env)
    shop.wait(lambda: is_frozen(shop, "late"), "the first projector is frozen between two batches")
    shop.start("project-orders", "project", "orders")
    shop.wait_until_quiet()
    shop.services.send("late", signal.SIGCONT)
    shop.wait(lambda: bool(shop.services.exits), "the first projector ends")
    shop.services.stop()
    assert shop.services.exits[0].code == (-signal.SIGKILL if wrong else 1)
    assert_caught(shop, "late", wrong)


@each("rewind_checkpoint")
def test_a_view_whose_checkpoint_goes_back_is_seen_while_it_does(shop: Running, wrong: str) -> None:
    """It reads the same events again, which lead to the same rows: in the end nothing is wrong."""
    shop.start("handler", "handle", "orders")
    shop.start("project-journal", "project", "journal")
    shop.start("before", "project", "orders")
    shop.send("orders", *CREATE)
    shop.wait_until_quiet()
    shop.services.stop("before")
    with watching(shop) as observer:
        shop.start("after", "project", "orders", HEADRACE_FAILPOINT=failpoint(wrong))
        shop.send("orders", *PAY)
        if wrong:
            shop.wait(lambda: bool(strikes(shop, "after")), "the checkpoint goes back")
            wait_for_samples(shop, observer)
            shop.services.stop("after")
            shop.start("project-orders", "project", "orders")
        shop.wait_until_quiet()
    shop.services.stop()
    assert_seen(shop, observer, "after", wrong, "orders_v1 went back")


@each("project_uncommitted", short=["project_uncommitted"])
def test_a_view_that_shows_what_is_not_committed_is_seen_while_it_does(shop: Running, wrong: str) -> None:
    """In the end nothing is wrong: the same commands lead to the same rows. Only who looks meanwhile sees it."""
    shop.start("project-journal", "project", "journal")
    shop.start("project-orders", "project", "orders", HEADRACE_FAILPOINT=failpoint(wrong))
    with watching(shop) as observer:
        shop.start("handler", "handle", "orders", HEADRACE_FAILPOINT="stop:flushed")
        shop.send("orders", *CREATE)
        shop.wait(lambda: is_frozen(shop, "handler"), "the handler is frozen before it commits")
        if wrong:
            shop.wait(lambda: shop.rows("SELECT count(*) FROM orders_v1.orders") > [(0,)], "uncommitted rows")
        wait_for_samples(shop, observer)
        shop.services.send("handler", signal.SIGCONT)
        shop.wait_until_quiet()
    shop.services.stop()
    assert_seen(shop, observer, "project-orders", wrong, "orders_v1 stands at")


@pytest.mark.parametrize(
    ("projector", "table", "check"),
    [
        ("journal", "headrace.journal", "isolation"),
        ("order_statistics", "order_statistics_v1.order_statistics", "rows"),
    ],
    ids=["journal", "sums"],
)
@each("project_uncommitted")
def test_a_projector_that_takes_what_is_never_committed(
    shop: Running, wrong: str, projector: str, table: str, check: str
) -> None:
    shop.start("project-journal", "project", "journal", HEADRACE_FAILPOINT=failpoint(wrong * (projector == "journal")))
    if projector != "journal":
        shop.start(f"project-{projector}", "project", projector, HEADRACE_FAILPOINT=failpoint(wrong))
    shop.start("handler", "handle", "orders", HEADRACE_FAILPOINT="stop:flushed")
    shop.send("orders", *CREATE)
    shop.wait(lambda: is_frozen(shop, "handler"), "the handler is frozen before it commits")
    if wrong:
        shop.wait(lambda: shop.rows(f"SELECT count(*) FROM {table}") > [(0,)], "it takes the events")
    shop.services.kill("handler")
    shop.services.stop("handler")
    shop.start("project-orders", "project", "orders")
    shop.start("successor", "handle", "orders")
    come_to_rest(shop)
    assert_caught(shop, f"project-{projector}", wrong, check)


@each("leave_checkpoint")
def test_a_table_that_adds_up_counts_events_twice(shop: Running, wrong: str) -> None:
    shop.start("handler", "handle", "orders")
    shop.start("project-orders", "project", "orders")
    shop.start("project-journal", "project", "journal")
    shop.start("before", "project", "order_statistics", HEADRACE_FAILPOINT=failpoint(wrong))
    shop.send("orders", *CREATE)
    created = "SELECT sum(created) FROM order_statistics_v1.order_statistics"
    shop.wait(lambda: shop.rows(created) == [(ORDERS,)], "all orders are counted")
    shop.services.stop("before")
    shop.start("project-order_statistics", "project", "order_statistics")
    shop.send("orders", *PAY)
    come_to_rest(shop)
    assert_caught(shop, "before", wrong, "rows")
