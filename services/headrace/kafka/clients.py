"""How Headrace configures its Kafka clients, in one place, with the reasons."""

import os
import time
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, libversion
from confluent_kafka.admin import AdminClient

from headrace.kafka.certificate import out_of_date
from headrace.kafka.refusals import TRANSACTION_MS, refuse_overrides
from headrace.kernel.errors import Fault, Misconfigured
from headrace.settings import Settings

OLDEST_LIBRDKAFKA: Final = 0x020F0000  # 2.15: cooperative rebalances and reconnects as this code needs them
REQUEST_TIMEOUT_S: Final = 10.0
REFUSED_S: Final = 0.5
"""How often a client that gets no answer is asked whether it was refused."""
READERS: Final = "headrace.reader."
"""What the groups of readers outside any group begin with; their instance follows."""
# What a producer waits for and packs, by tuning: a flush at the end of a transaction waits for neither.
LINGER_MS: Final = {"latency": 1, "default": 1, "throughput": 5}
COMPRESSION: Final = {"latency": "none", "default": "lz4", "throughput": "lz4"}
FETCH_WAIT_MS: Final = 100
"""So long a broker keeps a fetch open that it has nothing for; a record answers it at once.

The answer is also what lets a partition into the fetch that was given meanwhile.
"""
END_WAIT_MS: Final = 10
"""The same for a reader that waits for a partition's end, which the empty answer tells."""
TRANSACTION_TIMEOUT_MS: Final = TRANSACTION_MS
SESSION_TIMEOUT_MS: Final = {"local": 6_000, "production": 30_000}


def consumer_config(settings: Settings, group: str, fetch_wait_ms: int = FETCH_WAIT_MS) -> dict[str, Any]:
    """A consumer that reads committed records only and commits nothing by itself."""
    overrides = _from_environment("KAFKA_CONSUMER__")
    session = int(overrides.get("session.timeout.ms", SESSION_TIMEOUT_MS[settings.profile]))
    return {
        **_client(settings),
        "group.id": group,
        "group.protocol": "classic",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": session,
        # By the session that is in force: a member heard too rarely for it would be put out again and again.
        "heartbeat.interval.ms": session // 6,
        "max.poll.interval.ms": 300_000,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # A position that is gone must stop the service, not move it.
        "auto.offset.reset": "error",
        # The default pauses a full queue for a second.
        "fetch.queue.backoff.ms": 5,
        "fetch.wait.max.ms": fetch_wait_ms,
        "queued.min.messages": 100_000,
        **overrides,
    }


def reader_config(settings: Settings) -> dict[str, Any]:
    """A consumer of assigned partitions, outside any group, that says when it has read to the end.

    It fetches less ahead than a member of a group: of small records what lies there for a moment is most of the memory
    that a takeover needs, and fetching more makes it no faster.
    """
    config = consumer_config(settings, f"{READERS}{settings.instance}", END_WAIT_MS)
    del config["partition.assignment.strategy"]
    ahead = {"fetch.message.max.bytes": 1_000_000, "queued.min.messages": 10_000}
    return config | {"enable.partition.eof": True} | ahead


def producer_config(settings: Settings, transactional_id: str | None = None) -> dict[str, Any]:
    """An idempotent producer, transactional if it is given an id."""
    timeout = TRANSACTION_TIMEOUT_MS[settings.profile]
    config = {
        **_client(settings),
        "enable.idempotence": True,
        "acks": "all",
        # Java, Streams and Faust hash keys by murmur2; librdkafka's own default does not.
        "partitioner": "murmur2_random",
        "linger.ms": LINGER_MS[settings.tuning],
        "batch.size": 1_000_000,
        "batch.num.messages": 100_000,
        "queue.buffering.max.messages": 1_000_000,
        "message.max.bytes": 4_000_000,
        "compression.type": COMPRESSION[settings.tuning],
        "retry.backoff.ms": 2,
        "retry.backoff.max.ms": 50,
        "allow.auto.create.topics": False,
    }
    if transactional_id is not None:
        config |= {
            "transactional.id": transactional_id,
            "transaction.timeout.ms": timeout,
            "message.timeout.ms": timeout,
            "socket.timeout.ms": timeout,
        }
    return config | _from_environment("KAFKA_PRODUCER__")


