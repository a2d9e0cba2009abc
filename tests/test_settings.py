"""What the environment says, and what it says wrongly."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from headrace.kafka.clients import consumer_config, producer_config, reader_config
from headrace.kernel.errors import Misconfigured
from headrace.settings import Settings, read_settings

LOCAL = {"KAFKA_BOOTSTRAP_SERVERS": "broker:9092", "HEADRACE_PROFILE": "local"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that says nothing."""
    for name in os.environ:
        if name.startswith(("HEADRACE_", "KAFKA_", "DATABASE_", "METRICS_", "LOG_")):
            monkeypatch.delenv(name)
    return monkeypatch


def settings(**variables: str) -> Settings:
    return Settings(**variables)  # type: ignore[arg-type]


def test_without_a_word_it_is_production() -> None:
    said = read_settings()
    assert (said.profile, said.partitions, said.batch_size, said.window_ms) == ("production", 12, 10_000, 20)
    assert (said.dedup_window_s, said.schemas, said.failpoint) == (300, Path("schemas"), "")
    assert said.instance.endswith(f"-{os.getpid()}")


def test_what_the_environment_says_is_taken(environment: pytest.MonkeyPatch) -> None:
    said = {
        "KAFKA_BOOTSTRAP_SERVERS": "a:1,b:2",
        "DATABASE_URL": "postgresql://x/y",
        "HEADRACE_PROFILE": "local",
        "HEADRACE_PARTITIONS": "3",
        "HEADRACE_DEDUP_WINDOW_S": "60",
        "HEADRACE_INSTANCE": "pod-1",
    }
    for name, value in said.items():
        environment.setenv(name, value)
    found = read_settings()
    assert (found.kafka, found.database, found.profile) == ("a:1,b:2", "postgresql://x/y", "local")
    assert (found.partitions, found.dedup_window_s, found.instance) == (3, 60, "pod-1")


@pytest.mark.parametrize(
    ("tuning", "window_ms", "recent_rows", "linger_ms", "compression"),
    [("latency", 5, 20_000, 1, "none"), ("default", 20, 20_000, 1, "lz4"), ("throughput", 100, 50_000, 5, "lz4")],
)
def test_one_switch_trades_latency_and_memory_for_throughput(
    environment: pytest.MonkeyPatch, tuning: str, window_ms: int, recent_rows: int, linger_ms: int, compression: str
) -> None:
    environment.setenv("HEADRACE_TUNING", tuning)
    environment.setenv("KAFKA_BOOTSTRAP_SERVERS", "broker:9092")
    found = read_settings()
    assert (found.window_ms, found.recent_rows) == (window_ms, recent_rows)
    config = producer_config(found)
    assert (config["linger.ms"], config["compression.type"]) == (linger_ms, compression)


def test_what_is_said_by_itself_goes_before_what_the_switch_says(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HEADRACE_TUNING", "throughput")
    environment.setenv("HEADRACE_WINDOW_MS", "50")
    found = read_settings()
    assert (found.window_ms, found.tuning) == (50, "throughput")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HEADRACE_PROFILE", "staging"),
        ("HEADRACE_TUNING", "fast"),
        ("HEADRACE_CODEC", "fast"),
        ("HEADRACE_PARTITIONS", "0"),
        ("HEADRACE_PARTITIONS", "10001"),
        ("HEADRACE_PARTITIONS", "many"),
        ("HEADRACE_BATCH_SIZE", "0"),
        ("HEADRACE_BATCH_SIZE", "20001"),
        ("HEADRACE_WINDOW_MS", "-1"),
        ("HEADRACE_DEDUP_WINDOW_S", "0"),
        ("HEADRACE_DEDUP_WINDOW_S", "86401"),
        ("METRICS_PORT", "-1"),
        ("METRICS_PORT", "65536"),
        ("METRICS_PORT", "http"),
        ("METRICS_HOST", ""),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("HEADRACE_INSTANCE", ""),
        ("HEADRACE_INSTANCE", "x" * 201),
    ],
)
def test_a_value_out_of_range_is_refused_in_one_line_that_names_it(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(Misconfigured) as caught:
        read_settings()
    assert str(caught.value).startswith(f"{name}='{value}': ")
    assert "\n" not in str(caught.value)


def test_a_service_is_looked_at_nowhere_unless_it_is_told_where(environment: pytest.MonkeyPatch) -> None:
    said = read_settings()
    assert (said.metrics_port, said.metrics_host, said.log_level, said.log_format) == (0, "0.0.0.0", "info", "auto")  # noqa: S104
    for name, value in {"METRICS_PORT": "9100", "LOG_LEVEL": "DEBUG", "LOG_FORMAT": "Json"}.items():
        environment.setenv(name, value)
    said = read_settings()
    assert (said.metrics_port, said.log_level, said.log_format) == (9100, "debug", "json")


def test_an_address_that_is_needed_and_not_set_is_asked_for() -> None:
    with pytest.raises(Misconfigured, match="KAFKA_BOOTSTRAP_SERVERS is not set: try `headrace local up`"):
        _ = settings().kafka
    with pytest.raises(Misconfigured, match="DATABASE_URL is not set: try `headrace local up`"):
        _ = settings().database


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        settings().partitions = 7


def test_a_consumer_reads_what_is_committed_and_commits_nothing_itself() -> None:
    config = consumer_config(settings(**LOCAL), "group")
    assert config["isolation.level"] == "read_committed"
    assert config["enable.auto.commit"] is False
    assert config["auto.offset.reset"] == "error"
    assert config["bootstrap.servers"] == "broker:9092"


def test_a_reader_is_told_when_it_has_read_to_the_end() -> None:
    config = reader_config(settings(**LOCAL))
    assert config["enable.partition.eof"] is True
    assert "partition.assignment.strategy" not in config


def test_keys_are_hashed_as_java_hashes_them_and_nothing_is_lost_or_doubled() -> None:
    config = producer_config(settings(**LOCAL))
    assert (config["partitioner"], config["acks"], config["enable.idempotence"]) == ("murmur2_random", "all", True)
    assert "transactional.id" not in config


def test_nothing_outlasts_its_transaction() -> None:
    for profile in ("local", "production"):
        config = producer_config(settings(**LOCAL | {"HEADRACE_PROFILE": profile}), "slot-0")
        assert config["transactional.id"] == "slot-0"
        assert config["message.timeout.ms"] <= config["transaction.timeout.ms"]
        session = consumer_config(settings(**LOCAL | {"HEADRACE_PROFILE": profile}), "group")["session.timeout.ms"]
        assert session <= config["transaction.timeout.ms"]


def test_any_property_of_librdkafka_can_be_set_from_outside(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("KAFKA_CLIENT__SECURITY_PROTOCOL", "SASL_SSL")
    environment.setenv("KAFKA_CONSUMER__SESSION_TIMEOUT_MS", "7000")
    environment.setenv("KAFKA_PRODUCER__LINGER_MS", "3")
    said = settings(**LOCAL)
    consumer, reader, producer = consumer_config(said, "group"), reader_config(said), producer_config(said)
    assert [config["security.protocol"] for config in (consumer, reader, producer)] == ["SASL_SSL"] * 3
    assert (consumer["session.timeout.ms"], producer["linger.ms"]) == ("7000", "3")
    assert "session.timeout.ms" not in producer
