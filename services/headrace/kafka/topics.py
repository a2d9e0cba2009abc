"""The four topics of a domain: how they are made, and the check at start that they still are as they must be."""

from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from headrace.kernel.aggregate import Aggregate
from headrace.kernel.app import App
from headrace.kernel.errors import Misconfigured
from headrace.settings import Settings

DAY_MS: Final = 86_400_000
REPLICAS: Final = {"local": 1, "production": 3}
IN_SYNC: Final = {"local": 1, "production": 2}
TIMEOUT_S: Final = 30.0


def wanted_topics(aggregate: Aggregate[Any, Any, Any], profile: str) -> dict[str, dict[str, str]]:
    """The settings of each of the domain's topics, by name."""
    common = {
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": str(IN_SYNC[profile]),
        "unclean.leader.election.enable": "false",
    }
    asked = common | {"cleanup.policy": "delete", "retention.ms": str(7 * DAY_MS), "max.message.bytes": "1048588"}
    # The journal must have copied an event long before compaction may remove it: six hours lie between.
    happened = common | {
        "cleanup.policy": "compact",
        "min.compaction.lag.ms": str(DAY_MS // 4),
        "max.message.bytes": "2097152",
    }
    # What is set aside comes with a reason in its headers, so it may be larger than what was sent.
    parked = common | {"cleanup.policy": "delete", "retention.ms": "-1", "max.message.bytes": "2097152"}
    return dict(zip(aggregate.topics, (asked, happened, asked, parked), strict=True))


def create_topics(
    admin: AdminClient, app: App, settings: Settings, overrides: dict[str, str] | None = None
) -> list[str]:
    """Create the topics that are missing, with `overrides` of their settings; returns their names."""
    existing = admin.list_topics(timeout=TIMEOUT_S).topics
    missing = [
        NewTopic(
            name, settings.partitions, REPLICAS[settings.profile], config=_only(config | (overrides or {}), config)
        )
        for aggregate in app.aggregates
        for name, config in wanted_topics(aggregate, settings.profile).items()
        if name not in existing
    ]
    created = []
    for name, future in (admin.create_topics(missing, operation_timeout=TIMEOUT_S) if missing else {}).items():
        try:
            future.result()
        except KafkaException as error:
            raise Misconfigured(f"topic {name}: {error.args[0].str()}") from error
        created.append(name)
    return created


def refuse_other_topics(
    admin: AdminClient, aggregates: tuple[Aggregate[Any, Any, Any], ...], settings: Settings
) -> None:
    """`Misconfigured` names each topic that is missing or not as it must be, and what to do."""
    problems = [problem for aggregate in aggregates for problem in _problems(admin, aggregate, settings)]
    if problems:
        raise Misconfigured("; ".join(problems))


def _problems(admin: AdminClient, aggregate: Aggregate[Any, Any, Any], settings: Settings) -> list[str]:
    existing = admin.list_topics(timeout=TIMEOUT_S).topics
    wanted = wanted_topics(aggregate, settings.profile)
    missing = [name for name in wanted if name not in existing]
    if missing:
        return [f"topics {', '.join(missing)} do not exist: run `headrace topics create`"]
    problems = []
    for name, (count, replicas) in {n: _size(existing[n]) for n in wanted}.items():
        if count != settings.partitions:
            problems.append(
                f"topic {name} has {count} partitions, HEADRACE_PARTITIONS says {settings.partitions}: keys "
                f"would move; set it to the number that the topics were created with"
            )
        if replicas < REPLICAS[settings.profile]:
            problems.append(
                f"topic {name} has {replicas} replicas, the {settings.profile} profile needs "
                f"{REPLICAS[settings.profile]}"
                f"{': set HEADRACE_PROFILE=local for a single broker' if replicas == 1 else ''}"
            )
    resources = {ConfigResource(ConfigResource.Type.TOPIC, name): name for name in wanted}
    for resource, future in admin.describe_configs(list(resources), request_timeout=TIMEOUT_S).items():
        problems += _differences(resources[resource], wanted[resources[resource]], future.result())
    return problems


def _differences(name: str, wanted: dict[str, str], found: dict[str, Any]) -> list[str]:
    problems = [
        f"topic {name}: {key} is {found[key].value}, must be {wanted[key]}"
        for key in ("cleanup.policy", "message.timestamp.type")
        if found[key].value != wanted[key]
    ]
    if int(found["max.message.bytes"].value) < int(wanted["max.message.bytes"]):
        problems.append(f"topic {name}: max.message.bytes must be at least {wanted['max.message.bytes']}")
    if int(found["min.insync.replicas"].value) < int(wanted["min.insync.replicas"]):
        problems.append(f"topic {name}: min.insync.replicas must be {wanted['min.insync.replicas']}")
    return problems


def _size(topic: Any) -> tuple[int, int]:
    return len(topic.partitions), min((len(entry.replicas) for entry in topic.partitions.values()), default=0)


def _only(config: dict[str, str], keys: dict[str, str]) -> dict[str, str]:
    """Compaction's settings are for the compacted topic alone."""
    compacted = keys["cleanup.policy"] == "compact"
    return {key: value for key, value in config.items() if compacted or key in keys}
