"""Where partitions end, on a real broker: markers, open and aborted transactions, and a consumer that gets nothing."""

import uuid
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from headrace.kafka.clients import reader_config
from headrace.kafka.records import Place
from headrace.local.process import until
from headrace.observe import lag as module
from headrace.observe.ends import Ends
from headrace.observe.health import Health
from headrace.observe.lag import Lag
from headrace.settings import Settings

pytestmark = pytest.mark.edge


@pytest.fixture
def place(admin: AdminClient) -> Iterator[Place]:
    """A partition of its own."""
    topic = f"ends-{uuid.uuid4().hex[:8]}"
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
    yield topic, 0
    admin.delete_topics([topic])[topic].result()


@pytest.fixture
def producer(settings: Settings) -> Producer:
    producer = Producer({"bootstrap.servers": settings.kafka, "transactional.id": uuid.uuid4().hex})
    producer.init_transactions(30)
    return producer


@pytest.fixture
def consumer(settings: Settings, place: Place) -> Iterator[Consumer]:
    """It reads the partition from the beginning, as it is told to."""
    consumer = Consumer(reader_config(settings) | {"enable.partition.eof": False})
    consumer.assign([TopicPartition(*place, 0)])
    yield consumer
    consumer.close()


class Watch:
    """A lag and its ends, on a clock that the test sets."""

    def __init__(self, settings: Settings, admin: AdminClient, place: Place) -> None:
        self.now = 1_000_000.0
        self.lag = Lag(lambda: self.now)
        self.health = Health()
        self._place = place
        self._ends = Ends(settings, admin, self.lag, self.health)
        self.lag.acquired({place: 0})

    def ask(self, *, later_s: float = 0.0) -> tuple[int, float]:
        """Ask the broker; the records behind, and for how long the end was held back."""
        self.now += later_s
        self._ends.ask()
        found = self.lag.read()[self._place]
        return found.records, found.unstable_s


@pytest.fixture
def watch(settings: Settings, admin: AdminClient, place: Place, monkeypatch: pytest.MonkeyPatch) -> Watch:
    monkeypatch.setattr(module, "LOOK_S", 0.0)
    return Watch(settings, admin, place)


def append(producer: Producer, place: Place, count: int, *, commit: bool = True) -> None:
    """So many records in one transaction."""
    producer.begin_transaction()
    for _ in range(count):
        producer.produce(place[0], b"x", partition=place[1])
    if commit:
        producer.commit_transaction(30)
    else:
        producer.flush(30)


def positions(consumer: Consumer, places: list[Place]) -> dict[Place, int]:
    found = consumer.position([TopicPartition(*place) for place in places])
    return {(it.topic, it.partition): it.offset for it in found}


def read(consumer: Consumer, watch: Watch, place: Place, count: int) -> None:
    """Read so many records, then find nothing more, as a loop does."""
    last = [message for message in consumer.consume(count, 20) if message.error() is None]
    assert len(last) == count
    watch.lag.moved({place: last[-1].offset() + 1}, {})
    assert consumer.poll(1) is None
    watch.lag.look(lambda places: positions(consumer, places))


def test_markers_are_read_with_the_records_before_them(
    watch: Watch, producer: Producer, consumer: Consumer, place: Place
) -> None:
    append(producer, place, 3)
    assert until(lambda: watch.ask() == (4, 0.0), 20)
    read(consumer, watch, place, 3)
    assert watch.lag.read()[place].position == 4
    assert watch.ask() == (0, 0.0)


def test_aborted_records_are_no_lag_for_a_consumer_that_has_read_past_them(
    watch: Watch, producer: Producer, consumer: Consumer, place: Place
) -> None:
    append(producer, place, 1)
    append(producer, place, 5, commit=False)
    producer.abort_transaction(30)
    assert until(lambda: watch.ask()[0] == 8, 20)
    read(consumer, watch, place, 1)
    assert watch.ask() == (0, 0.0)


def test_an_open_transaction_holds_back_the_end_and_is_told_by_its_age(
    watch: Watch, producer: Producer, place: Place
) -> None:
    append(producer, place, 2, commit=False)
    assert watch.ask() == (0, 0.0)
    assert watch.ask(later_s=7) == (0, 7.0)
    producer.commit_transaction(30)
    assert until(lambda: watch.ask() == (3, 0.0), 20)


def test_offsets_without_records_are_passed_and_a_consumer_that_misses_records_is_fatal(
    watch: Watch, producer: Producer, place: Place
) -> None:
    """The consumer says nothing at all, as when compaction took what it would read next, or as when it hangs."""
    append(producer, place, 5, commit=False)
    producer.abort_transaction(30)
    assert until(lambda: watch.ask()[0] == 6, 20)
    assert watch.ask(later_s=31)[0] == 0
    append(producer, place, 1)
    assert until(lambda: watch.ask()[0] == 2, 20)
    assert watch.ask(later_s=31)[0] == 2
    assert watch.health.alive().ok
    assert watch.ask(later_s=60)[0] == 2
    assert watch.health.alive().why == f"{place[0]}[0] stands still at offset 6 of 8, 90 s"


def test_a_broker_that_does_not_answer_is_no_partition_that_stands_still(
    watch: Watch, admin: AdminClient, place: Place
) -> None:
    admin.delete_topics([place[0]])[place[0]].result()
    watch.lag.ends({place: 9}, {place: 9})
    assert watch.ask(later_s=1000)[0] == 9
    assert watch.health.alive().ok
    admin.create_topics([NewTopic(place[0], 1, 1)])[place[0]].result()
