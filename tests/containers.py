"""Kafka and PostgreSQL as containers, for tests that only use them: `HEADRACE_CONTAINERS=1`, where an engine answers.

The images are those of deploy/compose.yaml; `HEADRACE_KAFKA_IMAGE` and `HEADRACE_POSTGRES_IMAGE` name others that take
the same variables.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import docker
import pytest
from docker.errors import DockerException
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from deploy.composed import read
from headrace.local.kafka import PROPERTIES, new_cluster_id
from servers import GivenKafka, GivenPostgres

INSIDE: Final = 9092
# Clients are sent to what a broker says that its address is, which is not known before its port is: it waits for that.
STARTED_LATER: Final = "until [ -f /tmp/advertised ]; do sleep 0.1; done; . /tmp/advertised; exec /etc/kafka/docker/run"


def refuse_without_engine() -> None:
    """End the session with one line when no engine answers: what was asked for is never left out."""
    try:
        client = docker.from_env()
        client.ping()
        client.close()
    except DockerException as error:
        raise pytest.UsageError(
            f"HEADRACE_CONTAINERS is set, and no container engine answers ({' '.join(str(error).split())}): "
            f"start one, set DOCKER_HOST, or unset HEADRACE_CONTAINERS for local servers"
        ) from None


def image(service: str) -> str:
    name: str = read()["services"][service]["image"]
    return os.environ.get(f"HEADRACE_{service.upper()}_IMAGE", name)


@contextmanager
def kafka_container() -> Iterator[GivenKafka]:
    """A broker with the properties that tests rely on, gone afterwards."""
    said = PROPERTIES | {
        "listeners": f"OUTSIDE://:{INSIDE},PLAINTEXT://:19092,CONTROLLER://:9093",
        "listener.security.protocol.map": "OUTSIDE:PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.quorum.voters": "1@localhost:9093",
    }
    variables = {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in said.items()}
    container = DockerContainer(image("kafka"), env=variables | {"CLUSTER_ID": new_cluster_id()})
    container.with_exposed_ports(INSIDE).with_kwargs(entrypoint=["sh", "-c", STARTED_LATER])
    with container:
        address = f"{container.get_container_host_ip()}:{container.get_exposed_port(INSIDE)}"
        listeners = f"OUTSIDE://{address},PLAINTEXT://localhost:19092"
        container.copy_into_container(
            f"export KAFKA_ADVERTISED_LISTENERS={listeners}\n".encode(),
            "/tmp/advertised",  # noqa: S108 - in a container of its own
        )
        try:
            LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(120).wait_until_ready(container)
        except (RuntimeError, TimeoutError) as error:
            error.add_note(b"".join(container.get_logs()).decode(errors="replace")[-2000:])
            raise
        yield GivenKafka(address)


@contextmanager
def postgres_container() -> Iterator[GivenPostgres]:
    """A server with a user that may make databases, gone afterwards."""
    container = PostgresContainer(
        image("postgres"),
        username="headrace",
        password="headrace",  # noqa: S106 - nobody else comes in
        dbname="postgres",
        driver=None,
    )
    container.with_command(
        ["postgres", "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
    )
    with container:
        yield GivenPostgres(container.get_connection_url())
