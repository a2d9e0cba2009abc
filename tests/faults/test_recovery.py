"""Everything falls over with commands waiting, 100,000 at most: how long until all services have caught up again."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from headrace.local import LocalServers
from lifecycles import lifecycles
from running import Running
from shortened import for_each

pytestmark = [pytest.mark.edge, pytest.mark.timeout(600)]

BOUND_S = 300.0
"""The promise: recovered in under five minutes."""


@for_each("orders", [2_500, 25_000], short=[2_500])
def test_brokers_and_database_that_are_killed_leave_a_backlog_that_is_worked_off_within_five_minutes(
    servers: LocalServers, shop: Running, orders: int
) -> None:
    for slot in ("0", "1"):
        shop.start(f"handler-{slot}", "handle", "orders", "--slot", slot)
    shop.start_projectors()
    shop.start("project-audit", "project", "audit")
    shop.send("orders", *lifecycles(10))
    shop.wait_until_quiet()
    names = ["handler-0", "handler-1", *shop.projectors, "project-audit"]
    for name in names:
        shop.services.send(name, signal.SIGSTOP)
    shop.send("orders", *lifecycles(orders, first=1_000))
    servers.kafka.kill()
    servers.postgres.kill()
    for name in names:
        shop.services.send(name, signal.SIGCONT)
    began = time.monotonic()
    with ThreadPoolExecutor(2) as both:
        for started in [both.submit(servers.kafka.start), both.submit(servers.postgres.start)]:
            started.result()
    up_s = time.monotonic() - began
    shop.wait_until_quiet(BOUND_S - up_s)
    caught_up_s = time.monotonic() - began
    ended = dict(shop.services.restarts)
    print(f"servers up after {up_s:.1f} s, {4 * orders} events caught up after {caught_up_s:.1f} s, ended: {ended}")  # noqa: T201
    shop.assert_sound()
    assert len(shop.read("orders.events")) == 4 * (orders + 10)
