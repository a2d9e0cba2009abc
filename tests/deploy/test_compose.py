"""deploy/compose.yaml, without an engine; and that what is mistyped in it is found."""

import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from deploy.composed import FILE, problems_of, read

Change = Callable[[dict[str, Any]], Any]


def against_the_schema(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", path],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return read()


def test_nothing_is_wrong_with_it(document: dict[str, Any]) -> None:
    assert problems_of(document) == []


def test_a_mistyped_field_is_no_compose_file(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(FILE.read_text().replace("stop_grace_period: 30s", "stop_grace_periode: 30s"))
    assert wrong.read_text() != FILE.read_text()
    checked = against_the_schema(wrong)
    assert checked.returncode == 1
    assert "stop_grace_periode" in checked.stdout


def service(name: str, change: Change) -> Change:
    return lambda services: change(services[name])


def variable(name: str, **values: str) -> Change:
    return service(name, lambda one: one["environment"].update(values))


MISTAKES: dict[str, tuple[Change, str]] = {
    "a flag": (service("init", lambda one: one.update(command=["init", "--weit", "9"])), "--weit"),
    "a flag's value": (
        service("init", lambda one: one.update(command=["init", "--wait", "long"])),
        "init --wait long: ",
    ),
    "a command": (service("handle-orders", lambda one: one.update(command=["handel", "orders"])), "['handel']"),
    "an aggregate": (
        service("handle-orders", lambda one: one.update(command=["handle", "order"])),
        "nobody does `headrace handle orders`",
    ),
    "a view twice": (
        service("project-orders", lambda one: one.update(command=["project", "accounts"])),
        "project-orders does `headrace project accounts`",
    ),
    "a service less": (lambda services: services.pop("project-audit"), "nobody does `headrace project audit`"),
    "a variable": (
        variable("project-orders", HEADRACE_PARTITION="12"),
        "project-orders: nothing reads the variable HEADRACE_PARTITION",
    ),
    "a variable's value": (variable("handle-orders", HEADRACE_PROFILE="lokal"), "HEADRACE_PROFILE: Input should be"),
    "a variable of Postgres": (variable("postgres", POSTGRES_DATABASE="x"), "POSTGRES_DATABASE"),
    "a variable of the registry": (variable("registry", APICURIO_STORAGE="sql"), "APICURIO_STORAGE"),
    "a number that is no text": (variable("handle-orders", METRICS_PORT=9100), "no text"),  # type: ignore[arg-type]
    "a database for those who ask none": (variable("handle-orders", DATABASE_URL="x"), "it asks no database"),
    "a broker's port": (
        variable("handle-orders", KAFKA_BOOTSTRAP_SERVERS="kafka:9094"),
        "handle-orders: KAFKA_BOOTSTRAP_SERVERS names kafka:9094, where nobody listens",
    ),
    "a broker's name": (
        variable("handle-orders", KAFKA_BOOTSTRAP_SERVERS="broker:9092"),
        "broker, which is no service",
    ),
    "a listener": (
        variable("kafka", KAFKA_LISTENERS="INSIDE://:9095,OUTSIDE://:19092,CONTROLLER://:9093"),
        "kafka: KAFKA_ADVERTISED_LISTENERS names kafka:9092, where nobody listens",
    ),
    "a registry's port": (
        variable("handle-orders", SCHEMA_REGISTRY_URL="http://registry:8081/apis/ccompat/v7"),
        "handle-orders: SCHEMA_REGISTRY_URL names registry:8081, where nobody listens",
    ),
    "a registry's path": (
        variable("handle-orders", SCHEMA_REGISTRY_URL="http://registry:8080/apis/ccompat"),
        "Confluent's API is /apis/ccompat/v7",
    ),
    "a database's port": (
        variable("project-orders", DATABASE_URL="postgresql://headrace:headrace@postgres:5433/headrace"),
        "postgres:5433, where nobody listens",
    ),
    "a database's name": (
        variable("registry", APICURIO_DATASOURCE_URL="jdbc:postgresql://postgres:5432/registrar"),
        "registry: nobody makes the database registrar",
    ),
    "a user of the database": (variable("postgres", POSTGRES_USER="other"), "lets others in"),
    "the port of metrics": (
        variable("handle-orders", METRICS_PORT="9101"),
        "handle-orders: its health is asked for on {9100}, where nobody listens",
    ),
    "the port that Prometheus looks at": (
        variable("watch", METRICS_PORT="9464"),
        "Prometheus looks at watch:9100, where nobody listens",
    ),
    "a service that Prometheus looks at": (
        lambda services: services.update(watching=services.pop("watch")),
        "Prometheus does not look at watching",
    ),
    "where dashboards lie": (
        service("grafana", lambda one: one["volumes"].__setitem__(1, "./grafana/dashboards:/var/lib/dashboards:ro")),
        "grafana: the dashboards are not mounted at /etc/grafana/dashboards",
    ),
    "where Grafana finds Prometheus": (
        lambda services: services.update(prometeus=services.pop("prometheus")),
        "grafana: http://prometheus:9090 is where nobody listens",
    ),
    "a published port": (service("postgres", lambda one: one.update(ports=["127.0.0.1:5432:5433"])), "port 5433"),
    "a port for all": (service("postgres", lambda one: one.update(ports=["0.0.0.0:5432:5432"])), "other machines"),
    "a port twice": (
        service("postgres", lambda one: one.update(ports=["127.0.0.1:8081:5432"])),
        "8081 is published by",
    ),
    "a probe's path": (
        service(
            "handle-orders", lambda one: one["healthcheck"]["test"].__setitem__(3, "'http://127.0.0.1:9100/ready'")
        ),
        "asked for at ['/ready']",
    ),
    "an image that moves": (service("kafka", lambda one: one.update(image="apache/kafka:latest")), "no tag that stays"),
    "an image without a tag": (service("kafka", lambda one: one.update(image="apache/kafka")), "no tag that stays"),
    "what is waited for": (
        service("load", lambda one: one["depends_on"].update(kafca={"condition": "service_started"})),
        "load waits for kafca, which is no service",
    ),
    "health that nobody asks for": (
        service("kafka", lambda one: one.pop("healthcheck")),
        "whose health nobody asks for",
    ),
    "no wait for topics": (service("handle-orders", lambda one: one.update(depends_on={})), "does not wait for init"),
    "a root that can be written": (service("init", lambda one: one.update(read_only=False)), "may write to its root"),
    "a file that is mounted": (
        service("postgres", lambda one: one["volumes"].append("./postgres/register.sql:/x:ro")),
        "./postgres/register.sql is mounted, and is not there",
    ),
    "a volume": (service("kafka", lambda one: one.update(volumes=["kafca:/var/lib/kafka/data"])), "kafca"),
}


@pytest.mark.parametrize(("change", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_found_and_named(document: dict[str, Any], change: Change, told: str) -> None:
    # One by one, since services share what an anchor names, and the change is one service's alone.
    services = {name: deepcopy(one) for name, one in document["services"].items()}
    change(services)
    problems = problems_of(document | {"services": services})
    assert any(told in problem for problem in problems), problems
