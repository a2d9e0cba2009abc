"""Batches of owned partitions on a real group: who fetches what, and when, while members come and go."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Timer
from uuid import uuid4

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from headrace.kafka.clients import consumer_config
from headrace.kafka.consumer import Batch, BatchConsumer, Steps
from headrace.kafka.pace import USUAL
from headrace.kafka.records import Place
from headrace.local.process import until
from headrace.settings import Settings
from servers import Kafka

pytestmark = [pytest.mark.edge, pytest.mark.timeout(120)]

PARTITIONS = 8


class Member:
    """An owner that is ready for a partition when `gate` says so, and remembers what it was given."""

    def __init__(
        self,
        kafka: Kafka,
        topic: str,
        gate: Callable[[Place], bool] = lambda _: True,
        size: int = 100,
        window_s: float = 0.02,
    ) -> None:
        self.owned: set[Place] = set()
        self.acquired: list[Place] = []
        self.seen: list[tuple[Place, int]] = []
        self.steps = 0
        self._gate = gate
        settings = Settings(KAFKA_BOOTSTRAP_SERVERS=kafka.bootstrap_servers, HEADRACE_PROFILE="local")
        config = consumer_config(settings, f"group-{topic}") | {"session.timeout.ms": 3000}
        self.consumer = BatchConsumer(config, [topic], self, size, window_s)

    def acquire(self, places: set[Place]) -> Steps:
        while not all(map(self._gate, places)):
            self.steps += 1
            yield
        self.owned |= places
        self.acquired += sorted(places)
        return dict.fromkeys(places, 0)

    def release(self, places: list[Place]) -> None:
        self.owned -= set(places)

    def poll(self) -> Batch | None:
        batch = self.consumer.poll(0.02)
        if batch is not None:
            self.seen += [
                ((record.topic(), record.partition()), record.offset())
                for records in batch.by_place.values()
                for record in records
            ]
        return batch


@pytest.fixture
def topic(kafka: Kafka) -> Iterator[str]:
    """A topic with a record in each partition."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    name = f"owned-{uuid4().hex[:8]}"
    admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result()
    fill(kafka, name)
    yield name
    admin.delete_topics([name])[name].result()


