"""F8, F9, F10, F11: the broker restarts, crashes, is away for a while, or hangs, under load."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from headrace.local import LocalServers
from lifecycles import lifecycles
from running import Running

pytestmark = [pytest.mark.edge, pytest.mark.chaos, pytest.mark.timeout(300)]

FROZEN_SECONDS = 14  # longer than a local transaction may last


@contextmanager
def load(shop: Running) -> Iterator[Callable[[], int]]:
    """Orders sent all the while, in small groups, by another thread; tells how many commands were sent."""
    over = threading.Event()
    sent: list[int] = []

    def send() -> None:
        for first in range(0, 100_000, 10):
            if over.is_set():
                return
            shop.send("orders", *lifecycles(10, first=first))
            sent.append(40)
            over.wait(0.05)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield lambda: sum(sent)
    finally:
        over.set()
        sender.join()


def progress(shop: Running, count: Callable[[], int], more: int) -> None:
    """Wait until so many more commands were sent and answered events are there."""
    goal = count() + more
    shop.wait(lambda: count() >= goal, "commands are sent")


@pytest.mark.parametrize("fault", ["restart", "crash", "freeze"])
def test_a_broker_that_goes_away_under_load_costs_time_and_nothing_else(
    shop: Running, servers: LocalServers, fault: str
) -> None:
    shop.start("handler-0", "handle", "orders", "--slot", "0")
    shop.start("handler-1", "handle", "orders", "--slot", "1")
    shop.start_projectors()
    with load(shop) as count:
        progress(shop, count, 400)
        if fault == "restart":
            servers.kafka.restart()
        elif fault == "crash":
            servers.kafka.kill()
            servers.kafka.start()
        else:
            servers.kafka.pause()
            threading.Event().wait(FROZEN_SECONDS)
            servers.kafka.resume()
        progress(shop, count, 400)
    shop.assert_sound()
    assert len(shop.read("orders.events")) == count()
