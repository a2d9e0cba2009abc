"""deploy/compose.yaml on real servers: each service's command runs with its variables, and its health check passes."""

import contextlib
import shlex
import subprocess
import sys
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource

from deploy.composed import ours, read, verb
from headrace.local import Supervisor
from running import ROOT, Running
from scraping import free_port, get
from servers import Kafka

pytestmark = pytest.mark.edge

NOT_THE_BROKERS = {"CLUSTER_ID", "KAFKA_HEAP_OPTS"}


@pytest.fixture
def services() -> dict[str, Any]:
    found: dict[str, Any] = read()["services"]
    return found


@pytest.fixture
def empty(kafka: Kafka, database: str, tmp_path: Path) -> Iterator[Running]:
    """The shipped application before anything is there; afterwards its topics are gone."""
    with Supervisor() as supervisor:
        heart = Running(kafka.bootstrap_servers, database, tmp_path, "headrace.app:app", ROOT / "schemas", supervisor)
        yield heart
        supervisor.stop()
        heart.remove()


def test_every_variable_of_the_broker_is_a_property_that_a_broker_knows(kafka: Kafka, services: dict[str, Any]) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    [broker] = admin.list_topics(timeout=10).brokers
    [known] = admin.describe_configs([ConfigResource(ConfigResource.Type.BROKER, str(broker))]).values()
    properties = {
        name.removeprefix("KAFKA_").lower().replace("_", ".")
        for name in set(services["kafka"]["environment"]) - NOT_THE_BROKERS
    }
    assert len(properties) > 10
    assert properties <= set(known.result(10))


def composed(service: Any, heart: Running) -> dict[str, str]:
    """A service's variables, with the addresses of the servers that are here instead of Compose's."""
    here = {
        "kafka:9092": heart.env["KAFKA_BOOTSTRAP_SERVERS"],
        "postgresql://headrace:headrace@postgres:5432/headrace": heart.env["DATABASE_URL"],
    }
    said = {name: here.get(value, value) for name, value in service["environment"].items()}
    assert said["KAFKA_BOOTSTRAP_SERVERS"] == here["kafka:9092"]
    # Without a registry: tests/edges/test_registry.py has a real one, and a check of the file knows its address.
    assert said.pop("SCHEMA_REGISTRY_URL")
    kept = ("PATH", "PYTHONPATH", "HEADRACE_SCHEMAS")
    return {name: heart.env[name] for name in kept} | said


def is_ready(port: str) -> bool:
    with contextlib.suppress(URLError):
        return get(f"http://127.0.0.1:{port}/readyz")[0] == HTTPStatus.OK
    return False


def test_every_service_runs_as_the_file_says_and_becomes_healthy(empty: Running, services: dict[str, Any]) -> None:
    python = [sys.executable, "-m", "headrace"]
    checks: dict[str, list[str]] = {}
    for name, service in ours(services).items():
        said = composed(service, empty)
        if verb(service) == ("init",):
            # First in the file, and waited for.
            assert subprocess.run([*python, *service["command"]], env=said, check=False).returncode == 0
            continue
        port = str(free_port())
        _, _, *check = (word.replace(said["METRICS_PORT"], port) for word in service["healthcheck"]["test"])
        checks[port] = [sys.executable, *check]
        empty.services.start(name, [*python, *service["command"]], empty.log(name), said | {"METRICS_PORT": port})
    assert len(checks) == 13
    for port, check in checks.items():
        empty.wait(lambda port=port: is_ready(port), f"ready: {shlex.join(check)}", 90)  # type: ignore[misc]
        assert subprocess.run(check, check=False).returncode == 0
    order = ["--id", "536365", "--field", "currency=GBP", "--field", "business_date=2010-12-01"]
    lines = 'lines=[{"sku": "85123A", "description": "HEART", "quantity": 6, "unit_price": 255}]'
    sent = empty.headrace("send", "orders", "CreateOrder", *order, "--field", lines, env={"HEADRACE_PARTITIONS": "12"})
    assert sent.stdout == "accepted at version 1\n", sent.stderr
    empty.wait(lambda: empty.rows("SELECT total FROM orders WHERE order_id = '536365'") != [], "the order's row")
