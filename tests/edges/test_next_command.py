"""When the next command of a partition came: what is remembered for resends goes back from there."""

import time
import uuid

import pytest
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, Producer, TopicPartition

from headrace.failpoint import Failpoints
from headrace.handler.takeover import Takeover
from headrace.kafka.clients import producer_config, reader_config
from running import Running

pytestmark = pytest.mark.edge

TOPIC = "orders.commands"


def append(shop: Running, *, ends: str) -> None:
    """One record in a transaction of its own, which is committed, aborted, or left open."""
    producer = Producer(producer_config(shop.settings, f"sender-{uuid.uuid4()}"))
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(TOPIC, b"x", b"order-1", 0)
    producer.flush(30)
    if ends == "commit":
        producer.commit_transaction(30)
    elif ends == "abort":
        producer.abort_transaction(30)
    now = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 <= now:
        pass  # the next record has another log time


def log_times(shop: Running) -> list[int]:
    """Of all records of the partition, whatever becomes of them."""
    reader = Consumer(reader_config(shop.settings) | {"isolation.level": "read_uncommitted"})
    reader.assign([TopicPartition(TOPIC, 0, 0)])
    found: list[int] = []
    while (message := reader.poll(20)) is not None and message.error() is None:
        kind, at = message.timestamp()
        assert kind == TIMESTAMP_LOG_APPEND_TIME
        found.append(at)
    reader.close()
    return found


def next_command(shop: Running, offset: int) -> int:
    takeover = Takeover(shop.app.aggregate("orders"), shop.codec, shop.settings, shop.admin, Failpoints(shop.settings))
    steps = takeover._times_of_next_commands({(TOPIC, 0): offset})
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return dict(done.value).get(0, -1)


@pytest.mark.parametrize("ends", ["commit", "abort", "open"])
def test_behind_the_mark_of_a_transaction_it_is_the_first_record_that_lies_there(shop: Running, ends: str) -> None:
    append(shop, ends="commit")
    append(shop, ends=ends)
    append(shop, ends="commit")
    answered, first, newest = log_times(shop)
    assert answered < first < newest
    # The group's offset is that of the mark behind the answered command.
    assert next_command(shop, 1) == first
    assert next_command(shop, 0) == answered


def test_where_all_are_answered_it_is_what_was_appended_last(shop: Running) -> None:
    append(shop, ends="commit")
    [answered] = log_times(shop)
    assert next_command(shop, 2) == next_command(shop, 1) >= answered
