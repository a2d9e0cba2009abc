"""Load for fault tests, and a reader that tells for how long it saw nothing new."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

from confluent_kafka import Consumer, TopicPartition

from headrace.client import CommandClient
from headrace.kafka.clients import reader_config
from headrace.kafka.reading import high_watermarks
from headrace.kernel.errors import Fault
from headrace.kernel.message import CommandMeta
from lifecycles import lifecycles
from running import PARTITIONS, Running


@contextmanager
def load(shop: Running, pause_s: float = 0.05) -> Iterator[Callable[[], int]]:
    """Orders sent all the while, in small groups, by another thread; tells how many commands were sent.

    It waits for brokers as long as it takes: what it counts has been acknowledged.
    """
    over = threading.Event()
    sent: list[int] = []
    client = CommandClient(shop.codec, shop.settings)
    aggregate = shop.app.aggregate("orders")

    def send() -> None:
        for first in range(0, 1_000_000, 10):
            if over.is_set():
                return
            for aggregate_id, command in lifecycles(10, first=first):
                client.send(aggregate, command, CommandMeta(command_id=str(uuid4()), aggregate_id=aggregate_id))
            while not flushed(client):
                over.wait(0.1)
            sent.append(40)
            over.wait(pause_s)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield lambda: sum(sent)
    finally:
        over.set()
        sender.join()


def flushed(client: CommandClient) -> bool:
    try:
        client.flush()
    except Fault:
        return False
    return True


class Observer:
    """Reads committed outcomes as they appear; per partition, the longest time between two of them."""

    def __init__(self, shop: Running) -> None:
        self._over = threading.Event()
        self._seen: dict[int, float] = {}
        self._longest: dict[int, float] = {}
        places = [("orders.outcomes", number) for number in range(PARTITIONS)]
        self._consumer = Consumer(reader_config(shop.settings) | {"reconnect.backoff.max.ms": 200})
        ends = high_watermarks(shop.admin, places)
        self._consumer.assign([TopicPartition(*place, ends[place]) for place in places])
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    @property
    def seen(self) -> int:
        """On how many partitions something appeared."""
        return len(self._seen)

    def begin(self) -> None:
        """Forget the pauses until now."""
        self._longest = {}

    def longest(self) -> float:
        """The longest pause of any partition since the beginning, in seconds; one that still lasts counts, too."""
        now = time.monotonic()
        pauses = [max(self._longest.get(number, 0.0), now - at) for number, at in dict(self._seen).items()]
        return max(pauses, default=0.0)

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._consumer.close()

    def _read(self) -> None:
        while not self._over.is_set():
            for message in self._consumer.consume(500, 0.05):
                number, now = message.partition(), time.monotonic()
                if message.error() is None and number is not None:
                    pause = now - self._seen.get(number, now)
                    self._longest[number] = max(self._longest.get(number, 0.0), pause)
                    self._seen[number] = now


@contextmanager
def observed(shop: Running) -> Iterator[Observer]:
    """An observer of the load that runs; it has seen every partition when it is given."""
    observer = Observer(shop)
    try:
        shop.wait(lambda: observer.seen == PARTITIONS, "outcomes appear on every partition")
        observer.begin()
        yield observer
    finally:
        observer.close()


def progress(shop: Running, count: Callable[[], int], more: int) -> None:
    """Wait until so many more commands were sent."""
    goal = count() + more
    shop.wait(lambda: count() >= goal, "commands are sent")


def caught_up(shop: Running, count: Callable[[], int], seconds: float = 120) -> None:
    """Wait until what was sent by now is answered."""
    goal = count()
    places = [("orders.commands", number) for number in range(PARTITIONS)]
    ends = high_watermarks(shop.admin, places)

    def answered() -> bool:
        committed = shop.committed("headrace.handle.orders", "orders.commands")
        return all(committed.get(number, -1) >= end for (_, number), end in ends.items())

    shop.wait(answered, f"the {goal} commands sent by then are answered", seconds)
