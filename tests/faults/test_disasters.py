"""F18, F31, F39: what no process can mend stops it, with one line; nothing is answered or skipped on the way."""

from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import NewPartitions

from headrace.avro.codec import PREFIX_LENGTH
from headrace.handler.rights import group_of
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


def start(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    shop.start_projectors()


def stop_all(shop: Running) -> None:
    shop.services.stop("handler", *shop.projectors)


@pytest.mark.parametrize(
    ("size", "why"),
    [(None, "two processes wrote it"), (PREFIX_LENGTH, "cannot be read: ends in the middle of a number")],
)
def test_a_restore_that_fails_ends_the_process_before_it_answers_anything(
    shop: Running, size: int | None, why: str
) -> None:
    start(shop)
    shop.send("orders", *lifecycles(20))
    shop.assert_sound()
    stop_all(shop)
    partition, _, key, value = shop.read("orders.events")[0]
    producer = Producer({"bootstrap.servers": shop.env["KAFKA_BOOTSTRAP_SERVERS"]})
    producer.produce("orders.events", value[:size], key, partition=partition)
    producer.flush()
    before = shop.read("orders.outcomes")
    shop.send("orders", *lifecycles(20, first=100))
    done = shop.headrace("handle", "orders")
    assert (done.returncode, why in last_line(done.stderr)) == (1, True), done.stderr
    assert [entry for entry in shop.read("orders.outcomes") if entry[0] == partition] == [
        entry for entry in before if entry[0] == partition
    ]
    assert "Traceback" not in done.stderr


def test_a_handler_without_its_groups_offsets_refuses_to_answer_everything_again(shop: Running) -> None:
    start(shop)
    shop.send("orders", *lifecycles(20))
    shop.assert_sound()
    stop_all(shop)
    before = shop.read("orders.outcomes")
    for future in shop.admin.delete_consumer_groups([group_of("orders")]).values():
        future.result()
    done = shop.headrace("handle", "orders")
    assert (done.returncode, "the group has no offset" in last_line(done.stderr)) == (2, True), done.stderr
    assert shop.read("orders.outcomes") == before


def test_services_refuse_topics_with_more_partitions_than_they_were_told(shop: Running) -> None:
    start(shop)
    shop.send("orders", *lifecycles(20))
    shop.assert_sound()
    stop_all(shop)
    wrong = [NewPartitions(name, PARTITIONS + 1) for name in ("orders.commands", "orders.events")]
    for topic, future in shop.admin.create_partitions(wrong).items():
        future.result()
        shop.wait(lambda name=topic: partitions(shop, name) == PARTITIONS + 1, "they are there")  # type: ignore[misc]
    for topic, *arguments in (
        ("orders.commands", "handle", "orders"),
        ("orders.events", "project", "orders"),
        ("orders.events", "project", "journal"),
    ):
        done = shop.headrace(*arguments)
        assert done.returncode == 2
        assert f"{topic} has {PARTITIONS + 1} partitions" in last_line(done.stderr)


@pytest.mark.parametrize("topic", ["orders.commands", "orders.events"])
def test_services_refuse_a_topic_that_was_made_anew(shop: Running, topic: str) -> None:
    start(shop)
    shop.send("orders", *lifecycles(20))
    shop.assert_sound()
    stop_all(shop)
    before = shop.read("orders.outcomes")
    shop.admin.delete_topics([topic])[topic].result()
    shop.wait(lambda: topic not in shop.admin.list_topics(timeout=10).topics, "it is gone")
    assert shop.headrace("topics", "create").returncode == 0
    refusals = {
        "orders.commands": {"handle": "the group has no offset"},
        "orders.events": {"handle": "never held a record, although", "project": "was made anew since"},
    }
    for service, said in refusals[topic].items():
        done = shop.headrace(service, "orders")
        assert (done.returncode, said in last_line(done.stderr)) == (2, True), done.stderr
    assert shop.read("orders.outcomes") == before


def test_a_journal_that_compaction_has_overtaken_stops_and_says_so(kafka: Kafka, database: str, tmp_path: Path) -> None:
    with running(kafka.bootstrap_servers, database, tmp_path, **EAGER) as shop:
        start(shop)
        shop.send("orders", *list(lifecycles(20))[:20])
        shop.wait_until_quiet()
        shop.services.stop("project-journal")
        shop.send("orders", *list(lifecycles(20))[20:])
        shop.wait(compacted(shop, 20), "the journal's events are gone", 90)
        done = shop.headrace("project", "journal")
        said = last_line(done.stderr)
        assert (done.returncode, "events are missing; the journal stops here" in said) == (1, True), done.stderr
        assert shop.rows("SELECT max(version) FROM headrace.journal WHERE aggregate_id LIKE 'order-_'") == [(1,)]
        assert "positions" in {check.name for check in shop.verify().checks if not check.ok}


def compacted(shop: Running, orders: int) -> Callable[[], bool]:
    """Says whether one event is left of each order; asks for more of others, since only closed segments are cleaned."""
    filler = iter(range(1000, 100_000))
    wanted = {f"order-{number}".encode() for number in range(orders)}

    def is_compacted() -> bool:
        shop.send("orders", *[(f"order-{next(filler)}", next(lifecycles(1))[1]) for _ in range(8)])
        left = [key for _, _, key, _ in shop.read("orders.events") if key in wanted]
        return len(left) == len(wanted)

    return is_compacted


def partitions(shop: Running, topic: str) -> int:
    return len(shop.admin.list_topics(timeout=10).topics[topic].partitions)


def last_line(stderr: str) -> str:
    """The command's own line, after what it logged."""
    return stderr.splitlines()[-1]
