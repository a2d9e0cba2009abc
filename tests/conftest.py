"""What tests may ask for: `kafka`, `postgres`, `database`; `servers` and `cluster` for those that stop or kill them."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from headrace.local import LocalKafkaCluster, LocalServers
from running import Running, running
from servers import (
    Kafka,
    Postgres,
    containers_wanted,
    fresh_database,
    given_kafka,
    given_postgres,
    local_cluster,
    local_servers,
)

# A busy machine is not a wrong answer.
settings.register_profile("headrace", deadline=None)
settings.load_profile("headrace")


def pytest_configure() -> None:
    if containers_wanted():
        from containers import refuse_without_engine  # noqa: PLC0415 - few sessions need the client of an engine

        refuse_without_engine()


def pytest_report_header() -> str:
    return f"servers: {'containers' if containers_wanted() else 'local processes'}, unless the environment names them"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows what the services that ended unasked wrote last."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Running):
                report.sections += value.last_words()
    return report


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Iterator[LocalServers]:
    """The session's local servers, whatever the environment says. Who stops one starts it again."""
    fixtures = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    with local_servers(fixtures) as running:
        yield running


@pytest.fixture(scope="session")
def cluster() -> Iterator[LocalKafkaCluster]:
    """The session's three local brokers. Who stops one starts it again."""
    with local_cluster() as running:
        yield running


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[Kafka]:
    if given := given_kafka():
        yield given
    elif containers_wanted():
        from containers import kafka_container  # noqa: PLC0415

        with kafka_container() as contained:
            yield contained
    else:
        yield request.getfixturevalue("servers").kafka


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    if given := given_postgres():
        yield given
    elif containers_wanted():
        from containers import postgres_container  # noqa: PLC0415

        with postgres_container() as contained:
            yield contained
    else:
        yield request.getfixturevalue("servers").postgres


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """The address of an empty database of the test's own."""
    with fresh_database(postgres) as url:
        yield url


@pytest.fixture
def shop(kafka: Kafka, database: str, tmp_path: Path) -> Iterator[Running]:
    """Topics and tables of the shop, a part of the shipped app; the test starts the services."""
    with running(kafka.bootstrap_servers, database, tmp_path) as heart:
        yield heart


@pytest.fixture
def bank(kafka: Kafka, database: str, tmp_path: Path) -> Iterator[Running]:
    """Topics and tables of the bank; the test starts the services."""
    with running(kafka.bootstrap_servers, database, tmp_path, "headrace.app:bank") as heart:
        yield heart


@pytest.fixture
def replicated_shop(cluster: LocalKafkaCluster, database: str, tmp_path: Path) -> Iterator[Running]:
    """The same on three brokers, by the production profile; the test starts the services."""
    with running(cluster.bootstrap_servers, database, tmp_path, profile="production") as heart:
        yield heart
