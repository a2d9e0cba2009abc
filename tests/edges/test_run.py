"""`headrace run`: a developer's whole app in one command, and nothing of it left behind."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from lifecycles import lifecycles
from running import ROOT, Running

pytestmark = pytest.mark.edge


@pytest.fixture
def command(shop: Running) -> list[str]:
    return [sys.executable, "-m", "headrace", "run", "--logs", str(shop.folder / "logs"), "--app", shop.app_path]


def test_all_services_of_an_app_run_until_they_are_told_to_stop(shop: Running, command: list[str]) -> None:
    shop.projecting |= {"orders_v1", "journal"}
    with subprocess.Popen(command, env=shop.env, cwd=ROOT, stderr=subprocess.PIPE, text=True) as running:
        shop.send("orders", *lifecycles(5))
        shop.wait(
            lambda: shop.rows("SELECT count(*) FROM orders WHERE status = 'delivered'") == [(5,)], "rows are there"
        )
        services = psutil.Process(running.pid).children(recursive=True)
        running.send_signal(signal.SIGINT)
        assert running.stderr
        said = running.stderr.read()
    assert running.returncode == 0, said
    assert "running handle orders, project orders, project order_statistics, project journal, project audit" in said
    assert "partitions acquired" in said
    assert not any(each.is_running() for each in services)


def test_a_service_that_cannot_run_ends_them_all(shop: Running, command: list[str]) -> None:
    shop.admin.delete_topics(["orders.parked"])["orders.parked"].result()
    done = subprocess.run(
        command, env=shop.env, cwd=ROOT, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "headrace: handle orders ended 5 times within 30 s" in done.stderr
    assert "topics orders.parked do not exist: run `headrace topics create`" in done.stderr


def test_without_servers_it_says_which_address_is_missing(command: list[str]) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("KAFKA_", "DATABASE_"))}
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "KAFKA_BOOTSTRAP_SERVERS" in done.stderr
