"""F12, F16, F38: transactions that abort, members that come and go, and rollouts under load."""

import signal
import threading
import time

import pytest

from headrace.handler.rights import group_of
from headrace.kafka.reading import high_watermarks
from headrace_load.verify.records import Ends
from headrace_load.verify.topics import Topics
from lifecycles import lifecycles
from outages import load, progress
from running import PARTITIONS, Running
from shortened import for_each

pytestmark = [pytest.mark.edge, pytest.mark.timeout(400)]

STORM_SECONDS = 180
MEMBERS = [f"member-{number}" for number in range(8)]
STANDSTILL_SECONDS = 60


@for_each("step", ["offsets_sent", "produced", "flushed"], short=["offsets_sent"])
def test_every_third_transaction_aborted_rewinds_exactly(shop: Running, step: str) -> None:
    shop.start_projectors()
    shop.start("handler", "handle", "orders", HEADRACE_FAILPOINT=f"abort:{step}:3", HEADRACE_BATCH_SIZE="40")
    shop.send("orders", *lifecycles(200))
    shop.send("orders", *lifecycles(200), *lifecycles(50, first=1000))  # each order once more: refused
    shop.assert_sound()
    assert len(shop.read("orders.events")) == 1000
    assert shop.log("handler").read_text().count("its records are read again") >= 5
    assert not shop.services.exits


def test_members_that_come_and_go_cost_time_and_nothing_else(shop: Running) -> None:
    """From one to eight, to one: more members than partitions, and each time all of them move."""
    shop.start_projectors()
    shop.start(MEMBERS[0], "handle", "orders", "--slot", "0")
    with load(shop) as count:
        progress(shop, count, 200)
        for slot, name in enumerate(MEMBERS[1:], 1):
            shop.start(name, "handle", "orders", "--slot", str(slot))
        shop.wait(lambda: sum(bool(shop.owned(name)) for name in MEMBERS) >= PARTITIONS, "everybody has its part", 90)
        progress(shop, count, 200)
        codes = shop.services.stop(*MEMBERS[1:], timeout=30)
        progress(shop, count, 200)
    shop.assert_sound()
    assert len(shop.read("orders.events")) == count()
    assert set(codes.values()) == {0}
    assert not shop.services.exits


def test_projectors_take_partitions_over_while_they_write_others(shop: Running) -> None:
    """What their thread writes, and what is read to take a partition over, use one connection by turns."""
    shop.start("handler", "handle", "orders")
    shop.start("first", "project", "orders")
    shop.wait(lambda: len(shop.owned("first")) == PARTITIONS, "the first has all partitions")
    with load(shop) as count:
        for turn in range(4):
            shop.start(f"second-{turn}", "project", "orders")
            shop.wait(lambda turn=turn: bool(shop.owned(f"second-{turn}")), "the second has its part")  # type: ignore[misc]
            progress(shop, count, 100)
            shop.services.stop(f"second-{turn}")
            shop.wait(lambda: len(shop.owned("first")) == PARTITIONS, "the first has all partitions again")
    shop.start_projectors()
    shop.assert_sound()
    assert not shop.services.exits


@pytest.mark.chaos
def test_a_member_that_comes_and_goes_every_two_seconds_never_stops_the_others_for_long(shop: Running) -> None:
    shop.start_projectors()
    shop.start("steady", "handle", "orders", "--slot", "0")
    shop.wait(lambda: len(shop.owned("steady")) == PARTITIONS, "the handler has started")
    answered, longest, since = 0, 0.0, time.monotonic()
    until = since + STORM_SECONDS
    present = False
    with load(shop) as count:
        while time.monotonic() < until:
            if present:
                shop.services.stop("guest", timeout=30)
            else:
                shop.start("guest", "handle", "orders", "--slot", "1")
            present = not present
            threading.Event().wait(2)
            places = [("orders.outcomes", number) for number in range(PARTITIONS)]
            now = sum(high_watermarks(shop.admin, places).values())
            longest = max(longest, time.monotonic() - since)
            answered, since = now, time.monotonic() if now > answered else since
    shop.assert_sound()
    assert len(shop.read("orders.events")) == count()
    assert longest < STANDSTILL_SECONDS
    assert not shop.services.exits


@pytest.mark.parametrize("signals", [1, 2], ids=["one signal", "two signals"])
def test_a_rollout_under_load_leaves_no_transaction_open(shop: Running, signals: int) -> None:
    shop.start_projectors()
    shop.start("old", "handle", "orders", "--slot", "0")
    shop.wait(lambda: len(shop.owned("old")) == PARTITIONS, "the handler has started")
    with load(shop) as count:
        progress(shop, count, 400)
        for _ in range(signals - 1):
            shop.services.send("old", signal.SIGTERM)
        [code] = shop.services.stop("old", timeout=30).values()
        # Nobody else writes: what is open or pending now, the old one has left behind.
        assert open_transactions(shop) == {}
        assert code == 0
        assert "\nTraceback" not in shop.log("old").read_text()
        answered = shop.committed(group_of("orders"), "orders.commands")
        assert sum(answered.values()) > 0
        for name in shop.projectors:
            assert shop.services.stop(name, timeout=30) == {name: 0}
        shop.start("new", "handle", "orders", "--slot", "0")
        shop.start_projectors()
        progress(shop, count, 400)
    shop.assert_sound()
    assert len(shop.read("orders.events")) == count()
    assert not shop.services.exits


def open_transactions(shop: Running) -> dict[tuple[int, str], Ends]:
    """Where the last stable offset lies below the high watermark, of what handlers write.

    Not of the commands: they come on, outside any transaction, between the question for the one and for the other.
    """
    with Topics(shop.env["KAFKA_BOOTSTRAP_SERVERS"]) as topics:
        ends = topics.ends("orders", PARTITIONS)
    return {
        (number, kind): end
        for number, kinds in enumerate(ends)
        for kind, end in kinds.items()
        if kind != "commands" and end.stable < end.high
    }
