"""What a scrape says of running services is what the log and the tables say."""

import json
import uuid
from collections import Counter
from collections.abc import Iterable

import psycopg
import pytest
from confluent_kafka import Producer
from msgspec import Struct

from headrace.kafka.reading import high_watermarks
from headrace.orders.commands import DeliverOrder
from lifecycles import lifecycles
from running import PARTITIONS, Running
from scraping import Scraped, free_port, get, scrape

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]


def start(shop: Running, name: str, *arguments: str, **env: str) -> int:
    """Start a service that can be looked at; returns its port."""
    port = free_port()
    shop.start(name, *arguments, METRICS_PORT=str(port), METRICS_HOST="127.0.0.1", **env)
    return port


def reached(port: int, path: str) -> bool:
    try:
        return get(f"http://127.0.0.1:{port}/{path}")[0] == 200
    except OSError:
        return False


def answered(shop: Running) -> Counter[tuple[str, str, str]]:
    """How the commands ended, as the outcomes say."""
    outcomes = [shop.codec.decode(value).body for _, _, _, value in shop.read("orders.outcomes")]
    return Counter((it.command_type, "repeated" if it.repeated else it.result, it.code or "") for it in outcomes)


def send_twice(shop: Running, commands: Iterable[tuple[str, Struct]]) -> None:
    for aggregate_id, command in commands:
        command_id = str(uuid.uuid4())
        for _ in range(2):
            shop.send("orders", (aggregate_id, command), command_id=command_id)


