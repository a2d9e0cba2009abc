"""The manifests in deploy/kubernetes, without a cluster; and that what is wrong in them is found."""

import shutil
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import yaml

from headrace.app import app, shop
from headrace_load.manifests.__main__ import build
from headrace_load.manifests.check import problems_of
from headrace_load.manifests.documents import FOLDER, OVERLAYS, Document, named, of_kind, read
from headrace_load.manifests.generate import files_of
from headrace_load.manifests.schemas import problems_with_schemas
from headrace_load.manifests.vendor import trimmed

Change = Callable[[list[Document]], Any]


@pytest.fixture(scope="module")
def production() -> list[Document]:
    return read("production")


def pod(documents: list[Document], kind: str, name: str) -> Document:
    found: Document = named(documents, kind, name)["spec"]["template"]["spec"]
    return found


def program(documents: list[Document], kind: str = "StatefulSet", name: str = "handle-orders") -> Document:
    found: Document = pod(documents, kind, name)["containers"][0]
    return found


def settings(documents: list[Document]) -> dict[str, str]:
    [found] = [one for one in of_kind(documents, "ConfigMap") if "HEADRACE_PROFILE" in one["data"]]
    data: dict[str, str] = found["data"]
    return data


def triggers(documents: list[Document], name: str) -> list[Document]:
    found: list[Document] = named(documents, "ScaledObject", name)["spec"]["triggers"]
    return found


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_overlay_is_as_it_must_be(overlay: str) -> None:
    assert problems_of(read(overlay), app) == []


def test_what_follows_from_the_application_is_what_is_written() -> None:
    for path, text in files_of(app).items():
        assert (FOLDER / path).read_text() == text, f"{path}: run `make manifests`"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_was_built_is_what_kustomize_builds(overlay: str) -> None:
    if not shutil.which("kubectl"):
        pytest.skip("no kubectl on the PATH: what was built is checked by itself")
    assert list(yaml.safe_load_all(build(overlay))) == read(overlay)


FIELDS: dict[str, tuple[Change, str]] = {
    "a field of a StatefulSet": (
        lambda all_: named(all_, "StatefulSet", "handle-orders")["spec"].update(podManagmentPolicy="Parallel"),
        "podManagmentPolicy",
    ),
    "a field of a probe": (
        lambda all_: program(all_)["livenessProbe"].update(periodSecond=10),
        "periodSecond",
    ),
    "a field of a disruption budget": (
        lambda all_: named(all_, "PodDisruptionBudget", "handle-orders")["spec"].update(maxUnavailble=1),
        "maxUnavailble",
    ),
    "a field of a network policy": (
        lambda all_: named(all_, "NetworkPolicy", "metrics")["spec"].update(policyType=["Ingress"]),
        "policyType",
    ),
    "a field of a ScaledObject": (
        lambda all_: named(all_, "ScaledObject", "handle-orders")["spec"].update(maxReplicasCount=12),
        "maxReplicasCount",
    ),
    "a field deep in a ScaledObject": (
        lambda all_: named(all_, "ScaledObject", "handle-orders")["spec"]["advanced"]["horizontalPodAutoscalerConfig"][
            "behavior"
        ]["scaleDown"].update(stabilisationWindowSeconds=1),
        "stabilisationWindowSeconds",
    ),
    "a field of the Kafka cluster": (
        lambda all_: of_kind(all_, "Kafka")[0]["spec"]["kafka"]["listeners"][0].update(tsl=True),
        "tsl",
    ),
    "a field of a node pool": (
        lambda all_: of_kind(all_, "KafkaNodePool")[0]["spec"]["storage"].update(sise="1Gi"),
        "sise",
    ),
    "a field of a topic": (
        lambda all_: named(all_, "KafkaTopic", "orders.events")["spec"].update(partition=12),
        "partition",
    ),
    "a field of the database": (
        lambda all_: of_kind(all_, "Cluster")[0]["spec"]["postgresql"].update(synchronus={}),
        "synchronus",
    ),
    "a field of the nightly backup": (
        lambda all_: of_kind(all_, "ScheduledBackup")[0]["spec"].update(schedul="0 0 0 * * *"),
        "schedul",
    ),
    "a field of where backups lie": (
        lambda all_: of_kind(all_, "ObjectStore")[0]["spec"]["configuration"].update(destination="s3://x"),
        "destination",
    ),
    "a field of a PodMonitor": (
        lambda all_: named(all_, "PodMonitor", "headrace-projectors")["spec"].update(podMetricEndpoints=[]),
        "podMetricEndpoints",
    ),
    "a field of a ServiceMonitor": (
        lambda all_: of_kind(all_, "ServiceMonitor")[0]["spec"].update(endpoint=[]),
        "endpoint",
    ),
    "a kind that nobody knows": (
        lambda all_: named(all_, "StatefulSet", "handle-orders").update(kind="StatefullSet"),
        "StatefullSet",
    ),
}

