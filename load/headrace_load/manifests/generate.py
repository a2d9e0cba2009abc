"""What follows from the application: a file of workloads for each of its parts, and its topics for Strimzi.

What a workload looks like is in `deploy/kubernetes/templates`; what all of them have in common is patched in by `base`.
"""

from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Final, NamedTuple

import yaml

from headrace.cli.acls import every_service, kafka_user
from headrace.handler.rights import group_of as group_of_handler
from headrace.kafka.topics import REPLICAS, Owner, wanted_topics
from headrace.kernel.app import BUILT_IN, App
from headrace.projector.kind import kind_of
from headrace.projector.rights import group_of as group_of_projector
from headrace.reactor.rights import group_of as group_of_reactor
from headrace.settings import Settings
from headrace_load.manifests.documents import FOLDER

HEAD: Final = "# Written from templates by `make manifests`.\n"
RULES: Final = FOLDER.parent / "prometheus"
CLUSTER: Final = "headrace"
PARTITIONS: Final = Settings.model_fields["partitions"].default


class Workload(NamedTuple):
    """One service: `verb` and `name` are what its process is called with; its group reads `topics`."""

    verb: str
    name: str
    what: str
    group: str
    topics: tuple[str, ...]

    @property
    def resource(self) -> str:
        """Its name in Kubernetes, which takes no underscores."""
        return f"{self.verb}-{self.name}".replace("_", "-")

    @property
    def user(self) -> str:
        """Who it is to Kafka, as `headrace acls --format strimzi` has it; the secret with its password is called so."""
        return f"headrace-{self.resource}"


def workloads_of(app: App) -> Iterator[Workload]:
    """Everything that must run for an application."""
    for aggregate in app.aggregates:
        name = aggregate.name
        what = f"Answers the commands of {name}"
        yield Workload("handle", name, what, group_of_handler(name), (aggregate.command_topic,))
    for reactor in app.reactors:
        name = reactor.name
        sources = {
            *(app.aggregate(source).event_topic for source in reactor.events),
            *(app.aggregate(source).outcome_topic for source in reactor.answers),
        }
        what = f"Sends the commands that follow in {name}"
        yield Workload("react", name, what, group_of_reactor(name), (*sorted(sources), reactor.timer_topic))
    for name in (*(view.name for view in app.views), *BUILT_IN):
        kind = kind_of(app, name)
        what = f"Fills the rows of {name}" if kind.view else f"Keeps the {name}"
        yield Workload("project", name, what, group_of_projector(kind.name), tuple(kind.topics))


def workload_text(workload: Workload) -> str:
    """The workload with its disruption budget and its scaling."""
    slotted = workload.verb != "project"
    component = {"handle": "handler", "react": "reactor", "project": "projector"}[workload.verb]
    values = workload._asdict() | {
        "workload": workload.resource,
        "user": workload.user,
        "component": component,
        "service": f"{component}s",
        "kind": "StatefulSet" if slotted else "Deployment",
        "partitions": PARTITIONS,
    }
    triggers = (_fill("trigger.yaml", values | {"topic": topic}) for topic in workload.topics)
    running = _fill("slots.yaml" if slotted else "projector.yaml", values)
    return HEAD + running + _fill("scaling.yaml", values) + "".join(triggers)


def topics_text(app: App) -> str:
    """All topics, with the settings that the production profile demands."""
    text = HEAD
    owners: tuple[Owner, ...] = (*app.aggregates, *app.reactors)
    for owner in owners:
        for topic, config in wanted_topics(owner, "production").items():
            resource = topic.replace("_", "-")
            replicas = REPLICAS["production"]
            text += _fill(
                "topic.yaml", {"resource": resource, "topic": topic, "partitions": PARTITIONS, "replicas": replicas}
            )
            text += "".join(f'    {name}: "{value}"\n' for name, value in config.items())
    return text


def users_text(app: App) -> str:
    """A user for each service, with the least rights that it needs, and those for tools."""
    return HEAD + "\n".join(line for rights in every_service(app) for line in kafka_user(rights, CLUSTER)) + "\n"


def alerts_text() -> str:
    """The recording rules and alerts of deploy/prometheus, as Prometheus's operator takes them."""
    groups = [
        group for file in ("rules.yml", "alerts.yml") for group in yaml.safe_load((RULES / file).read_text())["groups"]
    ]
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "headrace"},
        "spec": {"groups": groups},
    }
    return HEAD + yaml.safe_dump(rule, sort_keys=False, width=120)


def files_of(app: App) -> dict[Path, str]:
    """What is generated, by its path in this folder."""
    workloads = {f"{workload.resource}.yaml": workload_text(workload) for workload in workloads_of(app)}
    base, production = Path("base", "workloads"), Path("overlays", "production", "kafka")
    listing = HEAD + "resources:\n" + "".join(f"  - {name}\n" for name in workloads)
    return {
        **{base / name: text for name, text in workloads.items()},
        base / "kustomization.yaml": listing,
        Path("base", "alerts.yaml"): alerts_text(),
        production / "topics.yaml": topics_text(app),
        production / "users.yaml": users_text(app),
    }


def write_files(files: dict[Path, str], folder: Path) -> None:
    """Write them, and remove the workloads that are no longer there."""
    for path in (folder / "base" / "workloads").glob("*.yaml"):
        path.unlink()
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def _fill(template: str, values: dict[str, object]) -> str:
    return Template((FOLDER / "templates" / template).read_text()).substitute(values)
