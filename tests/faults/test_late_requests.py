"""F5 and F6: requests of a transaction that come late, or whose answers are lost; and a coordinator that is away.

The broker is reached through a proxy that reads its frames.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from headrace.local import LocalKafka
from headrace.local.process import frozen
from headrace_load.proxy import Api, FrameProxy
from lifecycles import lifecycles
from running import Running, running
from servers import readable_folder

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]

SLOT = "headrace.handle.orders.0"
FENCED = {47, 90}  # INVALID_PRODUCER_EPOCH, PRODUCER_FENCED
NO_ERROR = 0
OUTSIDE = Path(__file__).parent / "outside"


@pytest.fixture(scope="module")
def proxied() -> Iterator[tuple[FrameProxy, LocalKafka]]:
    with FrameProxy() as proxy, readable_folder() as folder:
        kafka = LocalKafka(folder / "kafka", {"advertised.listeners": f"PLAINTEXT://127.0.0.1:{proxy.port}"})
        with kafka:
            proxy.target = int(kafka.bootstrap_servers.rpartition(":")[2])
            yield proxy, kafka


@pytest.fixture
def proxy(proxied: tuple[FrameProxy, LocalKafka]) -> FrameProxy:
    return proxied[0]


@pytest.fixture
def far_shop(proxy: FrameProxy, database: str, tmp_path: Path) -> Iterator[Running]:
    """Topics and tables of the shipped app, the broker behind the proxy."""
    with running(f"127.0.0.1:{proxy.port}", database, tmp_path) as heart:
        yield heart


def answer_to_a_late_commit(shop: Running, proxy: FrameProxy, *command: str | Path) -> int:
    """The first EndTxn is held while the client's second try commits; it comes amid the next transaction.

    The handler is frozen there, all its records written. Returns the broker's error code.
    """
    late = proxy.hold(Api.END_TRANSACTION, SLOT)
    environment = shop.env | {"HEADRACE_FAILPOINT": "stop:flushed:2", "HEADRACE_BATCH_SIZE": "40"}
    shop.services.start("victim", [sys.executable, *command, "handle", "orders"], shop.log("victim"), environment)
    shop.send("orders", *lifecycles(50))
    shop.wait(late.happened.is_set, "the first end of a transaction is held")
    shop.wait(lambda: is_frozen(shop, "victim"), "the handler stands in its second transaction")
    return int.from_bytes(late.deliver()[4:6], "big", signed=True)


def answered_without_offsets(shop: Running) -> int:
    """How many outcomes can be read whose commands the group has not left behind."""
    committed = shop.committed("headrace.handle.orders", "orders.commands")
    return len(shop.read("orders.outcomes")) - sum(offset for offset in committed.values() if offset > 0)


def is_frozen(shop: Running, name: str) -> bool:
    pid = shop.services.pid(name)
    return pid is not None and frozen(pid)


def test_a_commit_that_comes_late_is_refused(far_shop: Running, proxy: FrameProxy) -> None:
    far_shop.start_projectors()
    assert answer_to_a_late_commit(far_shop, proxy, "-m", "headrace") in FENCED
    assert answered_without_offsets(far_shop) == 0
    assert "producer recycled" in far_shop.log("victim").read_text()
    far_shop.services.kill("victim")
    far_shop.services.stop("victim")
    far_shop.start("successor", "handle", "orders")
    far_shop.assert_sound()
    assert len(far_shop.read("orders.events")) == 200


def test_without_a_new_client_a_late_commit_tears_a_transaction(far_shop: Running, proxy: FrameProxy) -> None:
    assert answer_to_a_late_commit(far_shop, proxy, OUTSIDE / "keeps_its_client.py") == NO_ERROR
    far_shop.wait(lambda: answered_without_offsets(far_shop) == 40, "the batch is committed without its offsets")


def test_a_lost_answer_to_a_commit_is_asked_for_again(far_shop: Running, proxy: FrameProxy) -> None:
    far_shop.start_projectors()
    lost = proxy.lose_answer(Api.END_TRANSACTION, SLOT)
    far_shop.start("handler", "handle", "orders", HEADRACE_BATCH_SIZE="40")
    far_shop.send("orders", *lifecycles(50))
    far_shop.wait(lost.happened.is_set, "the answer to a commit is lost")
    far_shop.assert_sound()
    assert "producer recycled" in far_shop.log("handler").read_text()
    assert not far_shop.services.restarts["handler"]
    assert len(far_shop.read("orders.events")) == 200


def test_a_handler_that_takes_one_new_client_after_another_keeps_no_old_one(
    far_shop: Running, proxy: FrameProxy
) -> None:
    far_shop.start("handler", "handle", "orders")
    held: list[tuple[int, int]] = []
    for turn in range(1, 13):
        lost = proxy.lose_answer(Api.END_TRANSACTION, SLOT)
        far_shop.send("orders", *lifecycles(5, first=turn * 10))
        far_shop.wait(lost.happened.is_set, "the answer to a commit is lost")
        far_shop.wait_until_quiet()
        far_shop.send("orders", *lifecycles(1, first=turn * 10 + 9))
        far_shop.wait(lambda: far_shop.log("handler").read_text().count("producer recycled") >= turn, "a new client")  # noqa: B023
        far_shop.wait_until_quiet()
        held.append(threads_and_files(far_shop, "handler"))
    threads, files = held[1]
    far_shop.wait(
        lambda: all(
            now <= most for now, most in zip(threads_and_files(far_shop, "handler"), (threads, files + 2), strict=True)
        ),
        f"no more threads and files than after the second: {held}",
    )
    assert not far_shop.services.restarts["handler"]


def threads_and_files(shop: Running, name: str) -> tuple[int, int]:
    process = psutil.Process(shop.services.pid(name))
    return process.num_threads(), process.num_fds()


@pytest.mark.parametrize("fate", ["committed", "not committed"])
def test_a_commit_that_nobody_answers_for_long_is_settled_by_the_groups_offsets(
    far_shop: Running, proxy: FrameProxy, fate: str
) -> None:
    far_shop.start_projectors()
    catch = proxy.lose_answer if fate == "committed" else proxy.hold
    caught = catch(Api.END_TRANSACTION, SLOT, then_away=True)
    far_shop.start("handler", "handle", "orders", HEADRACE_BATCH_SIZE="40")
    far_shop.send("orders", *lifecycles(50))
    far_shop.wait(caught.happened.is_set, "the commit is not answered")
    far_shop.wait(lambda: "producer recycled" in far_shop.log("handler").read_text(), "the handler gives it up")
    proxy.come_back()
    far_shop.assert_sound()
    said = far_shop.log("handler").read_text()
    assert ("its records are read again" in said) == (fate == "not committed")
    assert not far_shop.services.restarts["handler"]
    assert len(far_shop.read("orders.events")) == 200


def test_a_group_coordinator_that_stays_away_costs_a_new_client_and_no_process(
    far_shop: Running, proxy: FrameProxy
) -> None:
    far_shop.start_projectors()
    held = proxy.hold(Api.COMMIT_OFFSETS, SLOT, then_away=True)
    far_shop.start("handler", "handle", "orders", HEADRACE_BATCH_SIZE="40")
    far_shop.send("orders", *lifecycles(50))
    far_shop.wait(held.happened.is_set, "the group's coordinator is asked")
    far_shop.wait(lambda: "producer recycled" in far_shop.log("handler").read_text(), "the call is left behind")
    proxy.come_back()
    far_shop.assert_sound()
    assert "offsets were not accepted within 2.0 s" in far_shop.log("handler").read_text()
    assert not far_shop.services.restarts["handler"]
    assert len(far_shop.read("orders.events")) == 200


def test_a_call_that_nothing_bounds_ends_the_process_by_the_watchdog(far_shop: Running, proxy: FrameProxy) -> None:
    far_shop.start_projectors()
    held = proxy.hold(Api.COMMIT_OFFSETS, SLOT, then_away=True)
    patient = [sys.executable, OUTSIDE / "waits_for_its_client.py", "handle", "orders"]
    far_shop.services.start("handler", patient, far_shop.log("handler"), far_shop.env | {"HEADRACE_BATCH_SIZE": "40"})
    far_shop.send("orders", *lifecycles(50))
    far_shop.wait(held.happened.is_set, "the group's coordinator is asked")
    far_shop.wait(lambda: bool(far_shop.services.restarts["handler"]), "the process ends")
    proxy.come_back()
    assert "the loop has not come round for" in far_shop.log("handler").read_text()
    far_shop.assert_sound()
    assert len(far_shop.read("orders.events")) == 200
