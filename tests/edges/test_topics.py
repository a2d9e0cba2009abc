"""A domain's four topics on a real broker: made as they must be, and refused when they are not."""

import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic
from msgspec import structs

from handler.bells import bells
from headrace.kafka.clients import admin_client
from headrace.kafka.topics import create_topics, refuse_other_topics, wanted_topics
from headrace.kernel.app import App
from headrace.kernel.errors import Fault, Misconfigured
from headrace.settings import Settings
from servers import Kafka

pytestmark = pytest.mark.edge

PARTITIONS = 3


def settings_of(kafka: Kafka, **more: str) -> Settings:
    said = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "HEADRACE_PROFILE": "local",
        "HEADRACE_PARTITIONS": str(PARTITIONS),
    }
    return Settings(**said | more)  # type: ignore[arg-type]


@pytest.fixture
def settings(kafka: Kafka) -> Settings:
    return settings_of(kafka)


@pytest.fixture
def app(admin: AdminClient) -> Iterator[App]:
    """A domain of a name that no other test has; its topics are gone afterwards."""
    app = App(aggregates=(structs.replace(bells, name=f"bells_{uuid.uuid4().hex[:12]}"),))
    yield app
    left = [name for name in app.aggregates[0].topics if name in admin.list_topics(timeout=10).topics]
    for future in (admin.delete_topics(left, operation_timeout=30) if left else {}).values():
        future.result()


def refused(admin: AdminClient, app: App, settings: Settings) -> str:
    with pytest.raises(Misconfigured) as caught:
        refuse_other_topics(admin, app.aggregates, settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def alter(admin: AdminClient, topic: str, **config: str) -> None:
    """Set topic settings, underscores for dots."""
    entries = [
        ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for name, value in config.items()
    ]
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
    for future in admin.incremental_alter_configs([resource]).values():
        future.result()


def once(condition: Callable[[], bool]) -> None:
    """Wait until the broker's own metadata has caught up with what its controller answered."""
    for _ in range(200):
        if condition():
            return
        threading.Event().wait(0.05)
    raise AssertionError("not within 10 s")


def config_of(admin: AdminClient, topic: str) -> dict[str, str]:
    [future] = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]).values()
    entries: dict[str, Any] = future.result()
    return {name: entry.value for name, entry in entries.items()}


def test_four_topics_are_made_as_they_must_be(admin: AdminClient, app: App, settings: Settings) -> None:
    [aggregate] = app.aggregates
    assert sorted(create_topics(admin, app, settings)) == sorted(aggregate.topics)
    refuse_other_topics(admin, app.aggregates, settings)
    topics = admin.list_topics(timeout=10).topics
    assert [len(topics[name].partitions) for name in aggregate.topics] == [PARTITIONS] * 4
    for name, wanted in wanted_topics(aggregate, "local").items():
        found = config_of(admin, name)
        assert {key: found[key] for key in wanted} == wanted


def test_events_alone_are_compacted_and_not_at_once(admin: AdminClient, app: App, settings: Settings) -> None:
    [aggregate] = app.aggregates
    create_topics(admin, app, settings)
    policies = {name: config_of(admin, name)["cleanup.policy"] for name in aggregate.topics}
    assert [name for name, policy in policies.items() if policy == "compact"] == [aggregate.event_topic]
    assert config_of(admin, aggregate.event_topic)["min.compaction.lag.ms"] == "21600000"


def test_what_exists_is_left_as_it_is_and_what_is_missing_is_added(
    admin: AdminClient, app: App, settings: Settings
) -> None:
    [aggregate] = app.aggregates
    create_topics(admin, app, settings)
    assert create_topics(admin, app, settings) == []
    for future in admin.delete_topics([aggregate.parked_topic], operation_timeout=30).values():
        future.result()
    once(lambda: aggregate.parked_topic not in admin.list_topics(timeout=10).topics)
    assert create_topics(admin, app, settings) == [aggregate.parked_topic]


