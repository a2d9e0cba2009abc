"""The topics: are they as the profile wants them, led, replicated; does a transaction hold one back."""

import time
from collections.abc import Iterator
from typing import Final

from confluent_kafka import Consumer, IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from headrace.doctor.finding import Finding, fail, ok
from headrace.kafka.clients import TRANSACTION_TIMEOUT_MS, reader_config
from headrace.kafka.reading import read_offsets
from headrace.kafka.records import Place
from headrace.kafka.topics import Owner, refuse_other_topics
from headrace.kernel.app import App
from headrace.kernel.errors import Misconfigured
from headrace.settings import Settings
from headrace.watch.brokers import read_partitions, topic_state
from headrace.watch.groups import topics_of

READ_S: Final = 5.0


def settings_of_topics(admin: AdminClient, app: App, settings: Settings) -> Iterator[Finding]:
    """What a service would refuse at its start."""
    owners: tuple[Owner, ...] = (*app.aggregates, *app.reactors)
    wrong = False
    for owner in owners:
        try:
            refuse_other_topics(admin, (owner,), settings)
        except Misconfigured as error:
            wrong = True
            for problem in str(error).split("; "):
                what, _, todo = problem.partition(": run ")
                change = "change it with Kafka's own kafka-configs, as `headrace topics create` would have made it"
                yield fail("topics", what, f"run {todo}" if todo else change)
    if not wrong:
        yield ok("topics", f"{len(topics_of(app))} topics are as the {settings.profile} profile wants them")


def replicas(admin: AdminClient, app: App) -> Iterator[Finding]:
    """Every partition is led, and has its replicas in sync."""
    _, there = read_partitions(admin, topics_of(app))
    found = {name: topic_state(entries) for name, entries in there.items()}
    leaderless = {name: state.leaderless for name, state in found.items() if state.leaderless}
    lacking = {name: state.underreplicated for name, state in found.items() if state.underreplicated}
    for name, count in leaderless.items():
        yield fail("replicas", f"{count} partitions of {name} have no leader", "bring the brokers back that have them")
    for name, count in lacking.items():
        todo = "bring the broker back that is away, and wait until it has caught up"
        yield fail("replicas", f"{count} partitions of {name} lack replicas in sync", todo)
    if not leaderless and not lacking:
        yield ok("replicas", "every partition is led, and all its replicas are in sync")


def transactions(admin: AdminClient, settings: Settings, places: list[Place]) -> Iterator[Finding]:
    """No transaction has been open for longer than ours may be."""
    stable = _ends(admin, places, IsolationLevel.READ_COMMITTED)
    high = _ends(admin, places, IsolationLevel.READ_UNCOMMITTED)
    held = {place: end for place, end in stable.items() if high[place] > end}
    limit_s = TRANSACTION_TIMEOUT_MS[settings.profile] / 1000
    ages = {place: age for place, age in _ages(settings, held).items() if age > limit_s}
    for (topic, number), age in ages.items():
        yield fail(
            "transactions",
            f"one has held back {topic}[{number}] at offset {held[topic, number]} for {age:.0f} s",
            "start the process that wrote it with its HEADRACE_SLOT; for a foreign one see Kafka's kafka-transactions",
        )
    if not ages:
        yield ok("transactions", f"none has been open for more than {limit_s:.0f} s")


def _ages(settings: Settings, held: dict[Place, int]) -> dict[Place, float]:
    """How many seconds ago the record was appended that begins what is held back."""
    if not held:
        return {}
    consumer = Consumer(reader_config(settings) | {"isolation.level": "read_uncommitted"})
    ages: dict[Place, float] = {}
    try:
        consumer.assign([TopicPartition(*place, offset) for place, offset in held.items()])
        deadline = time.monotonic() + READ_S
        while len(ages) < len(held) and time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                place = (str(message.topic()), int(message.partition() or 0))
                ages.setdefault(place, time.time() - message.timestamp()[1] / 1000)
    finally:
        consumer.close()
    return ages


def _ends(admin: AdminClient, places: list[Place], isolation: IsolationLevel) -> dict[Place, int]:
    return read_offsets(admin, places, OffsetSpec.latest(), isolation)
