"""The documents of a built overlay, and what a container in it is given."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import yaml

FOLDER: Final = Path(__file__).parents[3] / "deploy" / "kubernetes"
OVERLAYS: Final = ("dev", "production")
RUNNING: Final = ("StatefulSet", "Deployment", "Job")
PART_OF: Final = "app.kubernetes.io/part-of"

Document: TypeAlias = dict[str, Any]


class Container(NamedTuple):
    """Where a program of ours runs: the workload, its pods' template, and the container in it."""

    workload: Document
    pod: Document
    container: Document

    @property
    def name(self) -> str:
        """The workload's name."""
        return str(self.workload["metadata"]["name"])

    @property
    def verb(self) -> str:
        """What the program is told to do: its first argument."""
        return str((self.container.get("args") or [""])[0])


def read(overlay: str) -> list[Document]:
    """What `kubectl kustomize` makes of an overlay."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return list(yaml.load_all((FOLDER / "built" / f"{overlay}.yaml").read_text(), loader))


def of_kind(documents: list[Document], *kinds: str) -> list[Document]:
    """Those of some kinds."""
    return [document for document in documents if document["kind"] in kinds]


def named(documents: list[Document], kind: str, name: str) -> Document:
    """The one of that name; empty when there is none."""
    return next((one for one in of_kind(documents, kind) if one["metadata"]["name"] == name), {})


def containers(documents: list[Document]) -> Iterator[Container]:
    """The programs of ours."""
    for workload in of_kind(documents, *RUNNING):
        template = workload["spec"]["template"]
        for container in template["spec"]["containers"]:
            yield Container(workload, template, container)


def labels_of(document: Document) -> dict[str, str]:
    """A document's labels, or a pod template's."""
    return dict(document.get("metadata", {}).get("labels", {}))


def selects(selector: Document, labels: dict[str, str]) -> bool:
    """Whether a selector takes something with these labels."""
    wanted = selector.get("matchLabels", {})
    expressions = selector.get("matchExpressions", [])
    return all(labels.get(name) == value for name, value in wanted.items()) and all(
        one["operator"] == "In" and labels.get(one["key"]) in one["values"] for one in expressions
    )


def environment(container: Container, documents: list[Document]) -> dict[str, str | None]:
    """Its variables; None for a value that a Secret, or Kubernetes itself, supplies."""
    found: dict[str, str | None] = {}
    for source in container.container.get("envFrom", []):
        found |= named(documents, "ConfigMap", source["configMapRef"]["name"]).get("data", {})
    for variable in container.container.get("env", []):
        found[variable["name"]] = variable.get("value")
    return found


def port_of(container: Container, port: str | int) -> int | None:
    """The number of a port by its name, or itself; None when the container has none of that name."""
    if isinstance(port, int):
        return port
    ports = container.container.get("ports", [])
    return next((one["containerPort"] for one in ports if one["name"] == port), None)
