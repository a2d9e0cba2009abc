"""`headrace doctor` on real servers: a healthy cluster is well in every line, and each planted fault is named."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource
from msgspec.structs import replace

from headrace.app import bank
from headrace.doctor import groups
from headrace.doctor.finding import Finding, Verdict
from headrace.doctor.rounds import examine
from headrace.doctor.servers import _compared, broker_clocks, make_topic_on_each
from headrace.doctor.standing import Standing
from headrace.kafka import clients
from headrace.kafka.clients import admin_client, producer_config
from headrace.kernel.reactor import Reactor
from headrace.local import LocalKafkaCluster
from lifecycles import lifecycles
from running import Running, running
from scraping import free_port
from servers import Kafka, Postgres, fresh_database

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]

ABOUT = {
    "schemas", "brokers", "clock of brokers", "topics", "replicas", "transactions", "groups", "progress", "lost",
    "parked in kafka", "postgres", "writes", "clock of postgres", "migrations", "parked in postgres", "checkpoints",
    "journal",
}  # fmt: skip


@pytest.fixture(scope="module")
def shop(kafka: Kafka, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A shop that is well; who plants a fault takes it away again."""
    with ExitStack() as stack:
        database = stack.enter_context(fresh_database(postgres))
        folder = tmp_path_factory.mktemp("doctor")
        heart = stack.enter_context(running(kafka.bootstrap_servers, database, folder))
        heart.forget_groups()
        heart.start("handler", "handle", "orders")
        heart.start_projectors()
        heart.start("project-audit", "project", "audit")
        heart.send("orders", *lifecycles(5))
        heart.wait_until_quiet()
        yield heart


def found(shop: Running, **settings: object) -> dict[str, list[Finding]]:
    """What is said, by what it is about."""
    said: dict[str, list[Finding]] = {}
    for finding in examine(shop.app, shop.settings.model_copy(update=settings)):
        said.setdefault(finding.about, []).append(finding)
    return said


def not_well(said: dict[str, list[Finding]]) -> list[Finding]:
    return [finding for findings in said.values() for finding in findings if finding.verdict is not Verdict.OK]


def alone(shop: Running, **settings: object) -> Finding:
    """The one thing that is not well."""
    findings = not_well(found(shop, **settings))
    assert len(findings) == 1, findings
    return findings[0]


@contextmanager
def away(shop: Running, projector: str) -> Iterator[None]:
    """One that runs looks at its checkpoints each minute, and ends where somebody else has moved them."""
    shop.services.stop(f"project-{projector}")
    yield
    shop.start(f"project-{projector}", "project", projector)
    shop.wait(lambda: not not_well(found(shop)), "it is well again")


def besides_groups(shop: Running) -> Finding:
    """The one thing that is not well, but for what has no process, or does not move."""
    findings = [it for it in not_well(found(shop)) if it.about not in ("groups", "progress")]
    assert len(findings) == 1, findings
    return findings[0]


@contextmanager
def configured(shop: Running, topic: str, name: str, value: str) -> Iterator[None]:
    """A topic's setting, changed for a while."""

    def change(operation: AlterConfigOpType, to: str | None) -> None:
        entry = ConfigEntry(name, to, incremental_operation=operation)
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
        shop.admin.incremental_alter_configs([resource])[resource].result()

    before = {key: it.value for key, it in _config(shop, topic).items()}[name]
    change(AlterConfigOpType.SET, value)
    try:
        yield
    finally:
        change(AlterConfigOpType.SET, before)


def _config(shop: Running, topic: str) -> dict[str, ConfigEntry]:
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    return dict(shop.admin.describe_configs([resource])[resource].result())


