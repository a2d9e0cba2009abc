"""F7 to F11: brokers that move, restart, crash, are all away, or hang, under load; one alone, and one of three.

Each outage's length is printed: for how long a reader of outcomes saw nothing new on some partition.
"""

import json
import random
import signal
import threading
from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient

from headrace.kafka.clients import admin_config
from headrace.kafka.reading import high_watermarks
from headrace.local import LocalKafkaCluster, LocalServers
from headrace.local.process import frozen
from lifecycles import lifecycles
from outages import caught_up, load, observed, progress
from running import PARTITIONS, Running
from shortened import for_each

pytestmark = [pytest.mark.edge, pytest.mark.timeout(400)]

SLOT = "headrace.handle.orders.0"
FROZEN_SECONDS = 20
AWAY_SECONDS = 30
CRASHES = 6
MOST_CONNECTS = 100
"""A request that may take three seconds, and pauses from a tenth of a second on: without them it is thousands."""
# Session timeout, production's transaction timeout, and five seconds: what one outage may cost at most.
BOUND_SECONDS = 3 + 40 + 5
LOCAL = {"HEADRACE_PROFILE": "local"}  # short timeouts, and failpoints


def start_services(shop: Running, **env: str) -> None:
    shop.start("handler-0", "handle", "orders", "--slot", "0", **env)
    shop.start("handler-1", "handle", "orders", "--slot", "1", **env)
    shop.start_projectors()


def outage(shop: Running, name: str, fault: Callable[[], None]) -> float:
    """Load, a fault in the middle of it, quiet, and the verifier; how long the longest pause was, in seconds."""
    with load(shop) as count, observed(shop) as observer:
        progress(shop, count, 400)
        observer.begin()
        fault()
        progress(shop, count, 400)
        caught_up(shop, count)
        pause = observer.longest()
    shop.assert_sound()
    assert len(shop.read("orders.events")) == count()
    ended = dict(shop.services.restarts)
    print(f"{name}: longest pause of a partition {pause:.1f} s, processes that ended {ended or 'none'}")  # noqa: T201
    return pause


@for_each("fault", ["crash", "restart"], short=["crash"])
def test_a_coordinator_that_moves_amid_a_transaction(
    replicated_shop: Running, cluster: LocalKafkaCluster, fault: str
) -> None:
    shop = replicated_shop
    shop.start_projectors()
    failpoint = {"HEADRACE_FAILPOINT": "stop:offsets_sent:3", "HEADRACE_BATCH_SIZE": "40"}
    shop.start("handler", "handle", "orders", "--slot", "0", **LOCAL, **failpoint)
    shop.send("orders", *lifecycles(100))
    shop.wait(lambda: is_frozen(shop, "handler"), "the handler stands amid a transaction")
    coordinator = cluster.transaction_coordinator_of(SLOT)
    (cluster.kill if fault == "crash" else cluster.stop)(coordinator)
    try:
        go_on(shop)
        shop.send("orders", *lifecycles(20, first=1000))
        shop.wait(lambda: cluster.transaction_coordinator_of(SLOT) != coordinator, "another broker coordinates")
        shop.wait(lambda: go_on(shop) and shop.is_quiet(), "everything answered and projected", 90)
    finally:
        cluster.start(coordinator)
        cluster.wait_until_in_sync()
    shop.assert_sound()
    assert len(shop.read("orders.events")) == 480
    # An assertion of librdkafka's about its own timers (rd_kafka_enq_once_del_source_return) may fail after a freeze.
    assert {gone.code for gone in shop.services.exits} <= {-signal.SIGABRT}


def test_offsets_are_told_by_a_client_that_knew_other_leaders(
    replicated_shop: Running, cluster: LocalKafkaCluster
) -> None:
    places = [("orders.events", number) for number in range(PARTITIONS)]
    known = high_watermarks(replicated_shop.admin, places)
    leader = cluster.leader_of(*places[0])
    cluster.kill(leader)
    cluster.start(leader)
    assert high_watermarks(replicated_shop.admin, places) == known
    cluster.wait_until_in_sync()


