"""F1: a handler that is killed in the middle of its transaction, at every step of it."""

import signal

import pytest

from lifecycles import lifecycles
from running import Running
from shortened import for_each

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]

STEPS = ["begun", "answered", "producing", "produced", "flushed", "offsets_sent", "offsets_sent+", "committed"]


@for_each("step", STEPS, short=["producing", "offsets_sent+"])
def test_a_handler_killed_in_its_transaction_leaves_nothing_lost_or_doubled(shop: Running, step: str) -> None:
    shop.start_projectors()
    start_victim(shop, f"kill:{step}:3")
    shop.send("orders", *lifecycles(100))
    shop.wait(lambda: bool(shop.services.exits), f"the handler dies at {step}")
    shop.services.stop("victim")
    shop.start("successor", "handle", "orders", "--slot", "0")
    shop.send("orders", *lifecycles(20, first=1000))
    report = shop.assert_sound()
    assert shop.services.exits[0].code == -signal.SIGKILL
    assert len(shop.read("orders.events")) == 480
    assert report.ok


def test_a_peer_takes_over_from_a_handler_that_never_comes_back(shop: Running) -> None:
    shop.start_projectors()
    shop.start("peer", "handle", "orders", "--slot", "1")
    start_victim(shop, "kill:offsets_sent:2")
    shop.wait(lambda: bool(shop.owned("peer") and shop.owned("victim")), "both own partitions")
    shop.send("orders", *lifecycles(200))
    shop.wait(lambda: bool(shop.services.exits), "the handler dies with its transaction open")
    shop.services.stop("victim")
    shop.send("orders", *lifecycles(20, first=1000))
    shop.assert_sound()
    assert len(shop.read("orders.events")) == 880


def test_a_second_process_of_one_slot_ends_the_first(shop: Running) -> None:
    shop.start_projectors()
    shop.start("first", "handle", "orders", "--slot", "0")
    shop.send("orders", *lifecycles(10))
    shop.wait_until_quiet()
    shop.start("second", "handle", "orders", "--slot", "0")
    shop.wait(lambda: bool(shop.owned("second")), "the second owns a part of the partitions")
    shop.send("orders", *lifecycles(10, first=100))
    shop.wait(lambda: "_FENCED" in shop.log("first").read_text(), "the first is fenced and says so")
    shop.services.stop("first")
    shop.send("orders", *lifecycles(10, first=200))
    shop.assert_sound()


def start_victim(shop: Running, failpoint: str) -> None:
    """A handler that dies where it is told, after a few small batches."""
    shop.start("victim", "handle", "orders", "--slot", "0", HEADRACE_FAILPOINT=failpoint, HEADRACE_BATCH_SIZE="40")
