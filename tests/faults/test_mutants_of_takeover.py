"""Wrong takeovers and wrong fences: two processes at one partition, the first of them frozen where it hurts most.

Each schedule is run with the right services, which leave nothing to be found, and with a wrong one, which is caught.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from headrace.orders.commands import CancelOrder
from headrace_load.history import HistoryWriter
from headrace_load.observe import Observer
from running import PARTITIONS, Running
from wrong import (
    CREATE,
    DIGEST,
    ORDERS,
    PAY,
    SHIP,
    assert_caught,
    come_to_rest,
    each,
    failpoint,
    is_answered,
    is_frozen,
    resend,
    send_and_note,
    strikes,
)

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]

CANCEL = [(aggregate_id, CancelOrder("late")) for aggregate_id, _ in CREATE]


def create_orders(shop: Running) -> None:
    """Orders that a handler of slot 0 has created, and no handler any more."""
    shop.start_projectors()
    shop.start("before", "handle", "orders")
    shop.send("orders", *CREATE)
    shop.wait(lambda: is_answered(shop), "all orders are created")
    shop.services.stop("before")


def freeze(shop: Running, said: str) -> None:
    """A predecessor in slot 0 that stands still in a transaction that pays orders, all of which are then cancelled."""
    patient = {"KAFKA_PRODUCER__TRANSACTION_TIMEOUT_MS": "60000"}
    shop.start("predecessor", "handle", "orders", HEADRACE_FAILPOINT=said, **patient)
    shop.send("orders", *PAY)
    shop.wait(lambda: is_frozen(shop, "predecessor"), "the predecessor is frozen")
    shop.send("orders", *CANCEL)


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


def belongs_to_one(shop: Running) -> bool:
    """Whether the group has put the frozen member out and given everything to the other."""
    futures = shop.admin.describe_consumer_groups(["headrace.handle.orders"])
    members = futures["headrace.handle.orders"].result().members
    return [len(member.assignment.topic_partitions) for member in members] == [PARTITIONS]


@each(
    f"skip_in_restore:{2 * ORDERS}",
    "lose_state:5",
    "tell_no_restore",
    "forget_window",
    "forget_offsets",
)
def test_a_takeover_that_is_wrong(shop: Running, wrong: str) -> None:
    first, second = (wrong, "") if wrong == "forget_offsets" else ("", wrong)
    shop.start_projectors()
    shop.start("first", "handle", "orders", HEADRACE_FAILPOINT=failpoint(first), HEADRACE_BATCH_SIZE="10")
    ids = shop.send("orders", *CREATE, *PAY)
    paid = "SELECT count(*) FROM orders_v1.orders WHERE status = 'paid'"
    shop.wait(lambda: shop.rows(paid) == [(len(PAY),)], "all are paid")
    shop.services.stop("first")
    resend(shop, CREATE[:10], ids[:10])
    shop.send("orders", *CREATE, *SHIP)
    shop.start("second", "handle", "orders", HEADRACE_FAILPOINT=failpoint(second), **DIGEST)
    come_to_rest(shop)
    assert_caught(shop, "first" if first else "second", wrong)


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("wrong", "check"),
    [("", ""), ("skip_command:70", "acknowledged"), ("send_again", "senders"), ("lose_state:5", "order")],
    ids=["right", "skip_command", "send_again", "lose_state"],
)
def test_a_handler_that_is_wrong_by_what_clients_were_told(shop: Running, wrong: str, check: str) -> None:
    """The same mutants may be caught by what the log says of itself; here by what the clients noted."""
    shop.start_projectors()
    shop.start("before", "handle", "orders")
    with HistoryWriter(shop.folder / "history.jsonl") as history:
        for step in (CREATE, PAY):
            send_and_note(shop, history, step)
        shop.wait(lambda: is_answered(shop), "all are paid")
        shop.services.stop("before")
        for step in (CREATE, SHIP):
            send_and_note(shop, history, step)
        history.complete()
    shop.start("after", "handle", "orders", HEADRACE_FAILPOINT=failpoint(wrong))
    come_to_rest(shop)
    assert_caught(shop, "after", wrong, check)


@each("restore_uncommitted")
def test_a_takeover_that_is_wrong_about_a_killed_predecessor(shop: Running, wrong: str) -> None:
    create_orders(shop)
    shop.start("victim", "handle", "orders", HEADRACE_FAILPOINT="kill:flushed")
    shop.send("orders", *PAY)
    shop.wait(lambda: bool(shop.services.exits), "the handler dies")
    shop.services.stop("victim")
    shop.send("orders", *SHIP)
    shop.start("successor", "handle", "orders", HEADRACE_FAILPOINT=failpoint(wrong), **DIGEST)
    come_to_rest(shop)
    assert_caught(shop, "successor", wrong)


@each("restore_first", short=["", "restore_first"])
def test_a_predecessor_whose_offsets_were_accepted_and_whose_records_come_later(shop: Running, wrong: str) -> None:
    """The fork that the wrong order of taking over allows: see `headrace.handler.takeover`."""
    create_orders(shop)
    freeze(shop, failpoint("offsets_before_records", "stop:offsets_sent"))
    shop.start("successor", "handle", "orders", "--slot", "1", HEADRACE_FAILPOINT=failpoint(wrong), **DIGEST)
    shop.wait(lambda: belongs_to_one(shop), "the successor is given all partitions")
    if wrong:
        shop.wait(lambda: bool(strikes(shop, "successor")), "the successor has restored them")
    assert not shop.owned("successor")
    shop.services.stop("predecessor")  # which lets it finish its transaction
    come_to_rest(shop)
    assert strikes(shop, "predecessor")
    assert_caught(shop, "successor", wrong)


@each("show_no_generation")
def test_a_predecessor_that_goes_on_after_the_group_has_put_it_out(shop: Running, wrong: str) -> None:
    create_orders(shop)
    freeze(shop, failpoint(wrong, "stop:answered"))
    shop.start("successor", "handle", "orders", "--slot", "1")
    shop.wait(lambda: is_answered(shop), "the successor answers what the predecessor has begun to")
    shop.services.stop("predecessor")
    if wrong:  # its offsets lie before those of the successor, who has nothing more to commit
        shop.wait(lambda: bool(shop.services.exits), "the journal stops at the fork")
        shop.services.stop()
    else:
        come_to_rest(shop)
    assert_caught(shop, "predecessor", wrong)


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
