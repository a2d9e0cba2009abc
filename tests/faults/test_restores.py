"""F17, F19: a restore that takes long, and one that meets a transaction that nobody has decided yet."""

import signal

import pytest

from faults.test_rebalances import open_transactions
from headrace.handler.rights import group_of
from headrace.kafka.reading import high_watermarks
from headrace.local.process import frozen
from lifecycles import lifecycles
from running import PARTITIONS, Running

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]


def is_frozen(shop: Running, name: str) -> bool:
    pid = shop.services.pid(name)
    return pid is not None and frozen(pid)


def everybody(shop: Running) -> int:
    """How many members the handlers' group has."""
    [future] = shop.admin.describe_consumer_groups([group_of("orders")], request_timeout=10).values()
    return len(future.result().members)


def ends_of_outcomes(shop: Running) -> dict[int, int]:
    """The high watermark of each partition of the outcomes: what is not committed counts, too."""
    places = [("orders.outcomes", number) for number in range(PARTITIONS)]
    return {number: end for (_, number), end in high_watermarks(shop.admin, places).items()}


def test_nothing_is_answered_before_a_slow_restore_is_complete_whoever_joins_meanwhile(shop: Running) -> None:
    shop.start_projectors()
    shop.start("first", "handle", "orders", "--slot", "0")
    shop.send("orders", *lifecycles(50))
    shop.wait_until_quiet()
    shop.start("slow", "handle", "orders", "--slot", "1", HEADRACE_FAILPOINT="stop:restoring:2")
    shop.wait(lambda: is_frozen(shop, "slow"), "it stops in its restore")
    assert not shop.owned("slow")
    shop.send("orders", *lifecycles(50), *lifecycles(20, first=100))
    shop.start("third", "handle", "orders", "--slot", "2")
    # Longer than its session: the others have its partitions by then.
    shop.wait_until_quiet()
    answered = shop.read("orders.outcomes")
    shop.services.send("slow", signal.SIGCONT)
    shop.wait(lambda: bool(shop.owned("slow")) or bool(shop.services.exits), "it comes round")
    assert shop.read("orders.outcomes") == answered
    shop.send("orders", *lifecycles(20, first=200))
    shop.assert_sound()
    assert len(shop.read("orders.events")) == 360


def test_a_rebalance_amid_a_restore_starts_it_over_where_it_still_counts(shop: Running) -> None:
    shop.start_projectors()
    shop.start("first", "handle", "orders", "--slot", "0")
    shop.send("orders", *lifecycles(50))
    shop.wait_until_quiet()
    # Stopped shortly, well within its session: the group goes on with it while it restores.
    shop.start("slow", "handle", "orders", "--slot", "1", HEADRACE_FAILPOINT="stop:restoring:2")
    shop.wait(lambda: is_frozen(shop, "slow"), "it stops in its restore")
    shop.start("third", "handle", "orders", "--slot", "2")
    shop.services.send("slow", signal.SIGCONT)
    shop.send("orders", *lifecycles(50, first=100))
    names = ("first", "slow", "third")
    shop.wait(lambda: sum(len(shop.owned(name)) for name in names) == PARTITIONS, "each partition has one owner")
    shop.assert_sound()
    assert len(shop.read("orders.events")) == 400
    assert not shop.services.exits


def test_a_restore_waits_for_a_transaction_that_is_pending_and_sees_what_it_commits(shop: Running) -> None:
    shop.start_projectors()
    shop.start("peer", "handle", "orders", "--slot", "1")
    shop.wait(lambda: len(shop.owned("peer")) == PARTITIONS, "the peer owns all")
    failpoint = {"HEADRACE_FAILPOINT": "stop:offsets_sent:3", "HEADRACE_BATCH_SIZE": "40"}
    shop.start("predecessor", "handle", "orders", "--slot", "0", **failpoint)
    shop.wait(lambda: len(shop.owned("predecessor")) == PARTITIONS // 2, "each owns a half")
    shop.send("orders", *lifecycles(200))
    shop.wait(lambda: is_frozen(shop, "predecessor"), "it stops with its offsets pending")
    pending = {number for number, kind in open_transactions(shop) if kind == "outcomes"}
    assert pending
    shop.wait(lambda: everybody(shop) == 1, "the group gives it up")
    # The peer has the partitions now, and must not answer in these: what it would decide on may yet come to pass.
    ends = {number: high for number, high in ends_of_outcomes(shop).items() if number in pending}
    shop.send("orders", *lifecycles(200))
    shop.wait(lambda: max(ends_of_outcomes(shop).values()) > 2 * max(ends.values()), "it answers in the others")
    assert {number: high for number, high in ends_of_outcomes(shop).items() if number in pending} == ends
    shop.services.send("predecessor", signal.SIGCONT)
    shop.assert_sound()
    assert len(shop.read("orders.events")) == 800
