"""Whether each pod is restricted, looked at where its program answers, and given the time to end."""

from collections.abc import Iterator
from typing import Any, Final

from headrace.observe.health import STOPPING_LIMIT_S, Health
from headrace.observe.server import DoorServer
from headrace_load.manifests.documents import PART_OF, Container, Document, containers, environment, labels_of, port_of

PROBES: Final = {"startupProbe": "/startupz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}
UNPRIVILEGED: Final[dict[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
STARTING_S: Final = 120
"""A service has so long at least to reach its servers."""


def problems_with_pods(documents: list[Document]) -> list[str]:
    """What is wrong with each pod."""
    return [
        f"{container.name}: {problem}"
        for container in containers(documents)
        for check in (_rights, _resources, *(() if container.workload["kind"] == "Job" else (_probes, _end, _spread)))
        for problem in check(container, documents)
    ]


def answered_paths() -> set[str]:
    """The paths of probes that a service answers."""
    with DoorServer(("127.0.0.1", 0), Health()) as door:
        return set(door.probes)


def _rights(container: Container, _documents: list[Document]) -> Iterator[str]:
    pod = container.pod["spec"]
    inside = pod.get("securityContext", {})
    if not inside.get("runAsNonRoot") or not inside.get("runAsUser"):
        yield "it may run as root"
    if inside.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "it has no seccomp profile"
    own = container.container.get("securityContext", {})
    yield from (
        f"securityContext.{name} is not {value}" for name, value in UNPRIVILEGED.items() if own.get(name) != value
    )
    if pod.get("automountServiceAccountToken") is not False:
        yield "it gets a token of Kubernetes"
    if pod.get("enableServiceLinks") is not False:
        yield "Services come as variables"
    if labels_of(container.pod).get(PART_OF) != "headrace":
        yield f"its pods lack the label {PART_OF}"
    if "latest" in container.container["image"] or ":" not in container.container["image"]:
        yield f"the image {container.container['image']} has no tag"


def _resources(container: Container, _documents: list[Document]) -> Iterator[str]:
    resources = container.container.get("resources", {})
    for kind, name in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
        if name not in resources.get(kind, {}):
            yield f"resources.{kind}.{name} is missing"


def _probes(container: Container, documents: list[Document]) -> Iterator[str]:
    served = environment(container, documents).get("METRICS_PORT")
    for name, path in PROBES.items():
        asked = container.container.get(name, {}).get("httpGet", {})
        if asked.get("path") != path or path not in answered_paths():
            yield f"{name} asks {asked.get('path')}, and {path} is what answers it"
        if str(port_of(container, asked.get("port", 0))) != served:
            yield f"{name} asks port {asked.get('port')}, and METRICS_PORT is {served}"
    startup = container.container.get("startupProbe", {})
    if startup.get("periodSeconds", 10) * startup.get("failureThreshold", 3) < STARTING_S:
        yield f"it has less than {STARTING_S} s to start"


def _end(container: Container, documents: list[Document]) -> Iterator[str]:
    profile = environment(container, documents).get("HEADRACE_PROFILE") or "production"
    given = container.pod["spec"].get("terminationGracePeriodSeconds", 30)
    needed = STOPPING_LIMIT_S.get(profile, 0.0)  # a profile that is none is told with the other variables
    if given <= needed:
        yield f"it is killed after {given} s, and may take {needed:.0f} s to end"


def _spread(container: Container, _documents: list[Document]) -> Iterator[str]:
    spread = container.pod["spec"].get("topologySpreadConstraints", [])
    if {one["topologyKey"] for one in spread} != {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}:
        yield "its replicas are not spread over zones and nodes"