def fill(kafka: Kafka, topic: str, times: int = 1) -> None:
    """One more record in each partition, or so many more."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for number in range(times * PARTITIONS):
        producer.produce(topic, b"record", partition=number % PARTITIONS)
    assert producer.flush(20) == 0


@contextmanager
def closing(*members: Member) -> Iterator[None]:
    with ExitStack() as stack:
        for member in members:
            stack.callback(member.consumer.close)
        yield


def turn(members: list[Member], until: Callable[[], bool], what: str, seconds: float = 40) -> None:
    """Poll all members in turn until something holds."""
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, what
        for member in members:
            member.poll()


def every(topic: str) -> set[Place]:
    return {(topic, number) for number in range(PARTITIONS)}


def test_a_partition_is_fetched_only_when_its_owner_is_ready(kafka: Kafka, topic: str) -> None:
    ready: list[bool] = []
    member = Member(kafka, topic, lambda _: bool(ready))
    with closing(member):
        turn([member], lambda: member.steps > 20, "it is asked again and again")
        assert not member.seen
        ready.append(True)
        turn([member], lambda: len(member.seen) == PARTITIONS, "all records come")
        assert {place for place, _ in member.seen} == every(topic)


def test_partitions_that_are_ready_go_on_while_others_are_made_ready(kafka: Kafka, topic: str) -> None:
    ready: list[bool] = []
    first = Member(kafka, topic)
    with closing(first):
        turn([first], lambda: len(first.owned) == PARTITIONS, "one member owns all")
        second = Member(kafka, topic)
        turn([first, second], lambda: len(second.owned) == PARTITIONS // 2, "two share")
        first._gate = lambda _: bool(ready)
        kept = set(first.owned)
        second.consumer.close()
        steps = first.steps
        turn([first], lambda: first.steps > steps, "the other half comes back, and is not ready")
        first.seen.clear()
        fill(kafka, topic)
        turn([first], lambda: {place for place, _ in first.seen} == kept, "the first half goes on")
        assert first.owned == kept
        ready.append(True)
        turn([first], lambda: first.owned == every(topic), "then all is owned")


def test_a_partition_that_is_revoked_while_it_is_made_ready_is_not_taken(kafka: Kafka, topic: str) -> None:
    ready: list[bool] = []
    slow = Member(kafka, topic, lambda _: bool(ready))
    with closing(slow):
        turn([slow], lambda: slow.steps > 0, "it begins with all")
        quick = Member(kafka, topic)
        with closing(quick):
            turn([slow, quick], lambda: len(quick.owned) == PARTITIONS // 2, "half of them go elsewhere meanwhile")
            ready.append(True)
            turn([slow, quick], lambda: len(slow.owned) == PARTITIONS // 2, "the rest is taken")
            assert slow.owned | quick.owned == every(topic)
            assert not slow.owned & quick.owned
            turn([slow, quick], lambda: len(slow.seen) + len(quick.seen) == PARTITIONS, "each record comes once")
            assert {place for place, _ in slow.seen} == slow.owned
        turn([slow], lambda: slow.owned == every(topic), "what comes back is acquired anew")
        assert len(slow.acquired) == PARTITIONS


def test_a_halted_partition_stands_still_and_is_still_this_members(kafka: Kafka, topic: str) -> None:
    member = Member(kafka, topic)
    with closing(member):
        turn([member], lambda: len(member.seen) == PARTITIONS, "all records come")
        member.consumer.halt((topic, 3))
        fill(kafka, topic)
        turn([member], lambda: len(member.seen) == 2 * PARTITIONS - 1, "all but one go on")
        other = Member(kafka, topic)
        with closing(other):
            turn([member, other], lambda: len(other.owned) == PARTITIONS // 2, "a rebalance does not mind")
            assert member.owned | other.owned == every(topic)


def test_what_goes_wrong_in_an_acquisition_is_raised_by_poll(kafka: Kafka, topic: str) -> None:
    def refuse(place: Place) -> bool:
        raise ZeroDivisionError(f"{place}")

    member = Member(kafka, topic, refuse)
    with closing(member), pytest.raises(ZeroDivisionError):
        turn([member], lambda: False, "it raises")
    assert not member.owned


def test_batches_read_again_are_the_same(kafka: Kafka, topic: str) -> None:
    member = Member(kafka, topic)
    with closing(member):
        turn([member], lambda: len(member.seen) == PARTITIONS, "all records come")
        fill(kafka, topic)
        batches: list[Batch | None] = []
        turn([], lambda: bool(batches.append(member.consumer.poll(0.02)) or batches[-1]), "a batch comes")
        first = batches[-1]
        assert first is not None
        member.consumer.rewind(first.first)
        member.seen.clear()
        turn([member], lambda: len(member.seen) >= len(first), "it comes again")
        assert set(first.first.items()) <= set(member.seen)


def test_of_two_batches_that_are_read_again_the_earlier_one_comes_first(kafka: Kafka, topic: str) -> None:
    member = Member(kafka, topic)
    with closing(member):
        turn([member], lambda: len(member.seen) == PARTITIONS, "all records come")
        fill(kafka, topic)
        turn([member], lambda: len(member.seen) == 2 * PARTITIONS, "and one more of each partition")
        member.consumer.rewind(dict.fromkeys(every(topic), 0))
        member.consumer.rewind(dict.fromkeys(every(topic), 1))
        member.seen.clear()
        turn([member], lambda: len(member.seen) == 2 * PARTITIONS, "all of them come again")
        assert sorted(member.seen) == sorted((place, offset) for place in every(topic) for offset in (0, 1))


def test_what_comes_after_a_pause_is_handed_out_at_once(kafka: Kafka, topic: str) -> None:
    member = Member(kafka, topic, size=PARTITIONS + 1, window_s=130)
    with closing(member):
        turn(
            [member],
            lambda: bool(member.seen),
            "the first record comes, though its window is longer than this test may be",
        )


def test_records_are_gathered_until_the_window_of_the_batch_before_them_is_over(kafka: Kafka, topic: str) -> None:
    member = Member(kafka, topic, size=PARTITIONS, window_s=600)
    with closing(member):
        turn([member], lambda: bool(member.seen), "a first batch comes")
        begun = len(member.seen)
        late = Timer(0.5, fill, (kafka, topic))
        late.start()
        turn([member], lambda: len(member.seen) > begun, "the next comes when it is full, and not before")
        late.join()
        assert len(member.seen) == begun + PARTITIONS


def test_a_batch_that_is_kept_open_is_complete_when_it_is_full(kafka: Kafka, topic: str) -> None:
    member = Member(kafka, topic, size=PARTITIONS, window_s=0)
    with closing(member):
        turn([member], lambda: len(member.seen) == PARTITIONS, "all records come")
        member.consumer.keep_open(600)
        late = Timer(0.5, fill, (kafka, topic))
        late.start()
        turn([member], lambda: len(member.seen) > PARTITIONS, "the next batch comes when it is full, and not before")
        late.join()
        assert len(member.seen) == 2 * PARTITIONS


def test_batches_of_a_backlog_grow_while_they_are_done_soon(kafka: Kafka, topic: str) -> None:
    fill(kafka, topic, times=2_000)
    member = Member(kafka, topic, size=10_000, window_s=30)
    sizes: list[int] = []

    def has_grown() -> bool:
        before = sum(sizes)
        if len(member.seen) > before:
            sizes.append(len(member.seen) - before)
        return bool(sizes) and sizes[-1] > USUAL

    with closing(member):
        turn([member], has_grown, "a batch comes that has more than the first may have")
        assert sizes[0] <= USUAL


def test_offsets_told_as_hints_come_to_kafka_soon_and_the_last_ones_when_the_member_leaves(
    kafka: Kafka, topic: str
) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    member = Member(kafka, topic)
    with closing(member):
        turn([member], lambda: len(member.owned) == PARTITIONS, "it owns all")
        for offset in (1, 2, 3):
            member.consumer.commit_as_hint({(topic, 5): offset})
        turn([member], lambda: committed(admin, topic) == {5: 3}, "the last of several is told while it runs")
        member.consumer.commit_as_hint({(topic, 5): 4, (topic, 6): 1})
    assert until(lambda: committed(admin, topic) == {5: 4, 6: 1}, 20), "what was not told yet is when it leaves"


def committed(admin: AdminClient, topic: str) -> dict[int, int]:
    """The group's offsets, by partition."""
    group = f"group-{topic}"
    found = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result()
    return {place.partition: place.offset for place in found.topic_partitions if place.offset >= 0}


def test_one_to_eight_members_own_each_partition_once_at_a_time(kafka: Kafka, topic: str) -> None:
    members: list[Member] = []

    def shared() -> bool:
        owned = [place for member in members for place in member.owned]
        assert len(owned) == len(set(owned)), "two members own one partition"
        return set(owned) == every(topic) and max(map(len, (m.owned for m in members))) <= -(
            -PARTITIONS // len(members)
        )

    with ExitStack() as stack:
        for count in range(1, PARTITIONS + 1):
            members.append(Member(kafka, topic))
            turn(members, shared, f"{count} members share all partitions")
        while len(members) > 1:
            members.pop(0).consumer.close()
            turn(members, shared, f"{len(members)} members share all partitions")
        stack.callback(members[0].consumer.close)