def seen(ports: Iterable[int], name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """The sums over several services."""
    sums: Counter[tuple[str, ...]] = Counter()
    for port in ports:
        sums.update({key: int(value) for key, value in scrape(port).by(name, *labels).items()})
    return dict(sums)


def is_drained(found: Scraped) -> bool:
    """Whether nothing is left of any partition, markers included."""
    lags = found.by("headrace_consumer_lag_records", "partition")
    return len(lags) == PARTITIONS and not any(lags.values())


def test_what_is_counted_is_what_happened(shop: Running) -> None:
    handlers = [start(shop, f"handler-{slot}", "handle", "orders", "--slot", str(slot)) for slot in (0, 1)]
    views = start(shop, "project-orders", "project", "orders")
    journal = start(shop, "project-journal", "project", "journal")
    for port in (*handlers, views, journal):
        shop.wait(lambda port=port: reached(port, "readyz"), "all are ready")  # type: ignore[misc]
    shop.send("orders", *lifecycles(200))
    send_twice(shop, lifecycles(5, first=1000))
    shop.send("orders", *[(f"order-{number}", DeliverOrder()) for number in range(2000, 2020)])
    producer = Producer({"bootstrap.servers": shop.env["KAFKA_BOOTSTRAP_SERVERS"]})
    for number in range(7):
        producer.produce("orders.commands", b"nonsense", b"order-1", partition=number % PARTITIONS)
    producer.flush()
    report = shop.assert_sound()
    assert report.ok

    outcomes = answered(shop)
    assert seen(handlers, "headrace_commands_total", "command", "outcome", "code") == outcomes
    assert outcomes["DeliverOrder", "refused", "UnknownOrder"] == 20
    events = Counter(type(shop.codec.decode(value).body).__name__ for _, _, _, value in shop.read("orders.events"))
    assert seen(handlers, "headrace_events_appended_total", "event") == {(name,): n for name, n in events.items()}
    assert sum(seen(handlers, "headrace_dead_letters_total", "topic").values()) == 7
    assert sum(seen(handlers, "headrace_batch_records_sum", "group").values()) == outcomes.total() + 7
    for port in (views, journal):
        assert scrape(port).total("headrace_events_applied_total") == events.total() == 820
    assert scrape(journal).total("headrace_rows_written_total") == 820
    assert scrape(views).total("headrace_rows_written_total") >= 205


def test_a_drained_partition_has_no_lag_although_markers_follow_its_last_record(shop: Running) -> None:
    handler = start(shop, "handler", "handle", "orders")
    view = start(shop, "project-orders", "project", "orders")
    shop.start("project-journal", "project", "journal")
    shop.send("orders", *lifecycles(20))
    shop.wait_until_quiet()
    for port in (handler, view):
        shop.wait(lambda port=port: is_drained(scrape(port)), "no lag is left", 20)  # type: ignore[misc]
        found = scrape(port)
        assert found.total("headrace_consumer_lag_seconds") == 0
        assert found.total("headrace_ready") == 1
    ends = high_watermarks(shop.admin, [("orders.events", number) for number in range(PARTITIONS)])
    shop.wait(lambda: scrape(view).total("headrace_consumer_position") == sum(ends.values()), "it is past all markers")
    assert scrape(view).total("headrace_projection_rebuild_ratio") == 1

    # The view's table is locked: what comes now waits, and is seen to wait, in records and in seconds.
    with psycopg.connect(shop.env["DATABASE_URL"]) as connection:
        connection.execute("LOCK TABLE orders_v1.orders")
        shop.send("orders", *lifecycles(20, first=100))
        shop.wait(lambda: scrape(view).total("headrace_consumer_lag_records") >= 20, "its lag is seen", 30)
        shop.wait(lambda: scrape(view).total("headrace_projection_lag_seconds") > 3, "its lag is seen in seconds", 30)
        assert reached(view, "healthz")
        assert reached(view, "readyz")
    shop.wait(lambda: is_drained(scrape(view)), "it catches up", 60)
    shop.assert_sound()


def test_a_service_that_restores_is_alive_and_started_and_says_why_it_is_not_ready(shop: Running) -> None:
    shop.start("victim", "handle", "orders", "--slot", "0", HEADRACE_FAILPOINT="kill:offsets_sent:1")
    shop.send("orders", *lifecycles(50))
    shop.wait(lambda: bool(shop.services.exits), "a handler dies with its transaction open")
    shop.services.stop("victim")
    port = start(shop, "successor", "handle", "orders", "--slot", "1")
    shop.wait(lambda: reached(port, "startupz"), "it has begun")
    status, _, body = get(f"http://127.0.0.1:{port}/readyz")
    assert (status, reached(port, "healthz")) == (503, True)
    assert json.loads(body)["why"]
    shop.wait(lambda: "restoring" in get(f"http://127.0.0.1:{port}/readyz")[2], "it restores")
    assert scrape(port).total("headrace_ready") == 0
    shop.wait(lambda: reached(port, "readyz"), "it is ready", 40)
    found = scrape(port)
    assert found.total("headrace_takeover_duration_seconds_count") == 1
    assert found.total("headrace_consumer_partitions") == PARTITIONS
    shop.start_projectors()
    shop.assert_sound()


def test_a_replica_without_partitions_is_ready_to_take_some(shop: Running) -> None:
    ports = [start(shop, f"handler-{slot}", "handle", "orders", "--slot", str(slot)) for slot in range(PARTITIONS + 1)]

    def owned() -> list[float]:
        return sorted(scrape(port).total("headrace_consumer_partitions") for port in ports)

    for port in ports:
        shop.wait(lambda port=port: reached(port, "readyz"), "all are ready")  # type: ignore[misc]
    shop.wait(lambda: owned() == [0] + [1] * PARTITIONS, "each has one, and one has none")
    assert all(reached(port, "readyz") for port in ports)


def test_a_port_that_is_taken_is_one_clear_line_before_anything_is_done(shop: Running) -> None:
    port = start(shop, "first", "project", "orders")
    shop.wait(lambda: reached(port, "healthz"), "it is looked at")
    done = shop.headrace("project", "orders", env={"METRICS_PORT": str(port)})
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"METRICS_PORT={port} on 0.0.0.0 cannot be had (Address already in use)" in done.stderr