def test_two_that_create_at_once_both_succeed(admin: AdminClient, app: App, settings: Settings) -> None:
    made: list[list[str]] = []
    threads = [threading.Thread(target=lambda: made.append(create_topics(admin, app, settings))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert sorted(name for names in made for name in names) == sorted(app.aggregates[0].topics)


def test_overrides_reach_the_topics_that_have_such_a_setting(admin: AdminClient, app: App, settings: Settings) -> None:
    [aggregate] = app.aggregates
    create_topics(admin, app, settings, {"min.compaction.lag.ms": "0", "retention.ms": "3600000"})
    assert config_of(admin, aggregate.event_topic)["min.compaction.lag.ms"] == "0"
    assert config_of(admin, aggregate.command_topic)["retention.ms"] == "3600000"
    assert config_of(admin, aggregate.command_topic)["min.compaction.lag.ms"] == "0"
    assert config_of(admin, aggregate.parked_topic)["retention.ms"] == "-1"
    refuse_other_topics(admin, app.aggregates, settings)


def test_a_setting_that_the_broker_does_not_know_is_refused_with_its_words(
    admin: AdminClient, app: App, settings: Settings
) -> None:
    with pytest.raises(Misconfigured, match=r"topic .*\.events: .*min.compaction.lag.ms"):
        create_topics(admin, app, settings, {"min.compaction.lag.ms": "soon"})


def test_topics_that_are_not_there_are_named_with_what_to_do(admin: AdminClient, app: App, settings: Settings) -> None:
    [aggregate] = app.aggregates
    assert refused(admin, app, settings) == (
        f"topics {', '.join(aggregate.topics)} do not exist: run `headrace topics create`"
    )
    create_topics(admin, app, settings)
    for future in admin.delete_topics([aggregate.outcome_topic], operation_timeout=30).values():
        future.result()
    once(lambda: aggregate.outcome_topic not in admin.list_topics(timeout=10).topics)
    assert refused(admin, app, settings) == (
        f"topics {aggregate.outcome_topic} do not exist: run `headrace topics create`"
    )


def test_another_number_of_partitions_is_refused(
    admin: AdminClient, app: App, settings: Settings, kafka: Kafka
) -> None:
    [aggregate] = app.aggregates
    create_topics(admin, app, settings)
    said = refused(admin, app, settings_of(kafka, HEADRACE_PARTITIONS="4"))
    for name in aggregate.topics:
        assert f"topic {name} has 3 partitions, HEADRACE_PARTITIONS says 4: keys would move" in said
    assert "set it to the number that the topics were created with" in said


def test_partitions_that_were_added_later_are_refused(admin: AdminClient, app: App, settings: Settings) -> None:
    [aggregate] = app.aggregates
    create_topics(admin, app, settings)
    for future in admin.create_partitions([NewPartitions(aggregate.event_topic, 5)]).values():
        future.result()
    once(lambda: len(admin.list_topics(timeout=10).topics[aggregate.event_topic].partitions) == 5)
    said = refused(admin, app, settings)
    assert said.startswith(f"topic {aggregate.event_topic} has 5 partitions, HEADRACE_PARTITIONS says 3")
    assert aggregate.command_topic not in said


@pytest.mark.parametrize(
    ("topic", "config", "why"),
    [
        ("command_topic", {"cleanup_policy": "compact"}, "cleanup.policy is compact, must be delete"),
        ("event_topic", {"cleanup_policy": "delete"}, "cleanup.policy is delete, must be compact"),
        ("event_topic", {"cleanup_policy": "compact,delete"}, "cleanup.policy is compact,delete, must be compact"),
        (
            "outcome_topic",
            {"message_timestamp_type": "CreateTime"},
            "message.timestamp.type is CreateTime, must be LogAppendTime",
        ),
        ("event_topic", {"max_message_bytes": "1000"}, "max.message.bytes is 1000, must be at least 2097152"),
        ("parked_topic", {"retention_ms": "604800000"}, "retention.ms is 604800000, must be -1"),
        ("outcome_topic", {"retention_ms": "60000"}, "retention.ms is 60000, must be at least 720000"),
        ("command_topic", {"retention_bytes": "1000000"}, "retention.bytes is 1000000, must be -1"),
        (
            "event_topic",
            {"unclean_leader_election_enable": "true"},
            "unclean.leader.election.enable is true, must be false",
        ),
    ],
    ids=[
        "commands compacted",
        "events deleted",
        "events compacted and deleted",
        "the producer's time",
        "small",
        "parked and forgotten",
        "forgotten before a resend",
        "forgotten by size",
        "a leader that lacks records",
    ],
)
def test_a_topic_that_is_not_as_it_must_be_is_refused_by_name(
    admin: AdminClient, app: App, settings: Settings, topic: str, config: dict[str, str], why: str
) -> None:
    create_topics(admin, app, settings)
    name = getattr(app.aggregates[0], topic)
    alter(admin, name, **config)
    once(lambda: all(config_of(admin, name)[key.replace("_", ".")] == value for key, value in config.items()))
    assert refused(admin, app, settings) == f"topic {name}: {why}"


def test_production_asks_for_replicas_and_for_time_before_compaction(
    admin: AdminClient, app: App, settings: Settings, kafka: Kafka
) -> None:
    [aggregate] = app.aggregates
    create_topics(admin, app, settings, {"min.compaction.lag.ms": "0"})
    refuse_other_topics(admin, app.aggregates, settings)
    said = refused(admin, app, settings_of(kafka, HEADRACE_PROFILE="production"))
    assert f"topic {aggregate.event_topic} has 1 replicas, the production profile needs 3" in said
    assert "set HEADRACE_PROFILE=local for a single broker" in said
    assert f"topic {aggregate.event_topic}: min.insync.replicas is 1, must be at least 2" in said
    assert f"topic {aggregate.event_topic}: min.compaction.lag.ms is 0, must be at least 21600000" in said


def test_every_problem_is_told_at_once(admin: AdminClient, app: App, settings: Settings) -> None:
    [aggregate] = app.aggregates
    for future in admin.create_topics([NewTopic(name, 1, 1) for name in aggregate.topics]).values():
        future.result()
    once(lambda: set(aggregate.topics) <= set(admin.list_topics(timeout=10).topics))
    said = refused(admin, app, settings)
    for name in aggregate.topics:
        assert f"topic {name} has 1 partitions" in said
    assert f"topic {aggregate.event_topic}: cleanup.policy is delete, must be compact" in said


def test_a_broker_that_is_not_there_is_said_in_one_line(kafka: Kafka) -> None:
    nowhere = settings_of(kafka, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    with pytest.raises(Fault, match=r"no Kafka broker answers at 127\.0\.0\.1:1 .*: is it up") as caught:
        admin_client(nowhere)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value.__cause__, KafkaException)
