"""Wrong takeovers and wrong fences: two processes at one partition, the first of them frozen where it hurts most.

Each schedule is run with the right services, which leave nothing to be found, and with a wrong one, which is caught.
"""

import pytest

from headrace.orders.commands import CancelOrder
from headrace_load.history import HistoryWriter
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
