"""`python -m headrace_load.generator.cost`: what a command costs the generator, beside librdkafka alone.

Both send the same bytes to a real broker of their own, one after the other, the same number of times each. CPU is of
this process with all its threads, so it says how many commands one core can send, whatever else the machine does.
"""

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Final

import typer
from confluent_kafka import Producer
from msgspec import Struct
from msgspec.structs import asdict

from headrace.app import shop
from headrace.avro.codec import Codec
from headrace.avro.contract import read_lock
from headrace.kafka.clients import admin_client, producer_config
from headrace.kafka.topics import create_topics
from headrace.local import LocalKafka
from headrace.settings import Settings, read_settings
from headrace_load.generator.arrivals import Flood
from headrace_load.generator.frames import Frames
from headrace_load.generator.scenario import Mix, Scenario, Uniform
from headrace_load.generator.sender import TOPIC, Counts, Sender, Task
from headrace_load.generator.traffic import Operation, Traffic
from headrace_load.history import HistoryWriter

FLUSH_S: Final = 60.0
RUN: Final = "00c057ed"


class Cost(Struct, frozen=True):
    """Microseconds of CPU a command, of the generator and of librdkafka alone, and commands a second by the clock."""

    commands: int
    generator_cpu_us: float
    raw_cpu_us: float
    ratio: float
    per_second: float
    per_core_second: float


def measure(settings: Settings, count: int, folder: Path, repeats: int = 3) -> Cost:
    """Send so many commands and their history, then the same bytes with nothing around them; medians of the repeats."""
    scenario = Scenario(
        description="cost", arrivals=Flood(count=count), keys=Uniform(count=10_000), mix=Mix(lifecycle=1)
    )
    ours, raw, rates = [], [], []
    frames = Frames(Codec(shop, read_lock(settings.schemas)))
    traffic = Traffic(scenario, frames, RUN, 0, settings.partitions)
    same = [traffic.next(number) for number in range(count)]
    for number in range(repeats):
        sender = Sender(Task(scenario, settings, f"{number:08x}", 0, folder / "history"))
        with HistoryWriter(folder / "history") as history:
            found = sender.run(time.time(), history, lambda _counts: None)
        _refuse_failures(found.counts, count)
        ours.append(found.cpu_s / count * 1e6)
        rates.append(count / found.seconds)
        raw.append(_raw(settings, same) / count * 1e6)
    us, floor = median(ours), median(raw)
    return Cost(count, round(us, 2), round(floor, 2), round(us / floor, 2), round(median(rates)), round(1e6 / us))


def _raw(settings: Settings, operations: list[Operation]) -> float:
    """Seconds of CPU that librdkafka needs for the records, to the last confirmation."""
    producer = Producer(producer_config(settings))
    producer.list_topics(TOPIC, FLUSH_S)
    began = time.process_time()
    for _, _, key, partition, value in operations:
        producer.produce(TOPIC, value, key, partition=partition)
    if producer.flush(FLUSH_S):
        raise RuntimeError(f"the broker does not take {len(operations)} records in {FLUSH_S:.0f} s")
    return time.process_time() - began


def _refuse_failures(counts: Counts, count: int) -> None:
    if counts.acked != count:
        raise RuntimeError(f"of {count} commands {counts.acked} were confirmed")


def main(
    commands: Annotated[int, typer.Option(min=1000, help="Commands a repeat.")] = 200_000,
    repeats: Annotated[int, typer.Option(min=1, help="Of both, one after the other.")] = 3,
) -> None:
    """Measure on a broker of its own and print JSON."""
    with tempfile.TemporaryDirectory(prefix="headrace-cost-") as folder:
        kafka = LocalKafka(Path(folder) / "kafka", heap_mb=1024, full_jit=True)
        kafka.start()
        try:
            places: dict[str, Any] = {"kafka_bootstrap_servers": kafka.bootstrap_servers, "profile": "local"}
            settings = read_settings().model_copy(update=places)
            create_topics(admin_client(settings), shop, settings)
            typer.echo(asdict(measure(settings, commands, Path(folder), repeats)))
        finally:
            kafka.kill()


if __name__ == "__main__":
    typer.run(main)
