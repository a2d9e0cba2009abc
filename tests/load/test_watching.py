"""The run's observer: it counts what became of the run's own commands, whatever else goes through the topics."""

import time
from multiprocessing import Pipe
from typing import Any

import psycopg
import pytest
from confluent_kafka import Producer

from headrace_load.generator.ids import order_id
from headrace_load.generator.observer import Observer, Seen, Watch
from running import Running

pytestmark = pytest.mark.edge

RUN = "0badcafe"
EVENTS, OUTCOMES = ("orders.events", 0), ("orders.outcomes", 0)


def test_only_what_became_of_the_run_s_commands_is_counted(shop: Running) -> None:
    producer = Producer({"bootstrap.servers": shop.env["KAFKA_BOOTSTRAP_SERVERS"]})
    for topic, number in (EVENTS, OUTCOMES):
        for key in (order_id(RUN, 1, 0), "order-1", order_id("0badcaff", 1, 0), order_id(RUN, 2, 0)):
            producer.produce(topic, b"what it says is not looked at", key, partition=number)
    assert producer.flush(30) == 0
    with psycopg.connect(shop.env["DATABASE_URL"]) as connection:
        connection.execute(
            "INSERT INTO headrace.checkpoints (projector, topic, partition, next_offset, command_offset, owner) "
            "VALUES ('orders_v1', 'orders.events', 0, 4, 3, 'test')"
        )
    ours, theirs = Pipe()
    starts = {EVENTS: 0, OUTCOMES: 0}
    watch = Watch(shop.settings, RUN, "orders", "orders.events", "orders.outcomes", "orders_v1", starts, 1)
    observer = Observer(watch, theirs)
    ours.send(dict.fromkeys(starts, 4))
    observer.run(time.time())
    observer.close()
    told: list[Any] = []
    while ours.poll():
        told.append(ours.recv())
    [seen] = [one for one in told if isinstance(one, Seen)]
    assert (seen.outcomes, seen.events, seen.rows) == (2, 2, 2)
