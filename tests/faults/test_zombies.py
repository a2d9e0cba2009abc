"""F2, F3, F4, F19: handlers that stop amid a transaction and come back, and a stranger with a handler's own id."""

import signal
import time

import pytest
from confluent_kafka import KafkaException, Producer

from headrace.handler.rights import group_of
from headrace.kafka.clients import producer_config
from headrace.local.process import frozen
from lifecycles import lifecycles
from running import PARTITIONS, Running
from shortened import for_each

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]

STEPS = ["begun", "answered", "producing", "produced", "flushed", "offsets_sent", "offsets_sent+", "committed"]
AMID, UNDECIDED = "producing", "offsets_sent"
"""Where most can go wrong: amid the records, and when all is with the broker and nothing is decided."""
TRANSACTION_MS = 3000
BEYOND_SECONDS = 3 * TRANSACTION_MS / 1000
SHORT = {
    f"KAFKA_PRODUCER__{name}_TIMEOUT_MS": str(TRANSACTION_MS) for name in ("TRANSACTION", "MESSAGE", "SOCKET")
}  # fmt: skip


def freeze(shop: Running, step: str, **env: str) -> None:
    """A peer that owns a half, and a handler that is stopped at its third reach of a step."""
    shop.start_projectors()
    shop.start("peer", "handle", "orders", "--slot", "1", **env)
    shop.wait(lambda: len(shop.owned("peer")) == PARTITIONS, "the peer owns all")
    failpoint = {"HEADRACE_FAILPOINT": f"stop:{step}:3", "HEADRACE_BATCH_SIZE": "40", "HEADRACE_INSTANCE": "zombie"}
    shop.start("zombie", "handle", "orders", "--slot", "0", **failpoint, **env)
    shop.wait(lambda: len(shop.owned("zombie")) == PARTITIONS // 2, "the zombie owns a half")
    shop.send("orders", *lifecycles(200))
    pid = shop.services.pid("zombie")
    shop.wait(lambda: pid is not None and frozen(pid), f"it stops at {step}")


@for_each("step", STEPS, short=[UNDECIDED])
def test_a_zombie_beyond_its_transaction_changes_nothing_when_it_comes_back(shop: Running, step: str) -> None:
    freeze(shop, step, **SHORT)
    since = time.monotonic()
    shop.wait_until_quiet()  # the peer has all of it, and has answered all
    shop.wait(lambda: time.monotonic() - since > BEYOND_SECONDS, "the broker has given it up", BEYOND_SECONDS + 5)
    before = shop.read("orders.outcomes")
    shop.services.send("zombie", signal.SIGCONT)
    shop.wait(lambda: "released" in shop.log("zombie").read_text() or bool(shop.services.exits), "it has noticed")
    assert shop.read("orders.outcomes") == before
    shop.send("orders", *lifecycles(20, first=1000))
    shop.assert_sound()
    assert len(shop.read("orders.events")) == 880
    assert {gone.name for gone in shop.services.exits} <= {"zombie"}
    ends = [line for line in shop.log("zombie").read_text().splitlines() if line.startswith("headrace:")]
    assert not any("Unable to produce" in line for line in ends)  # a transaction to be aborted, no reason to end


@for_each("step", STEPS, short=[AMID])
def test_a_zombie_that_comes_back_while_its_transaction_is_open_commits_it_whole_or_not_at_all(
    shop: Running, step: str
) -> None:
    freeze(shop, step)
    # The peer is given the partitions; where offsets are pending, its restore waits until they are decided.
    shop.wait(lambda: "zombie" not in members(shop), "the group gives it up")
    shop.services.send("zombie", signal.SIGCONT)
    shop.send("orders", *lifecycles(20, first=1000))
    shop.assert_sound()
    assert len(shop.read("orders.events")) == 880
    assert {gone.name for gone in shop.services.exits} <= {"zombie"}


def test_a_stranger_with_a_handlers_own_id_ends_it_each_time_and_changes_nothing(shop: Running) -> None:
    shop.start_projectors()
    shop.start("handler", "handle", "orders", "--slot", "0")
    transactional_id = f"{group_of('orders')}.0"
    taken = 0
    for number in range(4):
        shop.send("orders", *lifecycles(20, first=number * 20))
        shop.wait_until_quiet()
        stranger = Producer(producer_config(shop.settings, transactional_id) | {"log_level": 2})
        try:
            stranger.init_transactions(10)
            taken += 1
        except KafkaException:
            continue  # the handler took it first
        shop.send("orders", *lifecycles(20, first=1000 + number * 20))
        shop.wait(lambda so_many=taken: len(shop.services.exits) >= so_many, "the handler ends")  # type: ignore[misc]
    assert taken
    shop.assert_sound()
    assert len(shop.read("orders.events")) == 640
    # It takes its id back once; nobody fences the other again and again.
    assert len(shop.services.exits) == taken
    assert "_FENCED" in shop.log("handler").read_text()


def members(shop: Running) -> set[str]:
    """The client ids of the handlers' group."""
    [future] = shop.admin.describe_consumer_groups([group_of("orders")], request_timeout=10).values()
    return {member.client_id for member in future.result().members}