def test_a_broker_that_is_away_is_not_connected_to_without_a_pause(
    replicated_shop: Running, cluster: LocalKafkaCluster
) -> None:
    """Not even while a request waits for it, as the lag of every service does until the leaders have moved."""
    told: list[str] = []
    counted = {"statistics.interval.ms": 100, "stats_cb": told.append}
    admin = AdminClient(admin_config(replicated_shop.settings) | counted)
    places = [("orders.events", number) for number in range(PARTITIONS)]
    known = high_watermarks(admin, places)
    cluster.kill(leader := cluster.leader_of(*places[0]))
    try:
        assert high_watermarks(admin, places) == known
        admin.poll(1)
    finally:
        cluster.start(leader)
        cluster.wait_until_in_sync()
    brokers = [broker for text in told for broker in json.loads(text)["brokers"].values()]
    connects = max(broker["connects"] for broker in brokers if broker["nodeid"] == leader)
    assert 0 < connects < MOST_CONNECTS


def wait(seconds: float) -> None:
    """The length of a fault, not a guess at when something is done."""
    threading.Event().wait(seconds)


def go_on(shop: Running) -> bool:
    """Wake the handler wherever it stands: one that is started again meets its failpoint once more."""
    if is_frozen(shop, "handler"):
        shop.services.send("handler", signal.SIGCONT)
    return True


def is_frozen(shop: Running, name: str) -> bool:
    pid = shop.services.pid(name)
    return pid is not None and frozen(pid)


@pytest.mark.chaos
def test_a_rolling_restart_costs_little_and_no_process(replicated_shop: Running, cluster: LocalKafkaCluster) -> None:
    """By the production profile, as it is."""

    def roll() -> None:
        for number in cluster.brokers:
            cluster.restart(number)
            cluster.wait_until_in_sync()

    start_services(replicated_shop)
    assert outage(replicated_shop, "F8 rolling restart of three brokers", roll) < BOUND_SECONDS
    assert not replicated_shop.services.exits


@pytest.fixture
def seed() -> int:
    chosen = random.SystemRandom().randrange(10_000)
    print(f"seed {chosen}")  # noqa: T201
    return chosen


@pytest.mark.chaos
def test_crashes_of_leaders_coordinators_and_controllers(
    replicated_shop: Running, cluster: LocalKafkaCluster, seed: int
) -> None:
    dice = random.Random(seed)  # noqa: S311 - a schedule, no secret
    shop = replicated_shop

    def crash() -> None:
        for _ in range(CRASHES):
            victim = dice.choice(
                [
                    lambda: cluster.leader_of("orders.events", dice.randrange(4)),
                    lambda: cluster.transaction_coordinator_of(SLOT),
                    lambda: cluster.group_coordinator_of("headrace.handle.orders"),
                    cluster.controller,
                ]
            )()
            cluster.kill(victim)
            cluster.start(victim)
            cluster.wait_until_in_sync()

    start_services(shop, **LOCAL)
    outage(shop, f"F9 {CRASHES} crashes among three brokers", crash)


@pytest.mark.chaos
def test_a_leader_that_stands_still_for_long(replicated_shop: Running, cluster: LocalKafkaCluster) -> None:
    def freeze() -> None:
        leader = cluster.leader_of("orders.events", 0)
        cluster.pause(leader)
        wait(FROZEN_SECONDS)
        cluster.resume(leader)
        cluster.wait_until_in_sync()

    start_services(replicated_shop, **LOCAL)
    outage(replicated_shop, f"F11 one of three brokers frozen for {FROZEN_SECONDS} s", freeze)


@pytest.mark.chaos
def test_all_brokers_away_and_back(replicated_shop: Running, cluster: LocalKafkaCluster) -> None:
    def leave() -> None:
        cluster.stop()
        wait(AWAY_SECONDS)
        cluster.start()
        cluster.wait_until_in_sync()

    start_services(replicated_shop, **LOCAL)
    outage(replicated_shop, f"F10 all three brokers away for {AWAY_SECONDS} s", leave)


@pytest.mark.chaos
@pytest.mark.parametrize("fault", ["restart", "crash", "freeze", "away"])
def test_the_only_broker_that_goes_away_costs_time_and_nothing_else(
    shop: Running, servers: LocalServers, fault: str
) -> None:
    def go() -> None:
        if fault == "restart":
            servers.kafka.restart()
        elif fault == "crash":
            servers.kafka.kill()
            servers.kafka.start()
        elif fault == "freeze":
            servers.kafka.pause()
            wait(FROZEN_SECONDS)
            servers.kafka.resume()
        else:
            servers.kafka.stop()
            wait(AWAY_SECONDS)
            servers.kafka.start()

    start_services(shop)
    outage(shop, f"the only broker: {fault}", go)
