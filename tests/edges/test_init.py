"""`headrace init`: what a job runs before the services of a deployment start."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.local import LocalServers, Supervisor
from running import ROOT, Running
from servers import Kafka, fresh_database

pytestmark = pytest.mark.edge

SHOP = "headrace.app:shop"


@pytest.fixture
def empty(kafka: Kafka, database: str, tmp_path: Path) -> Iterator[Running]:
    """The shop before anything is there; afterwards its topics are gone."""
    with Supervisor() as services:
        heart = Running(kafka.bootstrap_servers, database, tmp_path, SHOP, ROOT / "schemas", services)
        yield heart
        heart.remove()


def test_topics_and_tables_are_made_and_a_second_time_nothing_changes(empty: Running) -> None:
    first = empty.headrace("init", "--json")
    assert first.returncode == 0, first.stderr
    done = json.loads(first.stdout)
    assert sorted(done["created"]) == sorted(topic for owner in empty.app.aggregates for topic in owner.topics)
    assert any("view orders" in line for line in done["migrated"])
    assert empty.headrace("topics", "check").returncode == 0
    assert json.loads(empty.headrace("init", "--json").stdout) == {"created": [], "migrated": []}
    assert "all topics are there\nthe database is up to date" in empty.headrace("init").stdout


def test_several_may_do_it_at_once(empty: Running) -> None:
    command = [sys.executable, "-m", "headrace", "init", "--json"]
    both = [subprocess.Popen(command, env=empty.env, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(2)]
    done = [json.loads(one.communicate(timeout=60)[0]) for one in both]
    assert [one.returncode for one in both] == [0, 0]
    topics = [topic for one in done for topic in one["created"]]
    assert sorted(topics) == sorted(topic for owner in empty.app.aggregates for topic in owner.topics)


def test_it_waits_for_a_database_that_comes_later_and_says_so(servers: LocalServers, empty: Running) -> None:
    with fresh_database(servers.postgres) as database:
        servers.postgres.stop()
        command = [sys.executable, "-m", "headrace", "init"]
        env = empty.env | {"DATABASE_URL": database}
        with subprocess.Popen(command, env=env, cwd=ROOT, stderr=subprocess.PIPE, text=True) as running:
            assert running.stderr
            said = running.stderr.readline()
            servers.postgres.start()
            assert running.wait(60) == 0
        assert said.startswith("headrace: waiting: no Postgres at")


def test_a_database_that_never_comes_is_told_at_the_deadline(empty: Running) -> None:
    ended = empty.headrace("init", "--wait", "0.1", env={"DATABASE_URL": "postgresql://u:hush@127.0.0.1:1/x"})
    waiting, last = ended.stderr.splitlines()
    assert (ended.returncode, waiting.removeprefix("headrace: waiting: ")) == (1, last.removeprefix("headrace: "))
    assert last.startswith("headrace: no Postgres at 127.0.0.1:1 lets us in")
    assert "hush" not in ended.stderr


def test_it_ends_when_it_is_told_to_even_as_the_first_process_of_a_container(empty: Running) -> None:
    first = "import os; os.getpid = lambda: 1; from headrace.cli import main; main()"
    env = empty.env | {"DATABASE_URL": "postgresql://127.0.0.1:1/x"}
    with subprocess.Popen(
        [sys.executable, "-c", first, "init"], env=env, cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr
        assert "waiting: no Postgres" in running.stderr.readline()
        running.terminate()
        assert running.wait(30) == 128 + signal.SIGTERM


def test_fewer_brokers_than_the_profile_needs_are_waited_for_and_told(empty: Running) -> None:
    ended = empty.headrace("init", "--wait", "0", env={"HEADRACE_PROFILE": "production"})
    assert ended.returncode == 1
    assert "1 of the 3 brokers that the production profile needs are up: set HEADRACE_PROFILE=local" in ended.stderr


def test_topics_that_are_not_as_they_must_be_are_refused(empty: Running) -> None:
    assert empty.headrace("init").returncode == 0
    ended = empty.headrace("init", env={"HEADRACE_PARTITIONS": "7"})
    assert ended.returncode == 2
    assert "orders.commands has 4 partitions, HEADRACE_PARTITIONS says 7" in ended.stderr
