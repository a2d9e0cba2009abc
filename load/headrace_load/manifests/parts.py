"""Whether all that the application needs is there: each part's workload, budget, scaling, monitor, and the topics."""

from collections.abc import Iterator
from typing import Any, Final

from headrace.kernel.app import App
from headrace_load.manifests.brokers import problems_with_brokers
from headrace_load.manifests.documents import (
    Container,
    Document,
    containers,
    environment,
    labels_of,
    named,
    of_kind,
    port_of,
    selects,
)
from headrace_load.manifests.generate import Workload, workloads_of

MARKERS: Final = 10
"""Of transactions, at the end of a partition: so many may count as lag at rest, and must not scale."""

BESIDE: Final = {"init", "watch"}
"""What runs beside the parts of the application, by its name and its verb."""


def problems_with_parts(documents: list[Document], app: App) -> list[str]:
    """What is missing, or not as the application has it."""
    running = {container.name: container for container in containers(documents)}
    wanted = list(workloads_of(app))
    problems = [f"nothing runs {name}" for name in {one.resource for one in wanted} | BESIDE if name not in running]
    extra = {name for name, one in running.items() if one.verb not in BESIDE} - {one.resource for one in wanted}
    problems += [f"{name} is no part of the application" for name in extra]
    for workload in wanted:
        if workload.resource in running:
            container = running[workload.resource]
            found = [one for check in (_workload, _scaling, _budget) for one in check(workload, container, documents)]
            problems += [f"{workload.resource}: {one}" for one in (*found, *_monitor(container, documents))]
    problems += [f"watch: {one}" for one in (_monitor(running["watch"], documents) if "watch" in running else ())]
    return [*problems, *_network(documents), *problems_with_brokers(documents, app)]


def _workload(workload: Workload, container: Container, documents: list[Document]) -> Iterator[str]:
    if container.container.get("args") != [workload.verb, workload.name]:
        yield f"it runs {container.container.get('args')}"
    spec, kind = container.workload["spec"], container.workload["kind"]
    if kind != ("Deployment" if workload.verb == "project" else "StatefulSet"):
        yield f"it is a {kind}"
    if kind == "StatefulSet" and not named(documents, "Service", spec["serviceName"]):
        yield f"there is no Service {spec['serviceName']}"
    if not selects(spec["selector"], labels_of(container.pod)):
        yield "its selector does not take its own pods"
    if "replicas" in spec:
        yield "it has a number of replicas, which is KEDA's to say"


def _scaling(workload: Workload, container: Container, documents: list[Document]) -> Iterator[str]:
    spec: dict[str, Any] = named(documents, "ScaledObject", workload.resource).get("spec", {})
    target = {"apiVersion": "apps/v1", "kind": container.workload["kind"], "name": workload.resource}
    if spec.get("scaleTargetRef") != target:
        yield f"nothing scales it: {spec.get('scaleTargetRef')}"
        return
    partitions = int(environment(container, documents).get("HEADRACE_PARTITIONS") or 0)
    if (spec["minReplicaCount"], spec["maxReplicaCount"]) != (1, partitions):
        yield f"it has {spec['minReplicaCount']} to {spec['maxReplicaCount']} replicas, and {partitions} partitions"
    read_by = [trigger["metadata"]["topic"] for trigger in spec["triggers"]]
    if sorted(read_by) != sorted(workload.topics):
        yield f"it is scaled by {read_by}, and reads {workload.topics}"
    for trigger in spec["triggers"]:
        yield from _trigger(workload, trigger["metadata"], partitions)
        if not named(documents, "TriggerAuthentication", trigger["authenticationRef"]["name"]):
            yield f"there is no TriggerAuthentication {trigger['authenticationRef']['name']}"


def _trigger(workload: Workload, given: dict[str, str], partitions: int) -> Iterator[str]:
    if given["consumerGroup"] != workload.group:
        yield f"it is scaled by the group {given['consumerGroup']}, and is in {workload.group}"
    if given.get("offsetResetPolicy") != "earliest":
        yield "what nobody has read yet is no lag to its scaling"
    if int(given["lagThreshold"]) <= MARKERS * partitions:
        yield f"markers of transactions alone could scale it: lagThreshold is {given['lagThreshold']}"
    if given.get("bootstrapServersFromEnv") != "KAFKA_BOOTSTRAP_SERVERS":
        yield "its scaling asks other brokers than it does"


def _budget(workload: Workload, container: Container, documents: list[Document]) -> Iterator[str]:
    labels = labels_of(container.pod)
    budgets = [one for one in of_kind(documents, "PodDisruptionBudget") if selects(one["spec"]["selector"], labels)]
    if [one["metadata"]["name"] for one in budgets] != [workload.resource]:
        yield f"its disruption budgets are {[one['metadata']['name'] for one in budgets]}"
    elif budgets[0]["spec"].get("maxUnavailable") != 1:
        yield "its disruption budget does not let one pod go at a time"


def _monitor(container: Container, documents: list[Document]) -> Iterator[str]:
    labels = labels_of(container.pod)
    served = int(environment(container, documents).get("METRICS_PORT") or 0)
    scraped = [
        (endpoint["path"], port_of(container, endpoint["port"]))
        for monitor in of_kind(documents, "PodMonitor")
        if selects(monitor["spec"]["selector"], labels)
        for endpoint in monitor["spec"]["podMetricsEndpoints"]
    ]
    for monitor in of_kind(documents, "ServiceMonitor"):
        for service in of_kind(documents, "Service"):
            chosen = selects(monitor["spec"]["selector"], labels_of(service))
            if chosen and selects({"matchLabels": service["spec"]["selector"]}, labels):
                ports = {port["name"]: port_of(container, port["targetPort"]) for port in service["spec"]["ports"]}
                scraped += [(one["path"], ports.get(one["port"])) for one in monitor["spec"]["endpoints"]]
    if scraped != [("/metrics", served)]:
        yield f"Prometheus looks at {scraped}, and it answers on ('/metrics', {served})"


def _network(documents: list[Document]) -> Iterator[str]:
    policies = of_kind(documents, "NetworkPolicy")
    denied = [one["spec"] for one in policies if one["spec"]["podSelector"] == {} and "egress" not in one["spec"]]
    if not any({*spec["policyTypes"]} == {"Ingress", "Egress"} and "ingress" not in spec for spec in denied):
        yield "nothing denies what no policy allows"
    levels = [labels_of(one).get("pod-security.kubernetes.io/enforce") for one in of_kind(documents, "Namespace")]
    if levels != ["restricted"]:
        yield f"the namespace's pod security is {levels}"
    for policy in policies:
        for rule in policy["spec"].get("ingress", []):
            for port in rule.get("ports", []):
                if isinstance(port["port"], str) and not _has_port(policy, port["port"], documents):
                    yield f"NetworkPolicy {policy['metadata']['name']}: no pod has a port {port['port']}"


def _has_port(policy: Document, port: str, documents: list[Document]) -> bool:
    chosen = policy["spec"]["podSelector"]
    return any(selects(chosen, labels_of(one.pod)) and port_of(one, port) for one in containers(documents))