MISTAKES: dict[str, tuple[Change, str]] = {
    "a mistyped flag": (
        lambda all_: program(all_, "Job", "init").update(args=["init", "--weit", "300"]),
        "--weit",
    ),
    "a value that a flag does not take": (
        lambda all_: program(all_, "Job", "init").update(args=["init", "--wait", "long"]),
        "init --wait long",
    ),
    "a mistyped command": (lambda all_: program(all_).update(args=["handel", "orders"]), "no command is called"),
    "an aggregate that is none": (lambda all_: program(all_).update(args=["handle", "order"]), "no aggregate"),
    "a view that is none": (
        lambda all_: program(all_, "Deployment", "project-orders").update(args=["project", "order"]),
        "no view is called 'order'",
    ),
    "a mistyped variable": (
        lambda all_: settings(all_).update(HEADRACE_PARTITION="12"),
        "nothing reads the variable HEADRACE_PARTITION",
    ),
    "a value that a variable does not take": (
        lambda all_: settings(all_).update(HEADRACE_PROFILE="prod"),
        "HEADRACE_PROFILE: Input should be",
    ),
    "a property that librdkafka does not know": (
        lambda all_: settings(all_).update(KAFKA_CLIENT__SECURITY_PROTOKOL="SSL"),
        'No such configuration property: "security.protokol"',
    ),
    "a property that would break exactly-once": (
        lambda all_: settings(all_).update(KAFKA_PRODUCER__ACKS="1"),
        "what one broker alone has is lost with it",
    ),
    "a certificate that no volume supplies": (
        lambda all_: settings(all_).update(PGSSLROOTCERT="/etc/headrace/postgres/root.crt"),
        "no volume supplies it",
    ),
    "a handler that knows the database": (
        lambda all_: program(all_)["env"].append({"name": "DATABASE_URL", "value": "postgresql://db/x"}),
        "it is told where the database is, and asks none",
    ),
    "a handler without a slot": (lambda all_: program(all_)["env"].pop(0), "is not set"),
    "a probe's path": (
        lambda all_: program(all_)["readinessProbe"]["httpGet"].update(path="/ready"),
        "readinessProbe asks /ready, and /readyz is what answers it",
    ),
    "a probe's port by name": (
        lambda all_: program(all_)["livenessProbe"]["httpGet"].update(port="metric"),
        "livenessProbe asks port metric",
    ),
    "a container's port": (
        lambda all_: program(all_)["ports"][0].update(containerPort=9101),
        "METRICS_PORT is 9100",
    ),
    "less time than the drain may take": (
        lambda all_: pod(all_, "StatefulSet", "handle-orders").update(terminationGracePeriodSeconds=120),
        "may take 120 s to end",
    ),
    "a pod that may be root": (
        lambda all_: pod(all_, "StatefulSet", "handle-orders")["securityContext"].update(runAsNonRoot=False),
        "may run as root",
    ),
    "a root file system that can be written": (
        lambda all_: program(all_)["securityContext"].update(readOnlyRootFilesystem=False),
        "readOnlyRootFilesystem",
    ),
    "a token": (
        lambda all_: pod(all_, "StatefulSet", "handle-orders").update(automountServiceAccountToken=True),
        "token",
    ),
    "a group that nobody is in": (
        lambda all_: triggers(all_, "project-orders")[0]["metadata"].update(consumerGroup="headrace.project.orders"),
        "is in headrace.project.orders_v1",
    ),
    "a topic that is not read": (
        lambda all_: triggers(all_, "handle-orders")[0]["metadata"].update(topic="orders.events"),
        "reads ('orders.commands',)",
    ),
    "a source less": (lambda all_: triggers(all_, "project-journal").pop(), "it is scaled by"),
    "lag that markers make": (
        lambda all_: triggers(all_, "project-orders")[0]["metadata"].update(lagThreshold="10"),
        "markers of transactions alone could scale it",
    ),
    "more replicas than partitions": (
        lambda all_: named(all_, "ScaledObject", "handle-orders")["spec"].update(maxReplicaCount=13),
        "1 to 13 replicas, and 12 partitions",
    ),
    "scaling of another kind": (
        lambda all_: named(all_, "ScaledObject", "handle-orders")["spec"]["scaleTargetRef"].update(kind="Deployment"),
        "nothing scales it",
    ),
    "a disruption budget for other pods": (
        lambda all_: named(all_, "PodDisruptionBudget", "handle-orders")["spec"]["selector"]["matchLabels"].update(
            {"app.kubernetes.io/name": "orders"}
        ),
        "its disruption budgets are []",
    ),
    "a monitor's port": (
        lambda all_: named(all_, "PodMonitor", "headrace-projectors")["spec"]["podMetricsEndpoints"][0].update(
            port="web"
        ),
        "Prometheus looks at [('/metrics', None)]",
    ),
    "a monitor's path": (
        lambda all_: of_kind(all_, "ServiceMonitor")[0]["spec"]["endpoints"][0].update(path="/metric"),
        "/metric'",
    ),
    "a part that nobody runs": (
        lambda all_: all_.remove(named(all_, "Deployment", "project-audit")),
        "nothing runs project-audit",
    ),
    "a topic's setting": (
        lambda all_: named(all_, "KafkaTopic", "orders.events")["spec"]["config"].update({"cleanup.policy": "delete"}),
        "topic orders.events: its settings are",
    ),
    "a topic that is missing": (
        lambda all_: all_.remove(named(all_, "KafkaTopic", "transfer-process.timers")),
        "topic transfer_process.timers",
    ),
    "a topic's partitions": (
        lambda all_: named(all_, "KafkaTopic", "orders.events")["spec"].update(partitions=6),
        "6 partitions",
    ),
    "a right too many": (
        lambda all_: named(all_, "KafkaUser", "headrace-project-orders")["spec"]["authorization"]["acls"][0].update(
            operations=["All"]
        ),
        "user headrace-project-orders: not the rights of `headrace project orders`",
    ),
    "another's password": (
        lambda all_: program(all_)["env"][2]["valueFrom"]["secretKeyRef"].update(name="headrace-handle-accounts"),
        "by the password of ['headrace-handle-accounts']",
    ),
    "transactions on one broker": (
        lambda all_: of_kind(all_, "Kafka")[0]["spec"]["kafka"]["config"].update(
            {"transaction.state.log.min.isr": 1},
        ),
        "transaction.state.log.min.isr is 1, must be at least 2",
    ),
    "no default deny": (
        lambda all_: all_.remove(named(all_, "NetworkPolicy", "default-deny")),
        "nothing denies",
    ),
    "a lax namespace": (
        lambda all_: named(all_, "Namespace", "headrace")["metadata"]["labels"].update(
            {"pod-security.kubernetes.io/enforce": "baseline"}
        ),
        "pod security is ['baseline']",
    ),
}


@pytest.mark.parametrize(("change", "told"), [*FIELDS.values(), *MISTAKES.values()], ids=[*FIELDS, *MISTAKES])
def test_a_mistake_is_found_and_named(production: list[Document], change: Change, told: str) -> None:
    wrong = deepcopy(production)
    change(wrong)
    changed = [document for document in wrong if document not in production]
    problems = problems_with_schemas(changed) or problems_of(wrong, app, known=True)
    assert any(told in problem for problem in problems), problems


def test_a_part_of_another_application_is_named(production: list[Document]) -> None:
    problems = problems_of(production, shop, known=True)
    assert any("react-transfer-process is no part of the application" in problem for problem in problems)


def test_a_vendored_schema_keeps_a_property_that_is_called_description() -> None:
    schema = {"description": "text", "properties": {"description": {"type": "string", "description": "text"}}}
    assert trimmed(schema) == {"properties": {"description": {"type": "string"}}}
