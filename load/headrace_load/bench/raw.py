"""librdkafka alone, with the services' own settings and on the same bytes: what they are measured against."""

import time
from collections.abc import Callable
from typing import Final

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import NewTopic, OffsetSpec

from headrace.kafka.clients import producer_config, reader_config
from headrace.kafka.reading import high_watermarks, list_offsets, read_to
from headrace.kernel.errors import Fault
from headrace_load.bench.figures import Spent
from headrace_load.bench.stage import TIMEOUT_S, Stage
from headrace_load.bench.traffic import Frame

CHUNK: Final = 10_000
ENOUGH_S: Final = 1.0
PASSES: Final = 5
"""Passes are repeated until they took long enough together, so many times at most: one alone may be disturbed."""
RAW: Final = "bench.raw"
WARM_BATCH: Final = 2_000


class Topic:
    """A topic read as a whole: its records, and the log-append times of its first and last."""

    def __init__(self, stage: Stage, topic: str) -> None:
        self.frames: list[Frame] = []
        self.ends: dict[int, int] = {}
        times = []
        places = [(topic, number) for number in range(stage.partitions)]
        for chunk in read_to(stage.settings, dict.fromkeys(places, 0), high_watermarks(stage.admin, places)):
            for record in chunk:
                self.frames.append(Frame(record.partition(), record.key() or b"", record.value() or b""))
                self.ends[record.partition()] = record.offset() + 1
                times.append(record.timestamp()[1])
        self.first_at = min(times, default=0)
        self.last_at = max(times, default=0)


def consume(stage: Stage, topic: str, count: int) -> Spent:
    """Read the topic's committed records, `count` of them, from the first that comes to the last."""
    return _repeated(lambda: _consume_once(stage, topic, count)).times(count)


def produce(stage: Stage, frames: list[Frame]) -> Spent:
    """Append the records to a topic of their own, each to its partition, to the last acknowledgement."""
    _make_raw_topic(stage)
    return _repeated(lambda: _produce_once(stage, frames)).times(len(frames))


def warm_up(stage: Stage, frames: list[Frame], seconds: float) -> None:
    """Keep the broker busy with transactions and with readers of them: its code is compiled while it runs."""
    _make_raw_topic(stage)
    producer = Producer(producer_config(stage.settings, "bench.warm"))
    producer.init_transactions(TIMEOUT_S)
    reader = Consumer(reader_config(stage.settings))
    reader.assign([TopicPartition(RAW, number, 0) for number in range(stage.partitions)])
    batches = [frames[at : at + WARM_BATCH] for at in range(0, len(frames), WARM_BATCH)]
    deadline = time.monotonic() + seconds
    turn = 0
    while time.monotonic() < deadline:
        producer.begin_transaction()
        for partition, key, value in batches[turn % len(batches)]:
            producer.produce(RAW, value, key, partition=partition)
        producer.commit_transaction(TIMEOUT_S)
        reader.consume(WARM_BATCH, 0)
        turn += 1
    reader.close()


def _make_raw_topic(stage: Stage) -> None:
    stage.delete_topics([RAW])
    settings = {"message.timestamp.type": "LogAppendTime"}
    for future in stage.admin.create_topics([NewTopic(RAW, stage.partitions, 1, config=settings)]).values():
        future.result()


def _repeated(measure: Callable[[], Spent]) -> Spent:
    """The least that a pass took: whatever else the machine does only adds to it."""
    passes: list[Spent] = []
    while len(passes) < PASSES and sum(one.seconds for one in passes) < ENOUGH_S:
        passes.append(measure())
    return Spent(passes[0].records, min(one.seconds for one in passes), min(one.cpu_s for one in passes))


def _produce_once(stage: Stage, frames: list[Frame]) -> Spent:
    settings = producer_config(stage.settings)
    room = max(settings["queue.buffering.max.messages"], len(frames))
    producer = Producer(settings | {"queue.buffering.max.messages": room})
    producer.list_topics(RAW, TIMEOUT_S)
    began, cpu_began = time.perf_counter(), time.process_time()
    for partition, key, value in frames:
        producer.produce(RAW, value, key, partition=partition)
    if producer.flush(TIMEOUT_S):
        raise Fault(f"{RAW}: the broker does not take {len(frames)} records in {TIMEOUT_S:.0f} s")
    return Spent(len(frames), time.perf_counter() - began, time.process_time() - cpu_began)


def _consume_once(stage: Stage, topic: str, count: int) -> Spent:
    places = [(topic, number) for number in range(stage.partitions)]
    starts = list_offsets(stage.admin, dict.fromkeys(places, OffsetSpec.earliest()))
    config = reader_config(stage.settings) | {"enable.partition.eof": False}
    reader = Consumer(config)
    reader.assign([TopicPartition(*place, starts[place].offset) for place in places])
    try:
        if reader.poll(TIMEOUT_S) is None:
            raise Fault(f"{topic}: nothing to read in {TIMEOUT_S:.0f} s")
        began, cpu_began = time.perf_counter(), time.process_time()
        seen = 1
        while seen < count:
            got = len(reader.consume(min(CHUNK, count - seen), TIMEOUT_S))
            if not got:
                raise Fault(f"{topic}: {seen} of {count} records, then nothing for {TIMEOUT_S:.0f} s")
            seen += got
        return Spent(count, time.perf_counter() - began, time.process_time() - cpu_began)
    finally:
        reader.close()
