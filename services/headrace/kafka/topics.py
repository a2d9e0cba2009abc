"""The topics of domains and reactors: how they are made, and the check at start that they are as they must be."""

import time
from collections.abc import Collection
from typing import Any, Final, TypeAlias

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from headrace.kafka.compaction import LAG
from headrace.kafka.reading import RETRY_S
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.app import App
from headrace.kernel.errors import Fault, Misconfigured
from headrace.kernel.reactor import Reactor
from headrace.settings import Settings

DAY_MS: Final = 86_400_000
LAG_MS: Final = DAY_MS // 4
SPARE_MS: Final = 120_000
RETENTION: Final = "retention.ms"
FOR_EVER: Final = "-1"
SHORT_SEGMENTS: Final = {"segment.ms": str(DAY_MS // 24), "segment.bytes": str(64 * 2**20)}
EXACT: Final[tuple[str, ...]] = (
    "cleanup.policy",
    "message.timestamp.type",
    "retention.bytes",
    "unclean.leader.election.enable",
)
REPLICAS: Final = {"local": 1, "production": 3}
IN_SYNC: Final = {"local": 1, "production": 2}
TIMEOUT_S: Final = 30.0

Owner: TypeAlias = Aggregate[Any, Any, Any] | Reactor
"""What topics belong to."""


def wanted_topics(owner: Owner, profile: str) -> dict[str, dict[str, str]]:
    """The settings of each topic of a domain, or of a reactor, by name."""
    common = {
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": str(IN_SYNC[profile]),
        "unclean.leader.election.enable": "false",
    }
    # Time alone removes them: what resends are compared with must not go with the number of them.
    kept = common | {"cleanup.policy": "delete", "retention.bytes": FOR_EVER}
    asked = kept | {RETENTION: str(7 * DAY_MS), "max.message.bytes": "1048588"}
    # The journal must have copied an event long before compaction may remove it: six hours lie between.
    happened = common | {
        "cleanup.policy": "compact",
        LAG: str(LAG_MS),
        "max.message.bytes": "2097152",
    }
    # What is set aside comes with a reason in its headers, so it may be larger than what was sent.
    parked = kept | {RETENTION: FOR_EVER, "max.message.bytes": "2097152"}
    if isinstance(owner, Reactor):
        # Timers are over soon after they are set: only closed segments are compacted, and who takes over reads all.
        timers = {name: value for name, value in happened.items() if name != LAG} | SHORT_SEGMENTS
        return dict(zip(owner.topics, (timers, parked), strict=True))
    return dict(zip(owner.topics, (asked, happened, asked, parked), strict=True))


def create_topics(
    admin: AdminClient, app: App, settings: Settings, overrides: dict[str, str] | None = None
) -> list[str]:
    """Create the topics that are missing, with `overrides` of their settings; returns their names."""
    existing = admin.list_topics(timeout=TIMEOUT_S).topics
    owners: tuple[Owner, ...] = (*app.aggregates, *app.reactors)
    missing = [
        NewTopic(
            name, settings.partitions, REPLICAS[settings.profile], config=config | _fitting(overrides or {}, config)
        )
        for owner in owners
        for name, config in wanted_topics(owner, settings.profile).items()
        if name not in existing
    ]
    created = []
    for name, future in (admin.create_topics(missing, operation_timeout=TIMEOUT_S) if missing else {}).items():
        try:
            future.result()
        except KafkaException as error:
            # Another process may create the same ones at the same time.
            if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                continue
            raise Misconfigured(f"topic {name}: {error.args[0].str()}") from error
        created.append(name)
    _wait_until_led(admin, {topic.topic for topic in missing})
    return created


def _wait_until_led(admin: AdminClient, names: set[str]) -> None:
    """The controller has them; whoever asks a broker next must find them too."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        topics = admin.list_topics(timeout=TIMEOUT_S).topics
        waiting = {name for name in names if name not in topics or not _is_led(topics[name])}
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise Fault(
                f"topics {', '.join(sorted(waiting))} were created, but no broker leads them: are all brokers up?"
            )
        time.sleep(0.05)


def _is_led(topic: Any) -> bool:
    return topic.error is None and all(entry.leader >= 0 for entry in topic.partitions.values())


def refuse_other_topics(
    admin: AdminClient, owners: tuple[Owner, ...], settings: Settings, touched: Collection[str] = ()
) -> None:
    """`Misconfigured` names each topic that is missing or not as it must be, and what to do.

    A service names those that it touches: of others it may know nothing.
    """
    problems = [problem for owner in owners for problem in _problems(admin, owner, settings, touched)]
    if problems:
        raise Misconfigured("; ".join(problems))


def refuse_other_counts(admin: AdminClient, topics: list[str], partitions: int, patience_s: float) -> None:
    """`Misconfigured` for a topic of more or fewer partitions: its commands would go astray, its outcomes be missed.

    What is said of one that is missing, or that this user may not see, is for others to say.
    """
    deadline = time.monotonic() + patience_s
    for topic in topics:
        found = _described(admin, topic, deadline)
        if found.error is None and len(found.partitions) != partitions:
            raise Misconfigured(_other_count(topic, len(found.partitions), partitions))


def _described(admin: AdminClient, topic: str, deadline: float) -> Any:
    while True:
        try:
            return admin.list_topics(topic, timeout=max(RETRY_S, deadline - time.monotonic())).topics[topic]
        except KafkaException as error:
            if time.monotonic() > deadline:
                raise Fault(f"the brokers do not tell of {topic}: {error.args[0].str()}; nothing was sent") from error
            time.sleep(RETRY_S)


def _other_count(topic: str, count: int, partitions: int) -> str:
    return (
        f"topic {topic} has {count} partitions, HEADRACE_PARTITIONS says {partitions}: keys would move; set it to the "
        f"number that the topics were created with"
    )


def _problems(admin: AdminClient, owner: Owner, settings: Settings, touched: Collection[str]) -> list[str]:
    existing = admin.list_topics(timeout=TIMEOUT_S).topics
    wanted = {n: config for n, config in wanted_topics(owner, settings.profile).items() if not touched or n in touched}
    if not wanted:
        return []
    missing = [name for name in wanted if name not in existing]
    if missing:
        return [f"topics {', '.join(missing)} do not exist: run `headrace topics create`"]
    problems = []
    for name, (count, replicas) in {n: _size(existing[n]) for n in wanted}.items():
        if count != settings.partitions:
            problems.append(_other_count(name, count, settings.partitions))
        if replicas < REPLICAS[settings.profile]:
            problems.append(
                f"topic {name} has {replicas} replicas, the {settings.profile} profile needs "
                f"{REPLICAS[settings.profile]}"
                f"{': set HEADRACE_PROFILE=local for a single broker' if replicas == 1 else ''}"
            )
    # A local log may be compacted at once, to see what then is lost; any other is somebody's history.
    guard = {} if settings.profile == "local" else {LAG: LAG_MS}
    # A resend is compared with outcomes of up to a window ago, in log time, after a restart too.
    guard[RETENTION] = 2 * settings.dedup_window_s * 1000 + SPARE_MS
    resources = {ConfigResource(ConfigResource.Type.TOPIC, name): name for name in wanted}
    for resource, future in admin.describe_configs(list(resources), request_timeout=TIMEOUT_S).items():
        problems += _differences(resources[resource], wanted[resources[resource]], future.result(), guard)
    return problems


def _differences(name: str, wanted: dict[str, str], found: dict[str, Any], guard: dict[str, int]) -> list[str]:
    exact = {key: wanted[key] for key in EXACT if key in wanted}
    least = {key: int(wanted[key]) for key in ("max.message.bytes", "min.insync.replicas")}
    least |= {key: value for key, value in guard.items() if key in wanted}
    if wanted.get(RETENTION) == FOR_EVER:
        exact[RETENTION] = FOR_EVER
    problems = [
        f"topic {name}: {key} is {found[key].value}, must be {value}"
        for key, value in exact.items()
        if found[key].value != value
    ]
    problems += [
        f"topic {name}: {key} is {found[key].value}, must be at least {value}"
        for key, value in least.items()
        if key not in exact and found[key].value != FOR_EVER and int(found[key].value) < value
    ]
    return problems


def _size(topic: Any) -> tuple[int, int]:
    return len(topic.partitions), min((len(entry.replicas) for entry in topic.partitions.values()), default=0)


def _fitting(overrides: dict[str, str], config: dict[str, str]) -> dict[str, str]:
    """Compaction's settings are for the compacted topics alone, and what is kept for ever is kept."""
    compacted = config["cleanup.policy"] == "compact"
    known = {key: value for key, value in overrides.items() if compacted or key in config}
    return {key: value for key, value in known.items() if config.get(key) != FOR_EVER}
