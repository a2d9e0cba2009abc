"""What an operator gets wrong: one line that says what to change, soon, without a secret, and exit code 2."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from certificates import expired
from headrace.app import shop
from headrace.kafka.topics import create_topics
from headrace.local import LocalKafka, LocalPostgres
from headrace.local.secured import Secured
from headrace.settings import Settings
from running import OWN, ROOT
from servers import readable_folder

pytestmark = pytest.mark.edge

RIGHT, WRONG = "geheim-1", "geheim-2"
SOON_S = 60
"""Far below what librdkafka would try for; a busy machine needs most of it to import what it runs."""


@pytest.fixture(scope="module")
def kafka_in_tls() -> Iterator[LocalKafka]:
    """A broker whose certificate has expired; its one user has no rights."""
    with readable_folder() as folder:
        secured = Secured({"ann": RIGHT}, expired(folder / "expired.pem"))
        kafka = LocalKafka(folder / "kafka", secured=secured)
        try:
            yield kafka.start()
        finally:
            kafka.kill()


@pytest.fixture(scope="module")
def closed_postgres() -> Iterator[LocalPostgres]:
    """A server that asks everybody but its own user for a password."""
    with readable_folder() as folder:
        rules = folder / "pg_hba.conf"
        rules.write_text("host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        server = LocalPostgres(folder / "postgres", {"hba_file": str(rules)})
        try:
            server.start()
            with psycopg.connect(server.url, autocommit=True) as connection:
                connection.execute(f"CREATE USER bob PASSWORD '{RIGHT}'".encode())
            yield server
        finally:
            server.remove()


def in_tls(kafka: LocalKafka, tmp_path: Path, **more: str) -> dict[str, str]:
    authority = tmp_path / "authority.pem"
    authority.write_text((kafka.directory.parent / "expired.pem").read_text().partition("-----END PRIVATE KEY-----")[2])
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.secured_servers,
        "KAFKA_CLIENT__SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_CLIENT__SSL_CA_LOCATION": str(authority),
        "KAFKA_CLIENT__SASL_MECHANISM": "PLAIN",
        "KAFKA_CLIENT__SASL_USERNAME": "ann",
        "KAFKA_CLIENT__SASL_PASSWORD": RIGHT,
        **more,
    }


def ended(*command: str, env: dict[str, str]) -> str:
    """What a command says when it is refused, which it is soon, on one line and with exit code 2."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith((*OWN, "DATABASE_"))}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "headrace", *command],
        env={**inherited, "HEADRACE_PROFILE": "local", "HEADRACE_PARTITIONS": "2", **env},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert time.monotonic() - began < SOON_S
    assert done.returncode == 2, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("headrace:")]
    assert len(said) == 1
    assert said[0] == done.stderr.splitlines()[-1]
    assert "geheim" not in done.stderr + done.stdout
    return said[0]


def test_a_wrong_kafka_password_is_told_apart_from_a_broker_that_is_down(
    kafka_in_tls: LocalKafka, tmp_path: Path
) -> None:
    unchecked = {"KAFKA_CLIENT__ENABLE_SSL_CERTIFICATE_VERIFICATION": "false"}
    env = in_tls(kafka_in_tls, tmp_path, **unchecked, KAFKA_CLIENT__SASL_PASSWORD=WRONG)
    line = ended("handle", "orders", env=env)
    assert f"Kafka at {kafka_in_tls.secured_servers} refuses this user" in line
    assert "see to KAFKA_CLIENT__SASL_USERNAME, KAFKA_CLIENT__SASL_PASSWORD" in line


def test_an_expired_certificate_is_named_as_such(kafka_in_tls: LocalKafka, tmp_path: Path) -> None:
    line = ended("handle", "orders", env=in_tls(kafka_in_tls, tmp_path))
    assert f"Kafka's certificate at {kafka_in_tls.secured_servers} is not accepted" in line
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert line.endswith(f"is not accepted (it expired on {yesterday:%Y-%m-%d}): have it renewed")


def test_a_user_without_rights_is_told_which_ones_it_lacks(kafka_in_tls: LocalKafka, tmp_path: Path) -> None:
    settings = Settings(
        KAFKA_BOOTSTRAP_SERVERS=kafka_in_tls.bootstrap_servers, HEADRACE_PROFILE="local", HEADRACE_PARTITIONS=2
    )
    create_topics(AdminClient({"bootstrap.servers": kafka_in_tls.bootstrap_servers}), shop, settings)
    unchecked = {"KAFKA_CLIENT__ENABLE_SSL_CERTIFICATE_VERIFICATION": "false"}
    line = ended("project", "orders", env=in_tls(kafka_in_tls, tmp_path, **unchecked))
    assert "Kafka does not let this user READ topic orders.events, DESCRIBE_CONFIGS topic orders.events, READ g" in line
    assert line.endswith("grant it, as `headrace acls --service project-orders` lists the rights")


def test_a_wrong_database_password_is_told_apart_from_a_database_that_is_down(closed_postgres: LocalPostgres) -> None:
    port = closed_postgres.url.rpartition(":")[2].partition("/")[0]
    line = ended("migrate", env={"DATABASE_URL": f"postgresql://bob:{WRONG}@127.0.0.1:{port}/postgres"})
    assert f"Postgres at 127.0.0.1:{port} refuses us" in line
    assert 'password authentication failed for user "bob"' in line
    assert line.endswith("see to the user in DATABASE_URL")


def test_a_database_that_is_not_migrated_is_told_with_the_command_that_does_it(
    closed_postgres: LocalPostgres,
) -> None:
    port = closed_postgres.url.rpartition(":")[2].partition("/")[0]
    env = {"DATABASE_URL": f"postgresql://bob:{RIGHT}@127.0.0.1:{port}/postgres"}
    assert ended("audit", "list", env=env) == "headrace: the database is not migrated: run `headrace migrate`"