def test_a_healthy_cluster_is_well_in_every_line(shop: Running) -> None:
    shop.wait(lambda: not not_well(found(shop)), "all is well")
    assert set(found(shop)) == ABOUT
    left = [name for name in shop.admin.list_topics(timeout=10).topics if name.startswith("headrace.doctor")]
    assert left == []
    done = shop.headrace("doctor", "--json")
    assert done.returncode == 0, done.stderr
    assert {it["verdict"] for it in json.loads(done.stdout)} == {"ok"}
    printed = shop.headrace("doctor", "--read-only")
    assert printed.returncode == 0
    assert all(line.startswith("ok ") for line in printed.stdout.splitlines())


def test_a_topic_that_is_not_as_it_must_be(shop: Running) -> None:
    with configured(shop, "orders.commands", "message.timestamp.type", "CreateTime"):
        finding = alone(shop)
        assert finding.what == "topic orders.commands: message.timestamp.type is CreateTime, must be LogAppendTime"
        done = shop.headrace("doctor")
        assert done.returncode == 1
        assert f"fail  topics: {finding.what}\n      → {finding.todo}" in done.stdout


def test_a_group_that_nobody_is_in_while_commands_wait(shop: Running) -> None:
    shop.services.stop("handler")
    shop.send("orders", *lifecycles(3, first=100))

    def said() -> list[Finding]:
        return [it for it in not_well(found(shop)) if it.about == "groups"]

    shop.wait(lambda: any(it.verdict is Verdict.FAIL for it in said()), "it is named")
    [finding] = said()
    assert finding.what.startswith("headrace.handle.orders has no process, and ")
    assert finding.todo == "start one: headrace handle orders"
    shop.start("handler", "handle", "orders")
    shop.wait_until_quiet()
    shop.wait(lambda: not not_well(found(shop)), "it is well again")


def test_a_group_that_has_never_run_or_is_forgotten(shop: Running) -> None:
    group = "headrace.project.order_statistics_v1"
    shop.services.stop("project-order_statistics")

    def is_forgotten() -> bool:
        try:
            shop.admin.delete_consumer_groups([group])[group].result()
        except KafkaException as error:
            return bool(error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND)
        return True

    def said() -> Finding:
        [finding] = [it for it in not_well(found(shop)) if it.about == "groups"]
        return finding

    shop.wait(is_forgotten, "the brokers know it no more")
    assert (said().verdict, said().what) == (Verdict.WARN, f"{group} has no process; nothing waits for it")
    shop.send("orders", *lifecycles(40, first=200))  # in each partition, so that the new group has offsets of all
    shop.wait(lambda: said().verdict is Verdict.FAIL, "events wait for it")
    assert said().what.startswith(f"{group} has no process, and ")
    shop.start("project-order_statistics", "project", "order_statistics")
    shop.wait_until_quiet()
    shop.wait(lambda: not not_well(found(shop)), "it is well again")


def test_a_projector_that_does_not_get_on_although_its_process_is_there(shop: Running, postgres: Postgres) -> None:
    with psycopg.connect(shop.env["DATABASE_URL"]) as other:
        other.execute("LOCK TABLE orders_v1.orders IN SHARE MODE")
        shop.send("orders", *lifecycles(3, first=300))

        def said() -> list[Finding]:
            return [it for it in not_well(found(shop)) if it.about == "progress"]

        shop.wait(lambda: len(said()) == 1, "it alone stands still")
        [finding] = said()
        assert finding.verdict is Verdict.FAIL
        assert finding.what.startswith("headrace.project.orders_v1 has not moved for 5 s in orders.events[")
        # Without its checkpoints nobody can tell: what it has committed to Kafka is a hint.
        with fresh_database(postgres) as empty:
            assert alone(shop, database_url=empty).about == "migrations"
    shop.wait_until_quiet()
    shop.wait(lambda: not not_well(found(shop)), "it is well again")


def test_a_database_that_takes_no_writes(shop: Running) -> None:
    name = psycopg.conninfo.conninfo_to_dict(shop.env["DATABASE_URL"])["dbname"]
    with psycopg.connect(shop.env["DATABASE_URL"], autocommit=True) as other:
        other.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'.encode())
        try:
            finding = alone(shop)
        finally:
            other.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only'.encode())
    assert (finding.verdict, finding.about) == (Verdict.FAIL, "writes")
    assert finding.what == "transactions of this user in this database are read only"


