"""F30, F31: events that a view cannot apply are set aside by key; the rest goes on, and nothing is lost."""

import json
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path

import pytest
from confluent_kafka import Producer
from msgspec.structs import replace

from headrace.orders.commands import PayOrder
from lifecycles import lifecycles
from running import PARTITIONS, Running, running
from scraping import free_port, scrape
from servers import Kafka
from shortened import for_each

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]

BROKEN = ("order-3", "order-11")
FIXED = {"FAULTY_BUG": ""}


@pytest.fixture
def shop(kafka: Kafka, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """The shipped app with a bug in its view."""
    outside = str(Path(__file__).parent / "outside")
    monkeypatch.syspath_prepend(outside)
    monkeypatch.setenv("PYTHONPATH", outside)
    with running(kafka.bootstrap_servers, database, tmp_path, "faulty:app") as heart:
        yield heart


def steps(shop: Running, first: int, last: int) -> None:
    """Send some of the four steps of twenty orders, two of which have the payment that breaks the view."""
    commands = list(lifecycles(20))[first * 20 : last * 20]
    for at, (aggregate_id, command) in enumerate(commands):
        if isinstance(command, PayOrder) and aggregate_id in BROKEN:
            commands[at] = aggregate_id, replace(command, payment_id="broken")
    shop.send("orders", *commands)


def parked(shop: Running) -> list[tuple[object, ...]]:
    return shop.rows("SELECT aggregate_id, count(*) FROM headrace.parked GROUP BY 1 ORDER BY 1")


@for_each("bug", ["crash", "overflow", "nul", "surrogate", "null", "moved"], short=["crash", "nul", "moved"])
def test_redrive_after_the_fix_leaves_what_a_run_without_the_bug_would_have_left(shop: Running, bug: str) -> None:
    shop.start("handler", "handle", "orders")
    shop.start("project-orders", "project", "orders", FAULTY_BUG=bug)
    shop.start("project-journal", "project", "journal")
    steps(shop, 0, 1)
    shop.wait_until_quiet()  # the owner knows the rows as they were before the redrive
    steps(shop, 1, 3)
    report = shop.assert_sound()  # what is parked is no false alarm
    assert report.check("held").counted == {"held": 4, "keys": 2}
    assert parked(shop) == [("order-11", 2), ("order-3", 2)]
    assert shop.rows("SELECT status, count(*) FROM orders GROUP BY 1 ORDER BY 1") == [("created", 2), ("shipped", 18)]

    printed = shop.headrace("parked", "list").stdout
    assert "projector orders: 2 keys parked" in printed
    listed = json.loads(shop.headrace("parked", "list", "--projector", "orders", "--json").stdout)
    [found] = listed["projectors"]
    assert [(it["key"], it["events"], it["topic"]) for it in sorted(found["parked"], key=itemgetter("key"))] == [
        ("order-11", 2, "orders.events"), ("order-3", 2, "orders.events")
    ]  # fmt: skip
    assert "secret" not in f"{printed}{listed}{shop.log('project-orders').read_text()}"
    shown = json.loads(shop.headrace("parked", "show", "--projector", "orders", "order-3", "--json").stdout)
    assert json.loads(shop.headrace("parked", "show", "--projector", "orders", "order-3").stdout) == shown
    assert [it["type"] for it in shown["waiting"]] == ["OrderPaid", "OrderShipped"]
    assert shown["waiting"][0]["fields"]["payment_id"] == "broken"
    assert ("secret" in shown["waiting"][0]["message"]) == (bug in {"crash", "moved"})
    refused = shop.headrace("parked", "redrive", "--projector", "orders", "order-3", env={"FAULTY_BUG": bug})
    assert (refused.returncode, "still fails" in refused.stderr) == (1, True), refused.stderr
    assert parked(shop) == [("order-11", 2), ("order-3", 2)]

    # The owner runs on, with its bug, and finds the key free that somebody else has mended.
    redriven = shop.headrace("parked", "redrive", "--projector", "orders", "order-3", env=FIXED)
    assert redriven.stdout == "order-3: redriven, 2 events\n", redriven.stderr
    steps(shop, 3, 4)
    shop.assert_sound()
    assert parked(shop) == [("order-11", 3)]
    redriven = shop.headrace("parked", "redrive", "--projector", "orders", "--all", env=FIXED)
    assert redriven.stdout == "order-11: redriven, 3 events\n", redriven.stderr
    report = shop.assert_sound()
    assert report.check("rows").counted["set_aside"] == 0
    assert shop.rows("SELECT status, count(*) FROM orders GROUP BY 1") == [("delivered", 20)]
    assert shop.rows("SELECT count(*), count(DISTINCT how) FROM headrace.released") == [(5, 1)]
    assert not shop.services.exits


@for_each("bug", ["crash", "null"], short=["null"])
def test_batches_behind_one_that_breaks_are_read_again(shop: Running, bug: str) -> None:
    """Each of few records, so that a next one is always prepared while one is written."""
    shop.start("handler", "handle", "orders")
    steps(shop, 0, 4)
    shop.wait_until_quiet()
    shop.start("project-orders", "project", "orders", FAULTY_BUG=bug, HEADRACE_BATCH_SIZE="3")
    shop.start("project-journal", "project", "journal", HEADRACE_BATCH_SIZE="3")
    report = shop.assert_sound()
    assert report.check("held").counted == {"held": 6, "keys": 2}
    assert parked(shop) == [("order-11", 3), ("order-3", 3)]


def test_a_key_stays_parked_when_another_process_takes_over(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    shop.start("first", "project", "orders", FAULTY_BUG="crash")
    shop.start("project-journal", "project", "journal")
    steps(shop, 0, 2)
    shop.wait_until_quiet()
    shop.services.stop("first")
    shop.start("second", "project", "orders")
    steps(shop, 2, 4)
    shop.assert_sound()
    assert parked(shop) == [("order-11", 3), ("order-3", 3)]
    shop.change("DELETE FROM headrace.parked WHERE aggregate_id = 'order-3' AND reason_class IS NULL")
    assert {check.name for check in shop.verify().checks if not check.ok} == {"held", "rows"}


def test_a_redrive_tells_which_commands_led_to_what_it_applies(shop: Running) -> None:
    """Of an event that did not decode, as one of a newer version, it was not known when the checkpoint passed it."""
    shop.start("handler", "handle", "orders")
    shop.start("old", "project", "orders", FAULTY_BUG="crash")
    steps(shop, 0, 4)
    shop.wait_until_quiet()
    shop.services.stop("old")
    shop.change("UPDATE headrace.checkpoints SET command_offset = -1 WHERE projector = 'orders_v1'")
    assert shop.headrace("parked", "redrive", "--projector", "orders", "order-3", env=FIXED).returncode == 0
    [place] = {place for place, _, key, _ in shop.read("orders.events") if key == b"order-3"}
    applied = [
        shop.codec.decode(value).meta.command_offset
        for _, _, key, value in shop.read("orders.events")
        if key == b"order-3"
    ]
    reached = f"SELECT command_offset FROM headrace.checkpoints WHERE projector = 'orders_v1' AND partition = {place}"
    assert shop.rows(reached) == [(max(applied),)]


def test_a_foreign_record_among_the_events_is_discarded_for_a_reason(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    shop.start("project-orders", "project", "orders")
    steps(shop, 0, 1)
    shop.wait(lambda: shop.rows("SELECT count(*) FROM orders") == [(20,)], "orders are there")
    [place] = {place for place, _, key, _ in shop.read("orders.events") if key == b"order-3"}
    producer = Producer({"bootstrap.servers": shop.env["KAFKA_BOOTSTRAP_SERVERS"]})
    producer.produce("orders.events", b"{}", b"order-3", partition=place)
    producer.flush()
    shop.wait(lambda: parked(shop) == [("order-3", 1)], "it is parked")
    steps(shop, 1, 4)
    shop.wait(lambda: parked(shop) == [("order-3", 4)], "events queue behind it")
    for arguments, code, said in [
        (["redrive", "orders", "order-3"], 1, "still fails: not in Confluent framing"),
        (["redrive", "orders", "order-4"], 2, "nothing is parked for 'order-4' in the projector orders"),
        (["discard", "orders", "order-4", "--reason", "none"], 2, "nothing is parked for 'order-4' in the projector"),
        (["redrive", "orders"], 2, "name one key, or --all"),
        (["discard", "orders", "order-3", "--reason", " "], 2, "--reason is empty"),
        (["show", "orders", "order-3"], 0, ""),
        (["discard", "orders", "order-3", "--reason", "sent by hand", "--actor", "ann"], 0, ""),
        (["redrive", "orders", "order-3"], 0, ""),
    ]:
        done = shop.headrace("parked", arguments[0], "--projector", *arguments[1:])
        assert (done.returncode, done.stderr.count("\n")) == (code, bool(code)), done.stderr
        assert said in done.stderr
    assert parked(shop) == []
    shop.wait(
        lambda: shop.rows("SELECT status, count(*) FROM orders GROUP BY 1") == [("delivered", 20)], "all are delivered"
    )
    shown = json.loads(shop.headrace("parked", "show", "--projector", "orders", "order-3", "--json").stdout)
    assert [(it["result"], it["reason"], it["actor"]) for it in shown["released"]] == [
        ("discarded", "sent by hand", "ann"), *[("redriven", None, None)] * 3
    ]  # fmt: skip
    assert not shop.services.exits


def test_a_view_that_breaks_on_everything_stops_and_parks_nothing(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    shop.send("orders", *lifecycles(500))
    shop.wait(lambda: len(shop.read("orders.events")) == 2000, "all is answered")
    shop.change("ALTER TABLE orders_v1.orders ADD CHECK (line_count < 0)")
    shop.start("project-orders", "project", "orders")
    log = shop.log("project-orders")
    shop.wait(lambda: log.read_text().count("partition stopped") == PARTITIONS, "each partition stops")
    assert "more than 100 keys of orders.events[" in log.read_text()
    assert "mend the view" in log.read_text()
    assert parked(shop) == []
    assert not shop.services.exits
    # Mended and started again, it goes on where it stopped.
    shop.services.stop("project-orders")
    shop.change("ALTER TABLE orders_v1.orders DROP CONSTRAINT orders_line_count_check")
    shop.start_projectors()
    shop.assert_sound()


def test_a_partition_that_stops_while_its_view_is_filled_is_told_by_its_metrics(
    kafka: Kafka, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filled it is from the journal, since Kafka may have compacted all there is."""
    outside = str(Path(__file__).parent / "outside")
    monkeypatch.syspath_prepend(outside)
    monkeypatch.setenv("PYTHONPATH", outside)
    with running(kafka.bootstrap_servers, database, tmp_path, "faulty:app", min_compaction_lag_ms="1") as shop:
        shop.start("handler", "handle", "orders")
        shop.start("journal", "project", "journal")
        commands = list(lifecycles(600))[:1200]
        broken = [(n, replace(it, payment_id="broken") if isinstance(it, PayOrder) else it) for n, it in commands]
        shop.send("orders", *broken)
        shop.wait_until_quiet()
        port = free_port()
        shop.start("view", "project", "orders", FAULTY_BUG="crash", METRICS_PORT=str(port), METRICS_HOST="127.0.0.1")
        shop.wait(lambda: shop.log("view").read_text().count("partition stopped") == PARTITIONS, "all have stopped")
        shop.wait(lambda: bool(scrape(port).by("headrace_projection_rebuild_ratio", "projection")), "ends are known")
        scraped = scrape(port)
        assert scraped.total("headrace_consumer_halted_partitions") == PARTITIONS
        assert scraped.total("headrace_consumer_partitions") == PARTITIONS
        assert scraped.total("headrace_projection_rebuild_ratio") < 1
