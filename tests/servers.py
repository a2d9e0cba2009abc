"""The Kafka and the PostgreSQL of a test session: those that the environment names, else local ones, or containers."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from headrace.local import LocalKafkaCluster, LocalServers
from headrace.local.postgres import create_database, drop_database


class Kafka(Protocol):
    """A broker that tests may use and leave topics on, but neither stop nor kill."""

    @property
    def bootstrap_servers(self) -> str: ...


class Postgres(Protocol):
    """A server that tests may make databases on, but neither stop nor kill."""

    @property
    def url(self) -> str: ...

    def create_database(self, name: str, template: str | None = None) -> str: ...

    def drop_database(self, name: str) -> None: ...


@dataclass(frozen=True)
class GivenKafka:
    bootstrap_servers: str


@dataclass(frozen=True)
class GivenPostgres:
    url: str

    def create_database(self, name: str, template: str | None = None) -> str:
        return create_database(self.url, name, template)

    def drop_database(self, name: str) -> None:
        drop_database(self.url, name)


def given_kafka() -> GivenKafka | None:
    address = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    return GivenKafka(address) if address else None


def given_postgres() -> GivenPostgres | None:
    url = os.environ.get("DATABASE_URL")
    return GivenPostgres(url) if url else None


def containers_wanted() -> bool:
    """Whether tests that only use servers get containers: `HEADRACE_CONTAINERS=1`, see `containers`."""
    return os.environ.get("HEADRACE_CONTAINERS", "0") not in ("", "0")


@contextmanager
def local_servers(fixtures: set[str]) -> Iterator[LocalServers]:
    """The local servers that tests with these fixtures need, started side by side."""
    kafka = "servers" in fixtures or ("kafka" in fixtures and not given_kafka())
    postgres = "servers" in fixtures or (bool(fixtures & {"postgres", "database"}) and not given_postgres())
    with readable_folder() as folder:
        servers = LocalServers(folder / "servers")
        try:
            yield servers.start(kafka=kafka, postgres=postgres)
        finally:
            servers.remove()


@contextmanager
def local_cluster() -> Iterator[LocalKafkaCluster]:
    """Three local brokers, started."""
    with readable_folder() as folder:
        cluster = LocalKafkaCluster(folder / "cluster")
        try:
            yield cluster.start()
        finally:
            cluster.kill()


@contextmanager
def readable_folder() -> Iterator[Path]:
    """A temporary folder that PostgreSQL's user can enter when we are root, which pytest's own is not."""
    with tempfile.TemporaryDirectory(prefix="headrace-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def fresh_database(postgres: Postgres, template: str | None = None) -> Iterator[str]:
    """A database of its own, as a copy of `template` when one is named; gone afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield postgres.create_database(name, template)
    postgres.drop_database(name)
