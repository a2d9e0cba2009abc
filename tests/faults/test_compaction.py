"""F32: compaction takes all but the newest event of each aggregate, and every handler starts anew."""

from pathlib import Path

import pytest
from confluent_kafka import murmur2

from headrace.kafka import compaction
from headrace.kafka.compaction import compaction_lags_ms, whole_from
from headrace.kafka.reading import high_watermarks
from headrace.kernel.errors import Fault
from headrace.orders.commands import CancelOrder
from headrace.projector.catching_up import HALF
from headrace.projector.loop import Projector
from lifecycles import lifecycles
from running import PARTITIONS, Running, running
from servers import Kafka

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]


EAGER = {
    "min_compaction_lag_ms": "0",
    "segment_ms": "200",
    "min_cleanable_dirty_ratio": "0.001",
    "max_compaction_lag_ms": "1000",
}


def compact(shop: Running, names: set[bytes]) -> None:
    """Wait until one event is left of each of these orders."""
    filler = iter(range(1000, 100_000))

    def is_compacted() -> bool:
        # A segment rolls when something is appended to it; only closed ones are cleaned.
        shop.send("orders", *[(f"order-{next(filler)}", next(lifecycles(1))[1]) for _ in range(8)])
        shop.wait_until_quiet()
        left = [key for _, _, key, _ in shop.read("orders.events") if key in names]
        return len(left) == len(names)

    shop.wait(is_compacted, "one event is left of each order", 90)


def test_handlers_restored_from_a_compacted_topic_go_on_where_they_were(
    kafka: Kafka, database: str, tmp_path: Path
) -> None:
    with running(kafka.bootstrap_servers, database, tmp_path, **EAGER) as shop:
        shop.start_projectors()
        shop.start("before-0", "handle", "orders", "--slot", "0")
        shop.start("before-1", "handle", "orders", "--slot", "1")
        shop.send("orders", *lifecycles(50))
        shop.wait_until_quiet()
        compact(shop, {f"order-{number}".encode() for number in range(50)})
        shop.services.stop("before-0", "before-1")
        shop.start("after-0", "handle", "orders", "--slot", "0")
        shop.start("after-1", "handle", "orders", "--slot", "1")
        shop.send("orders", *[(f"order-{number}", CancelOrder("too late")) for number in range(50)])
        shop.send("orders", *lifecycles(20, first=200))
        shop.assert_sound()
        refused = [shop.codec.decode(value).body.code for _, _, _, value in shop.read("orders.outcomes")]
        assert refused.count("TooLateToCancel") == 50
        assert shop.rows("SELECT count(*) FROM headrace.journal WHERE version = 4") == [(70,)]


def test_a_view_that_was_away_while_compaction_went_on_reads_the_journal_and_then_the_topic(
    kafka: Kafka, database: str, tmp_path: Path
) -> None:
    with running(kafka.bootstrap_servers, database, tmp_path, **EAGER) as shop:
        shop.start("handler", "handle", "orders")
        shop.start("journal", "project", "journal")
        shop.start("away", "project", "order_statistics")
        # What is a moment old may be compacted here: a view that comes later has to wait for the journal.
        shop.wait(lambda: "partitions acquired" in shop.log("away").read_text(), "the view has its partitions")
        shop.send("orders", *lifecycles(20))
        shop.wait_until_quiet()
        shop.services.stop("away")
        shop.projecting.discard("order_statistics_v1")
        shop.send("orders", *lifecycles(50, first=100))
        compact(shop, {f"order-{number}".encode() for number in range(100, 150)})
        shop.start("back", "project", "order_statistics")
        shop.start("orders", "project", "orders")  # a view that never saw any of it
        shop.send("orders", *lifecycles(20, first=200))
        shop.assert_sound()
        for name in ("back", "orders"):
            assert "caught up from the journal" in shop.log(name).read_text()
        assert not shop.services.exits


def test_a_view_waits_for_a_journal_that_has_not_copied_what_kafka_may_have_compacted(
    kafka: Kafka, database: str, tmp_path: Path
) -> None:
    with running(kafka.bootstrap_servers, database, tmp_path, min_compaction_lag_ms="0") as shop:
        shop.start("handler", "handle", "orders")
        shop.send("orders", *lifecycles(20))
        shop.wait_until_quiet()
        done = shop.headrace("project", "orders")
        assert (done.returncode, "let `headrace project journal` catch up" in done.stderr) == (1, True), done
        assert shop.rows("SELECT count(*) FROM orders") == [(0,)]
        shop.start_projectors()
        shop.assert_sound()


def test_a_view_misses_nothing_of_a_partition_that_is_filled_while_another_one_takes_longer_than_the_lag(
    kafka: Kafka, database: str, tmp_path: Path
) -> None:
    lags = {"min_compaction_lag_ms": "4000", "max_compaction_lag_ms": "5000"}
    with running(kafka.bootstrap_servers, database, tmp_path, **EAGER | lags) as shop:
        shop.start("handler", "handle", "orders")
        shop.start("journal", "project", "journal")
        shop.send("orders", *lifecycles(40))
        shop.wait_until_quiet()
        places = [("orders.events", number) for number in range(PARTITIONS)]
        ends = high_watermarks(shop.admin, places)
        lags_ms = compaction_lags_ms(shop.admin, places)
        shop.wait(lambda: whole_from(shop.admin, places, lags_ms, HALF) == ends, "all is to be read from the journal")
        settings = shop.settings.model_copy(update={"batch_size": 10})
        projector = Projector(shop.app, "order_statistics", settings)
        try:
            while not shop.rows("SELECT 1 FROM order_statistics_v1.order_statistics WHERE partition = 1"):
                projector.run_once()
            # Partition 0 is filled, and the others take their time.
            late = {name for n in range(200, 240) if murmur2((name := f"order-{n}").encode(), PARTITIONS) == 0}
            shop.send("orders", *[each for each in lifecycles(40, first=200) if each[0] in late])
            compact(shop, {name.encode() for name in late})
            shop.projecting.add("order_statistics_v1")
            shop.wait(lambda: not projector.run_once() and shop.is_quiet(), "all of it is written")
        finally:
            projector._consumer.close()
            projector._writing.close()
        steps = ("created", "paid", "shipped", "delivered")
        seen = shop.rows(f"SELECT {', '.join(f'sum({step})::bigint' for step in steps)} FROM order_statistics")
        kinds = (f"count(*) FILTER (WHERE lower(record_type) LIKE '%order{step}')" for step in steps)
        assert seen == shop.rows(f"SELECT {', '.join(kinds)} FROM headrace.journal")


def test_a_running_view_that_falls_behind_the_lag_ends_and_reads_on_from_the_journal(
    kafka: Kafka, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "HELD_BACK_MS", 0)
    with running(kafka.bootstrap_servers, database, tmp_path, **EAGER) as shop:
        shop.start("handler", "handle", "orders")
        shop.start("project-journal", "project", "journal")
        projector = Projector(shop.app, "orders", shop.settings)
        try:
            shop.wait(lambda: projector.run_once() or len(projector._positions) == PARTITIONS, "it has its partitions")
            shop.send("orders", *lifecycles(20))
            compact(shop, {f"order-{number}".encode() for number in range(20)})
            with pytest.raises(Fault, match="compacted events before that: a restart reads them from the journal"):
                shop.wait(lambda: projector.run_once() and False, "it ends")
        finally:
            projector._consumer.close()
            projector._writing.close()
        shop.start("project-orders", "project", "orders")
        shop.start("project-order_statistics", "project", "order_statistics")
        shop.assert_sound()