def test_commands_that_were_removed_before_the_handler_had_them(shop: Running) -> None:
    group = "headrace.handle.orders"
    committed = shop.committed(group, "orders.commands")
    number = max(committed, key=lambda it: committed[it])
    shop.services.stop("handler")
    shop.wait(lambda: found(shop)["groups"][0].verdict is not Verdict.OK, "it is gone")
    shop.admin.delete_records([TopicPartition("orders.commands", number, committed[number])])
    stand(shop, group, number, committed[number] - 2)

    def lost() -> list[Finding]:
        return [it for it in found(shop)["lost"] if it.verdict is Verdict.FAIL]

    shop.wait(lambda: lost() != [], "it is named")
    at = f"offset {committed[number] - 2} of orders.commands[{number}], which begins at {committed[number]}"
    assert [it.what for it in lost()] == [f"{group} stands at {at}"]
    stand(shop, group, number, committed[number] - 1)
    assert len(lost()) == 1
    sender = Reactor(name="sender", events=("orders",), answers=(), react=lambda _: [])
    with closing(Standing(shop.settings, None)) as standing:  # its commands lie in transactions: that may be a mark
        [finding] = groups.lost(shop.admin, replace(shop.app, reactors=(sender,)), shop.settings, standing)
    assert finding.verdict is Verdict.OK
    stand(shop, group, number, committed[number])
    shop.start("handler", "handle", "orders")
    shop.wait(lambda: not not_well(found(shop)), "it is well again")


def stand(shop: Running, group: str, number: int, offset: int) -> None:
    """Have a group without members stand at an offset of the commands."""
    places = ConsumerGroupTopicPartitions(group, [TopicPartition("orders.commands", number, offset)])
    shop.admin.alter_consumer_group_offsets([places])[group].result()


def test_each_broker_is_asked_for_its_clock(cluster: LocalKafkaCluster, shop: Running) -> None:
    settings = shop.settings.model_copy(update={"kafka_bootstrap_servers": cluster.bootstrap_servers})
    admin = admin_client(settings)
    brokers = sorted(admin.list_topics(timeout=10).brokers)
    make_topic_on_each(admin, "clocks", brokers)

    def leaders() -> list[int]:
        led = admin.list_topics("clocks", timeout=10).topics["clocks"].partitions
        return [led[number].leader for number in sorted(led)]

    shop.wait(lambda: leaders() == brokers, "each leads one")
    assert len(brokers) == 3
    [finding] = broker_clocks(admin, settings, [], writes=True)
    assert (finding.verdict, finding.what) == (Verdict.OK, "all agree with ours")


