"""Whether brokers, topics and users are as the application needs them, where an overlay has them."""

from collections.abc import Iterator
from typing import Final

import yaml

from headrace.cli.acls import every_service, kafka_user
from headrace.kafka.topics import IN_SYNC, REPLICAS, Owner, wanted_topics
from headrace.kernel.app import App
from headrace_load.manifests.documents import Document, containers, environment, of_kind
from headrace_load.manifests.generate import CLUSTER

REPLICATED: Final = {
    "default.replication.factor": REPLICAS,
    "offsets.topic.replication.factor": REPLICAS,
    "transaction.state.log.replication.factor": REPLICAS,
    "min.insync.replicas": IN_SYNC,
    "transaction.state.log.min.isr": IN_SYNC,
}


def problems_with_brokers(documents: list[Document], app: App) -> list[str]:
    """What is missing, or not as the application needs it."""
    if not of_kind(documents, "Kafka"):
        return []
    return [*_topics(documents, app), *_users(documents, app), *_brokers(documents)]


def _topics(documents: list[Document], app: App) -> Iterator[str]:
    """The topics as `headrace topics create` would make them."""
    found = {one["spec"]["topicName"]: one["spec"] for one in of_kind(documents, "KafkaTopic")}
    owners: tuple[Owner, ...] = (*app.aggregates, *app.reactors)
    wanted = {name: config for owner in owners for name, config in wanted_topics(owner, "production").items()}
    yield from (f"topic {name}: nobody asks for it" for name in found.keys() - wanted.keys())
    partitions = int(environment(next(containers(documents)), documents).get("HEADRACE_PARTITIONS") or 0)
    for name, config in wanted.items():
        spec = found.get(name, {})
        if spec.get("config") != config:
            yield f"topic {name}: its settings are {spec.get('config')}, must be {config}"
        if (spec.get("partitions"), spec.get("replicas")) != (partitions, REPLICAS["production"]):
            yield f"topic {name}: {spec.get('partitions')} partitions, {spec.get('replicas')} replicas"


def _users(documents: list[Document], app: App) -> Iterator[str]:
    """The users of `headrace acls`, and who programs say that they are."""
    found = {one["metadata"]["name"]: one["spec"] for one in of_kind(documents, "KafkaUser")}
    for rights in every_service(app):
        wanted = yaml.safe_load("\n".join(kafka_user(rights, CLUSTER)))
        if found.get(wanted["metadata"]["name"]) != wanted["spec"]:
            yield f"user {wanted['metadata']['name']}: not the rights of `headrace {rights.command}`"
    for container in containers(documents):
        user = environment(container, documents).get("KAFKA_CLIENT__SASL_USERNAME")
        secrets = [
            one["valueFrom"]["secretKeyRef"]["name"]
            for one in container.container.get("env", [])
            if one["name"] == "KAFKA_CLIENT__SASL_PASSWORD"
        ]
        wanted_user = "headrace-topics" if container.verb == "init" else f"headrace-{container.name}"
        if user != wanted_user or secrets != [wanted_user]:
            yield f"{container.name}: it is {user} to Kafka, by the password of {secrets}, and not {wanted_user}"


def _brokers(documents: list[Document]) -> Iterator[str]:
    for kafka in of_kind(documents, "Kafka"):
        config = kafka["spec"]["kafka"]["config"]
        for name, least in REPLICATED.items():
            if config.get(name, 0) < least["production"]:
                yield f"Kafka: {name} is {config.get(name)}, must be at least {least['production']}"
        if config.get("auto.create.topics.enable") is not False:
            yield "Kafka: topics come by themselves"
        brokers = [
            pool["spec"]["replicas"]
            for pool in of_kind(documents, "KafkaNodePool")
            if "broker" in pool["spec"]["roles"]
        ]
        if sum(brokers) < REPLICAS["production"]:
            yield f"Kafka: {sum(brokers)} brokers cannot hold {REPLICAS['production']} replicas"