def admin_config(settings: Settings) -> dict[str, Any]:
    """A client that asks the cluster, and is told by errors alone."""
    return {
        # librdkafka 2.16 connects to a broker that is down without any pause as long as a request waits for just that
        # one: each state of the connection has the request ask for a new one. It takes most of a core in each process.
        # A client that is connected to all brokers does not ask, and keeps to reconnect.backoff.ms.
        "enable.sparse.connections": False,
        **_client(settings),
        "log_level": 2,
    }


def admin_client(settings: Settings) -> AdminClient:
    """A client for topics and offsets, once a broker has answered; `Fault` when none does."""
    _refuse_old_librdkafka()
    refuse_overrides(settings, os.environ)
    told: list[KafkaError] = []
    client = AdminClient(admin_config(settings) | {"error_cb": told.append})
    deadline = time.monotonic() + REQUEST_TIMEOUT_S
    while True:
        try:
            client.list_topics(timeout=REFUSED_S)
        except KafkaException as error:
            client.poll(0)  # brings what the client's threads have met
            _refuse_unwelcome(settings, told)
            if time.monotonic() > deadline:
                why = told[-1] if told else error.args[0]
                raise Fault(
                    f"no Kafka broker answers at {settings.kafka} ({' '.join(why.str().split())}): is it up, "
                    f"is KAFKA_BOOTSTRAP_SERVERS right?"
                ) from error
        else:
            return client


def _refuse_unwelcome(settings: Settings, told: list[KafkaError]) -> None:
    """`Misconfigured` when brokers answer and one side will not deal with the other; nothing told holds a password."""
    for error in told:
        said = " ".join(error.str().split())
        if error.code() == KafkaError._AUTHENTICATION:  # noqa: SLF001
            raise Misconfigured(
                f"Kafka at {settings.kafka} refuses this user ({said}): see to KAFKA_CLIENT__SASL_USERNAME, "
                f"KAFKA_CLIENT__SASL_PASSWORD and KAFKA_CLIENT__SASL_MECHANISM"
            )
        if error.code() == KafkaError._SSL and "certificate" in said:  # noqa: SLF001
            why = out_of_date(settings.kafka)
            todo = "have it renewed" if why else "see to it, and to KAFKA_CLIENT__SSL_CA_LOCATION"
            raise Misconfigured(f"Kafka's certificate at {settings.kafka} is not accepted ({why or said}): {todo}")


def fatal_errors_to(stop: Callable[[str], None]) -> dict[str, Any]:
    """The callback that tells of a client's fatal errors; it never raises, since librdkafka could not carry it."""

    def on_error(error: KafkaError) -> None:
        if error.fatal():
            stop(f"fatal client error {error.name()}: {error.str()}")

    return {"error_cb": on_error}


def _client(settings: Settings) -> dict[str, Any]:
    return {
        "bootstrap.servers": settings.kafka,
        "client.id": settings.instance,
        "reconnect.backoff.max.ms": 1000,
        "log_level": 3,
        **_from_environment("KAFKA_CLIENT__"),
    }


def _from_environment(prefix: str) -> dict[str, str]:
    """KAFKA_CLIENT__SECURITY_PROTOCOL=SASL_SSL is librdkafka's security.protocol, and so on for every property."""
    return {
        name.removeprefix(prefix).lower().replace("_", "."): value
        for name, value in os.environ.items()
        if name.startswith(prefix)
    }


def _refuse_old_librdkafka() -> None:
    name, number = libversion()
    if number < OLDEST_LIBRDKAFKA:
        raise Misconfigured(f"librdkafka {name} has known faults in rebalances: install confluent-kafka 2.15 or newer")