def test_a_transaction_that_nobody_ends(shop: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(clients.TRANSACTION_TIMEOUT_MS, "local", 2_000)
    longer = {"transaction.timeout.ms": 120_000, "message.timeout.ms": 60_000}
    producer = Producer(producer_config(shop.settings, "nobody s") | longer)
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce("orders.events", b"left open", b"order-1", partition=0)
    producer.flush(30)

    def said() -> list[Finding]:
        return found(shop)["transactions"]

    try:
        shop.wait(lambda: said()[0].verdict is Verdict.FAIL, "it is older than ours may be here")
        assert said()[0].what.startswith("one has held back orders.events[0] at offset ")
    finally:
        producer.abort_transaction(30)


def test_keys_that_are_parked(shop: Running) -> None:
    shop.change(
        'INSERT INTO headrace.parked (projector, topic, partition, "offset", aggregate_id, record, logged_at)'
        " VALUES ('orders_v1', 'orders.events', 0, 0, 'order-1', '', now())"
    )
    try:
        finding = alone(shop)
        assert (finding.verdict, finding.what) == (Verdict.WARN, "1 keys of orders wait")
        assert "headrace parked redrive --projector orders --all" in finding.todo
    finally:
        shop.change("DELETE FROM headrace.parked")


@pytest.mark.parametrize(
    ("change", "undo", "what"),
    [
        ("next_offset = next_offset + 1000000", "next_offset = next_offset - 1000000", "which ends at"),
        (
            "cluster_id = 'x' || cluster_id",
            "cluster_id = substr(cluster_id, 2)",
            "was filled from another orders.events",
        ),
    ],
    ids=["beyond the end", "another cluster"],
)
def test_a_checkpoint_that_does_not_fit_its_topic(shop: Running, change: str, undo: str, what: str) -> None:
    where = "WHERE projector = 'order_statistics_v1' AND partition = 0"
    with away(shop, "order_statistics"):
        shop.change(f"UPDATE headrace.checkpoints SET {change} {where}")
        try:
            finding = besides_groups(shop)
            assert (finding.verdict, finding.about) == (Verdict.FAIL, "checkpoints")
            assert what in finding.what
        finally:
            shop.change(f"UPDATE headrace.checkpoints SET {undo} {where}")


def test_a_journal_that_compaction_has_overtaken(shop: Running) -> None:
    fullest = (
        "SELECT partition, next_offset FROM headrace.checkpoints WHERE projector = 'journal' ORDER BY 2 DESC LIMIT 1"
    )
    [(partition, offset)] = shop.rows(fullest)
    update = "UPDATE headrace.checkpoints SET next_offset = {} WHERE projector = 'journal' AND partition = {}"
    with away(shop, "journal"):
        shop.change(update.format(0, partition))
        try:
            with configured(shop, "orders.events", "min.compaction.lag.ms", "1000"):
                finding = besides_groups(shop)
                assert finding.verdict is Verdict.FAIL
                assert finding.what == (
                    "the journal has not copied events older than 100% of the compaction lag: "
                    f"orders.events[{partition}]"
                )
        finally:
            shop.change(update.format(offset, partition))


def test_a_database_that_is_not_migrated(shop: Running, postgres: Postgres) -> None:
    with fresh_database(postgres) as empty:
        finding = alone(shop, database_url=empty)
    assert (finding.about, finding.todo) == ("migrations", "run headrace migrate")


def test_schemas_that_are_not_those_of_the_code(shop: Running, tmp_path: Path) -> None:
    finding = alone(shop, schemas=tmp_path)
    assert (finding.verdict, finding.about) == (Verdict.FAIL, "schemas")
    assert str(tmp_path) in finding.what


def test_a_server_that_is_away_is_one_line_and_the_other_is_looked_at(
    shop: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = alone(shop, database_url=f"postgresql://127.0.0.1:{free_port()}/nobody")
    assert (finding.about, finding.todo) == ("postgres", "bring it back, or set DATABASE_URL right")
    monkeypatch.setattr(clients, "REQUEST_TIMEOUT_S", 1.0)
    said = found(shop, kafka_bootstrap_servers=f"127.0.0.1:{free_port()}")
    assert [it.about for it in not_well(said)] == ["brokers"]
    assert said["migrations"][0].verdict is Verdict.OK


def test_a_topic_that_is_missing_is_said_once(shop: Running) -> None:
    # The bank's topics were never made here.
    said = [it for it in examine(bank, shop.settings) if it.about == "topics"]
    assert [it.todo for it in said] == ["run `headrace topics create`"] * len(said)
    assert len(said) == len(bank.aggregates) + len(bank.reactors)


@pytest.mark.parametrize(
    ("theirs", "verdict"), [(99.5, "ok"), (100.5, "ok"), (97, "warn"), (104, "warn"), (60, "fail"), (140, "fail")]
)
def test_clocks_are_compared_by_two_readings_of_ours(theirs: float, verdict: str) -> None:
    assert _compared("clock of brokers", theirs, 100, 101).verdict == verdict


def test_it_needs_both_addresses(shop: Running) -> None:
    done = shop.headrace("doctor", env={"DATABASE_URL": ""})
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "DATABASE_URL is not set" in done.stderr
