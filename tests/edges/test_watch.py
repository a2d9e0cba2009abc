"""What `headrace watch` shows of real servers: groups without members, what waits, open transactions, servers away."""

import time
from contextlib import closing

import psycopg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

from headrace import app
from headrace.kafka import clients
from headrace.kafka.clients import producer_config
from headrace.observe.health import Health
from headrace.settings import Settings
from headrace.watch import loop
from headrace.watch.loop import Watch
from lifecycles import lifecycles
from running import PARTITIONS, Running
from scraping import free_port, scrape

pytestmark = [pytest.mark.edge, pytest.mark.timeout(180)]


def watched(shop: Running) -> int:
    """Start the watch; its port."""
    port = free_port()
    shop.start("watch", "watch", METRICS_PORT=str(port), METRICS_HOST="127.0.0.1")

    def looks() -> bool:
        try:
            return scrape(port).total("headrace_kafka_brokers") > 0
        except OSError:
            return False

    shop.wait(looks, "it has looked")
    return port


def test_a_group_that_nobody_is_a_member_of_any_more_is_seen_from_outside(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    shop.start_projectors()
    shop.send("orders", *lifecycles(5))
    shop.wait_until_quiet()
    port, group = watched(shop), "headrace.handle.orders"
    shop.wait(lambda: scrape(port).total("headrace_group_members", group=group) == 1, "the handler is seen")
    shop.wait(
        lambda: scrape(port).total("headrace_topic_appended_total", topic="orders.commands") == 20, "and the ends"
    )
    found = scrape(port)
    assert found.total("headrace_group_partitions", group=group) == PARTITIONS
    assert found.total("headrace_group_unassigned_partitions", group=group) == 0
    assert found.total("headrace_topic_partitions", topic="orders.events") == PARTITIONS
    assert found.total("headrace_topic_compaction_lag_seconds", topic="orders.events") == 6 * 3600
    assert found.total("headrace_postgres_up") == 1
    assert found.total("headrace_postgres_table_bytes", table="headrace.journal") > 0
    assert found.total("headrace_postgres_database_bytes") > 0
    shop.services.stop("handler")
    shop.wait(lambda: scrape(port).total("headrace_group_members", group=group) == 0, "nobody is left")
    assert scrape(port).total("headrace_group_unassigned_partitions", group=group) == PARTITIONS


def test_a_group_that_never_ran_or_is_forgotten_is_seen_to_have_nobody(shop: Running) -> None:
    shop.forget_groups()  # those of earlier tests
    port = watched(shop)
    group, audit = "headrace.project.order_statistics_v1", "headrace.project.audit"
    shop.wait(lambda: (group,) in scrape(port).by("headrace_group_members", "group"), "it is there")
    found = scrape(port)
    assert found.total("headrace_group_members", group=group) == 0
    assert found.total("headrace_group_unassigned_partitions", group=group) == PARTITIONS
    # Not everybody keeps an audit: one that never ran is not missed.
    assert (audit,) not in found.by("headrace_group_members", "group")
    assert (audit,) not in found.by("headrace_group_lag_records", "group")


def test_what_waits_for_a_journal_that_does_not_run_gets_older_and_a_mark_behind_it_is_nothing(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    shop.start_projectors()
    shop.start("project-audit", "project", "audit")
    shop.send("orders", *lifecycles(5))
    shop.wait_until_quiet()
    shop.services.stop("project-journal")
    shop.send("orders", *lifecycles(5, first=50))
    shop.projecting.remove("journal")
    shop.wait_until_quiet()
    port = watched(shop)

    def lag(unit: str, **labels: str) -> float:
        return scrape(port).total(f"headrace_group_lag_{unit}", **labels)

    shop.wait(lambda: lag("seconds", group="headrace.project.journal") > 5, "it gets older")
    shop.wait(lambda: lag("records", group="headrace.handle.orders") == 0, "others have nothing that waits")
    assert lag("records", group="headrace.project.journal") >= 5
    groups = {group for (group,) in scrape(port).by("headrace_group_lag_records", "group")}
    assert groups == {"headrace.handle.orders"} | {
        f"headrace.project.{name}" for name in ("orders_v1", "order_statistics_v1", "journal", "audit")
    }
    shop.start("journal-again", "project", "journal")
    shop.wait(lambda: lag("records") == lag("seconds") == 0, "it is copied, and marks alone are left")


def test_commands_that_nobody_has_ever_answered_wait(shop: Running) -> None:
    shop.send("orders", *lifecycles(3))
    port = watched(shop)
    group = "headrace.handle.orders"
    shop.wait(lambda: scrape(port).total("headrace_group_lag_records", group=group) == 12, "all of them wait")
    shop.wait(lambda: scrape(port).total("headrace_group_lag_seconds", group=group) > 3, "and get older")


def test_a_transaction_that_nobody_ends_is_seen_to_get_older(shop: Running) -> None:
    port = watched(shop)
    longer = {"transaction.timeout.ms": 120_000, "message.timeout.ms": 60_000}
    producer = Producer(producer_config(shop.settings, "somebody else's") | longer)
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce("orders.commands", b"left open", b"order-1", partition=0)
    producer.flush(30)

    def age(topic: str) -> float:
        return scrape(port).total("headrace_topic_unstable_seconds", topic=topic)

    shop.wait(lambda: age("orders.commands") >= 3, "it is seen in seconds", 60)
    assert age("orders.events") == 0
    producer.abort_transaction(30)
    shop.wait(lambda: age("orders.commands") == 0, "it is over")


def test_servers_that_are_away_are_a_metric_and_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "REQUEST_TIMEOUT_S", 0.5)
    nobody = Settings(
        KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}",
        DATABASE_URL=f"postgresql://127.0.0.1:{free_port()}/nobody",
        HEADRACE_PROFILE="local",
    )
    watch = Watch(app.shop, nobody, Health())
    watch.look()
    seen = shown(watch)
    assert seen.keys() == {"headrace_kafka_brokers", "headrace_postgres_up", "headrace_watch_look_timestamp_seconds"}
    assert (seen["headrace_kafka_brokers"], seen["headrace_postgres_up"]) == (0, 0)


def shown(watch: Watch) -> dict[str, float]:
    """One value of each metric."""
    return {sample.name: sample.value for family in watch.sights.collect() for sample in family.samples}


def test_a_database_that_keeps_the_connection_and_does_not_answer_holds_up_no_look(
    shop: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "PATIENCE_S", 1.0)
    with closing(Watch(shop.app, shop.settings, Health())) as watch:
        watch.look()
        with psycopg.connect(shop.env["DATABASE_URL"]) as other:
            other.execute("LOCK TABLE headrace.checkpoints IN ACCESS EXCLUSIVE MODE")
            began = time.time()
            watch.look()
            assert time.time() - began < 15  # the server's own timeouts are 20 s and more
        seen = shown(watch)
        assert seen["headrace_kafka_brokers"] == 1
        assert seen["headrace_watch_look_timestamp_seconds"] > began
        watch.look()
        assert shown(watch)["headrace_postgres_up"] == 1


def test_a_compaction_that_waits_for_nothing_is_a_0_and_no_silence(shop: Running) -> None:
    entry = ConfigEntry("min.compaction.lag.ms", "0", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, "orders.events", incremental_configs=[entry])
    shop.admin.incremental_alter_configs([resource])[resource].result()
    port = watched(shop)
    lags = scrape(port).by("headrace_topic_compaction_lag_seconds", "topic")
    assert lags["orders.events",] == 0
    assert ("orders.commands",) not in lags
