"""What `headrace watch` shows of real servers: groups without members, open transactions, a database that is away."""

import pytest
from confluent_kafka import Producer

from headrace import app
from headrace.kafka import clients
from headrace.kafka.clients import producer_config
from headrace.observe.health import Health
from headrace.settings import Settings
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
    found = scrape(port)
    assert found.total("headrace_group_partitions", group=group) == PARTITIONS
    assert found.total("headrace_group_unassigned_partitions", group=group) == 0
    assert found.total("headrace_topic_partitions", topic="orders.events") == PARTITIONS
    assert found.total("headrace_topic_compaction_lag_seconds", topic="orders.events") == 6 * 3600
    assert found.total("headrace_topic_appended_total", topic="orders.commands") == 20
    assert found.total("headrace_postgres_up") == 1
    assert found.total("headrace_postgres_table_bytes", table="headrace.journal") > 0
    assert found.total("headrace_postgres_database_bytes") > 0
    shop.services.stop("handler")
    shop.wait(lambda: scrape(port).total("headrace_group_members", group=group) == 0, "nobody is left")
    assert scrape(port).total("headrace_group_unassigned_partitions", group=group) == PARTITIONS


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
    samples = {sample.name: sample.value for family in watch.sights.collect() for sample in family.samples}
    assert samples == {"headrace_kafka_brokers": 0, "headrace_postgres_up": 0}
