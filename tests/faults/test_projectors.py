"""F20 and F21: two projectors of one name, and a database that goes away in the middle of a batch."""

import os
import signal

import pytest

from headrace.local import LocalServers
from lifecycles import lifecycles
from running import Running
from shortened import for_each

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]

PROJECTORS = ("orders", "order_statistics", "journal")


def test_of_two_projectors_of_one_name_only_the_owner_writes(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    shop.start_projectors()
    # Another group: both are given every partition, which no group would do.
    shop.start("double", "project", "orders", KAFKA_CONSUMER__GROUP_ID="headrace.impostor")
    shop.wait(lambda: bool(shop.owned("double") and shop.owned("project-orders")), "both own the partitions")
    shop.send("orders", *lifecycles(200))
    shop.wait(lambda: bool(shop.services.exits), "the loser ends")
    assert {gone.name for gone in shop.services.exits} <= {"double", "project-orders"}
    said = shop.log("double").read_text() + shop.log("project-orders").read_text()
    assert "another process has advanced a checkpoint" in said
    shop.services.stop("double")
    shop.assert_sound()


@pytest.mark.parametrize(
    ("step", "mode"),
    [
        ("advanced", "fast"),
        ("applied", "immediate"),
        pytest.param("advanced", "immediate", marks=pytest.mark.chaos),
        pytest.param("applied", "fast", marks=pytest.mark.chaos),
    ],
)
def test_a_database_restart_in_the_middle_of_a_batch_loses_and_doubles_no_row_and_ends_no_process(
    shop: Running, servers: LocalServers, step: str, mode: str
) -> None:
    shop.start("handler", "handle", "orders")
    for view in PROJECTORS:
        shop.start(f"frozen-{view}", "project", view, HEADRACE_FAILPOINT=f"stop:{step}:2", HEADRACE_BATCH_SIZE="40")
    shop.send("orders", *lifecycles(100))
    pids = {}
    for view in PROJECTORS:
        name = f"frozen-{view}"
        pids[view] = shop.services.pid(name)
        shop.wait(lambda pid=pids[view]: is_stopped(pid), f"{name} is frozen in its transaction")  # type: ignore[misc]
    servers.postgres.restart(mode)
    for view in PROJECTORS:
        shop.services.send(f"frozen-{view}", signal.SIGCONT)
    shop.assert_sound()
    assert not shop.services.exits
    for view in PROJECTORS:
        assert "connected anew" in shop.log(f"frozen-{view}").read_text()


@for_each("step", ["advanced", "applied", "committed"], short=["applied", "committed"])
def test_a_projector_killed_in_its_transaction_is_replaced(shop: Running, step: str) -> None:
    shop.start("handler", "handle", "orders")
    for view in PROJECTORS:
        shop.start(f"victim-{view}", "project", view, HEADRACE_FAILPOINT=f"kill:{step}:2", HEADRACE_BATCH_SIZE="40")
    shop.send("orders", *lifecycles(100))
    for view in PROJECTORS:
        shop.wait(lambda view=view: shop.services.restarts[f"victim-{view}"] > 0, "it dies")  # type: ignore[misc]
        shop.services.stop(f"victim-{view}")
    shop.start_projectors()
    shop.assert_sound()


def is_stopped(pid: int | None) -> bool:
    """Whether the kernel says that the process is stopped (state T)."""
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
        return stat.read().rpartition(")")[2].split()[0] == "T"


def test_the_state_of_a_process_can_be_read() -> None:
    assert not is_stopped(os.getpid())
