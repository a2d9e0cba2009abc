"""Kafka and PostgreSQL as local processes: kept, killed, found again, never confused with others."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString

import psutil
import psycopg
import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from headrace.local import LocalKafka, LocalPostgres, LocalServerError, LocalServers, ports
from headrace.local.process import Identity, until
from servers import readable_folder

pytestmark = pytest.mark.edge


@pytest.fixture
def folder() -> Iterator[Path]:
    with readable_folder() as made:
        yield made


def remember(kafka: LocalKafka, topic: str, value: bytes) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(10)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    producer.produce(topic, value)
    assert producer.flush(10) == 0


def recall(kafka: LocalKafka, topic: str) -> bytes | None:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": "recall"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    message = consumer.poll(10)
    consumer.close()
    return message.value() if message else None


def ask(url: str, query: LiteralString) -> tuple[Any, ...]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query)
        return (cursor.fetchone() if cursor.description else None) or ()


def gone(*pids: int) -> bool:
    return not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids)


def test_both_come_up_as_what_they_are(servers: LocalServers) -> None:
    assert "Kafka version: 4.3.1" in servers.kafka.log_file.read_text()
    assert AdminClient({"bootstrap.servers": servers.kafka.bootstrap_servers}).list_topics(timeout=5).brokers
    assert ask(servers.postgres.url, "SELECT uuidv7() IS NOT NULL, current_setting('TimeZone')") == (True, "UTC")


def test_data_and_addresses_survive_a_stop_and_a_start(servers: LocalServers) -> None:
    addresses = servers.kafka.bootstrap_servers, servers.postgres.url
    remember(servers.kafka, "kept", b"before the stop")
    ask(servers.postgres.url, "CREATE TABLE kept AS SELECT 1 AS n")
    servers.stop()
    assert (servers.kafka.running, servers.postgres.running) == (False, False)
    servers.start()
    assert (servers.kafka.bootstrap_servers, servers.postgres.url) == addresses
    assert recall(servers.kafka, "kept") == b"before the stop"
    assert ask(servers.postgres.url, "SELECT n FROM kept") == (1,)


def test_killed_servers_recover_what_they_had_confirmed(servers: LocalServers) -> None:
    remember(servers.kafka, "confirmed", b"before the kill")
    session = psycopg.connect(servers.postgres.url)
    session.execute("CREATE TABLE confirmed AS SELECT 1 AS n")
    session.commit()
    session.execute("INSERT INTO confirmed VALUES (2)")
    servers.postgres.kill()
    servers.kafka.kill()
    session.close()
    servers.start()
    assert recall(servers.kafka, "confirmed") == b"before the kill"
    assert ask(servers.postgres.url, "SELECT array_agg(n) FROM confirmed") == ([1],)


def test_a_paused_broker_answers_nothing_until_it_is_resumed(servers: LocalServers) -> None:
    admin = AdminClient({"bootstrap.servers": servers.kafka.bootstrap_servers})
    assert admin.list_topics(timeout=5).brokers
    servers.kafka.pause()
    with pytest.raises(KafkaException):
        admin.list_topics(timeout=0.5)
    servers.kafka.resume()
    assert admin.list_topics(timeout=10).brokers


def test_a_java_tool_of_kafka_can_be_run_against_the_broker(servers: LocalServers) -> None:
    kafka = servers.kafka
    tool = [str(kafka.java), "-cp", kafka.classpath, "org.apache.kafka.tools.TopicCommand"]
    run = [*tool, "--bootstrap-server", kafka.bootstrap_servers, "--create", "--topic", "by-a-tool"]
    assert "Created topic" in subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert len(kafka.jars) == 92


def test_two_pairs_run_side_by_side(servers: LocalServers, folder: Path) -> None:
    with LocalServers(folder / "another") as another:
        remember(another.kafka, "only-there", b"x")
        another.postgres.create_database("only_there")
        here = AdminClient({"bootstrap.servers": servers.kafka.bootstrap_servers}).list_topics(timeout=5)
        assert "only-there" not in here.topics
        assert ask(servers.postgres.url, "SELECT count(*) FROM pg_database WHERE datname = 'only_there'") == (0,)


def test_a_folder_in_use_is_refused_and_its_server_left_alone(servers: LocalServers) -> None:
    with pytest.raises(LocalServerError, match="use another folder"):
        LocalServers(servers.directory).start()
    assert servers.kafka.running
    assert servers.postgres.running


def test_what_a_crashed_owner_left_running_is_recognised_and_ended(folder: Path) -> None:
    script = """if True:
        import os, sys
        from pathlib import Path
        from headrace.local import LocalPostgres
        server = LocalPostgres(Path(sys.argv[1]))
        start = server._process.start
        server._process.start = lambda argv, account, dies_with_us: start(argv, account=account, dies_with_us=0)
        server.start()
        os.kill(os.getpid(), 9)
    """
    owner = subprocess.run([sys.executable, "-c", script, folder / "server"], check=False)
    assert owner.returncode == -signal.SIGKILL
    server = LocalPostgres(folder / "server")
    leftover = server.pid
    assert leftover
    with server:
        assert server.pid != leftover
        assert gone(leftover)
        assert ask(server.url, "SELECT 1") == (1,)


def test_no_server_outlives_an_owner_that_is_killed(folder: Path) -> None:
    script = """if True:
        import sys
        from pathlib import Path
        from headrace.local import LocalServers
        with LocalServers(Path(sys.argv[1])) as servers:
            print(servers.kafka.pid, servers.postgres.pid, flush=True)
            sys.stdin.read()
    """
    command = [sys.executable, "-c", script, str(folder / "servers")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        assert len(pids) == 2
        assert not gone(pids[0])
        owner.kill()
    assert until(lambda: gone(*pids), 20)


def test_another_process_with_the_number_of_a_dead_server_is_left_alone(folder: Path) -> None:
    server = LocalPostgres(folder / "server")
    with server:
        data = next(folder.rglob("postmaster.pid")).parent
    with subprocess.Popen(["sleep", "60"]) as stranger:
        nobody = Identity(stranger.pid, started=1.0)
        record = {"process": {"pid": stranger.pid, "started": 1.0}, "owner": {"pid": stranger.pid, "started": 1.0}}
        (folder / "server" / "process.json").write_text(json.dumps(record))
        (data / "postmaster.pid").write_text(f"{stranger.pid}\n")
        with LocalPostgres(folder / "server") as again:
            assert ask(again.url, "SELECT 1") == (1,)
        assert not nobody.alive
        assert stranger.poll() is None
        stranger.kill()


def test_a_port_that_is_taken_in_the_last_moment_is_given_up_for_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as someone:
        taken = someone.getsockname()[1]
        (folder / "server").mkdir()
        (folder / "server" / "ports.json").write_text(json.dumps([taken]))
        monkeypatch.setattr(ports, "is_free", lambda _port: True)
        with LocalPostgres(folder / "server") as server:
            assert str(taken) not in server.url
            assert ask(server.url, "SELECT 1") == (1,)


def test_a_free_port_is_given_once() -> None:
    given = [ports.free_port() for _ in range(1000)]
    assert len(set(given)) == len(given)


def test_a_server_runs_in_a_folder_that_only_its_owner_can_enter_and_leaves_nothing(folder: Path) -> None:
    folder.chmod(0o700)
    server = LocalPostgres(folder / "server")
    with server:
        data = Path(str(ask(server.url, "SELECT current_setting('data_directory')")[0]))
        assert ask(server.url, "SELECT 1") == (1,)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert data.exists()
    server.remove()
    assert not data.exists()


def test_a_kafka_that_cannot_start_says_so_at_once_with_the_end_of_its_log(folder: Path) -> None:
    server = LocalKafka(folder / "server", {"authorizer.class.name": "no.such.Authorizer"})
    with pytest.raises(LocalServerError, match=r"(?s)ended while starting.*kafka\.log.*no\.such\.Authorizer"):
        server.start()
    assert not server.running


def test_a_postgres_that_cannot_start_says_so_at_once_with_the_end_of_its_log(folder: Path) -> None:
    server = LocalPostgres(folder / "server", {"shared_buffers": "a lot"})
    with pytest.raises(LocalServerError, match=r"(?s)ended while starting.*postgres\.log.*invalid value for parameter"):
        server.start()
    assert not server.running


def test_a_database_can_be_made_from_a_template_and_removed_under_a_session(postgres: LocalPostgres) -> None:
    ask(postgres.create_database("model"), "CREATE TABLE shape AS SELECT 7 AS n")
    session = psycopg.connect(postgres.create_database("copy", template="model"), autocommit=True)
    assert session.execute("SELECT n FROM shape").fetchone() == (7,)
    for name in ("copy", "model"):
        postgres.drop_database(name)
    session.close()
    assert ask(postgres.url, "SELECT count(*) FROM pg_database WHERE datname IN ('model', 'copy')") == (0,)


def headrace_local(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "headrace", "local", *arguments], capture_output=True, text=True, check=False
    )


def test_servers_brought_up_by_the_command_outlive_it_until_they_are_brought_down(folder: Path) -> None:
    where = ("--directory", str(folder / "up"))
    assert headrace_local("status", *where).returncode == 3
    up = headrace_local("up", "--no-kafka", *where)
    assert up.returncode == 0, up.stderr
    url = up.stdout.split("export DATABASE_URL=")[1].split()[0]
    assert ask(url, "SELECT 1") == (1,)
    assert "already up" in headrace_local("up", "--no-kafka", *where).stderr
    status = headrace_local("status", "--json", *where)
    assert (status.returncode, json.loads(status.stdout)["postgres"]["address"]) == (0, url)
    assert "ready to accept connections" in headrace_local("logs", "postgres", *where).stdout
    assert headrace_local("down", *where).returncode == 0
    assert headrace_local("status", *where).returncode == 3


def test_servers_on_an_address_of_the_machine_answer_there_and_postgres_asks_for_a_password(folder: Path) -> None:
    entries = [entry for entries in psutil.net_if_addrs().values() for entry in entries]
    others = [one.address for one in entries if one.family == socket.AF_INET and not one.address.startswith("127.")]
    if not others:
        pytest.skip("this machine has no address but the loopback's")
    address = others[0]
    with LocalServers(folder / "reached", host=address) as servers:
        assert servers.bootstrap_servers.startswith(f"{address}:")
        remember(servers.kafka, "reached", b"by its address")
        assert recall(servers.kafka, "reached") == b"by its address"
        url = servers.postgres.url
        assert ask(url, "SELECT host(inet_server_addr())") == (address,)
        user, _, secret = url.removeprefix("postgresql://").partition("@")[0].partition(":")
        with pytest.raises(psycopg.OperationalError, match="password"):
            ask(url.replace(f"{user}:{secret}@", f"{user}:another@"), "SELECT 1")
