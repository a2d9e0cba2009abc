"""A small past on real servers: its records on topics of its own, its tables in a database of the test's own."""

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from headrace_load.verify import Report, verify
from headrace_load.verify.orders import COLUMNS
from verify.checking import ENTRIES
from verify.past import Headers, Past

PARTITIONS = 3
KINDS = ("commands", "events", "outcomes", "parked")

TABLES = """
CREATE SCHEMA headrace;
CREATE TABLE headrace.journal (
    topic text, partition int, "offset" bigint, aggregate_id text, version bigint, record_type text,
    logged_at timestamptz, record bytea, copied_at timestamptz DEFAULT clock_timestamp(),
    PRIMARY KEY (topic, aggregate_id, version), UNIQUE (topic, partition, "offset"));
CREATE TABLE headrace.checkpoints (
    projector text, topic text, partition int, next_offset bigint, command_offset bigint, log_time timestamptz,
    owner text, advanced_at timestamptz, PRIMARY KEY (projector, topic, partition));
CREATE TABLE headrace.parked (
    projector text, topic text, partition int, "offset" bigint, aggregate_id text, record bytea, logged_at timestamptz);
CREATE TABLE headrace.released (projector text, topic text, "offset" bigint, aggregate_id text, how text);
CREATE SCHEMA orders_v1;
CREATE TABLE orders_v1.orders (
    order_id text PRIMARY KEY, version bigint, status text, customer text, currency text, business_date date,
    line_count integer, total bigint, paid bigint, refund_owed bigint, payment_id text, carrier text, tracking text,
    created_at timestamptz, updated_at timestamptz, applied_at timestamptz DEFAULT clock_timestamp());
CREATE VIEW public.orders AS SELECT * FROM orders_v1.orders;
"""


class KafkaLog:
    """Appends to a broker, answers in transactions; each append waits for its place in the log."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.where = bootstrap_servers
        client = {"bootstrap.servers": bootstrap_servers, "partitioner": "murmur2_random", "linger.ms": 0}
        self._plain = Producer(client)
        self._transactional = Producer(client | {"transactional.id": f"past-{uuid.uuid4()}"})
        self._transactional.init_transactions(30)
        self._in_transaction = False

    def append(self, topic: str, partition: int, key: bytes | None, value: bytes, headers: Headers) -> tuple[int, int]:
        producer = self._transactional if self._in_transaction else self._plain
        places: list[tuple[int, int]] = []

        def note(error: Any, message: Message) -> None:
            assert error is None, error
            places.append((message.offset() or 0, message.timestamp()[1]))

        producer.produce(topic, value, key, partition=partition, headers=dict(headers), on_delivery=note)
        assert producer.flush(30) == 0
        return places[0]

    @contextmanager
    def transaction(self, *, commit: bool = True) -> Iterator[None]:
        self._transactional.begin_transaction()
        self._in_transaction = True
        yield
        self._in_transaction = False
        if commit:
            self._transactional.commit_transaction(30)
        else:
            self._transactional.abort_transaction(30)


@dataclass
class Written:
    """A past that is on the servers, and where."""

    past: Past
    log: KafkaLog
    kafka: str
    database: str
    schemas: Path

    def verify(self, database: str | None = None) -> Report:
        return verify(self.kafka, database or self.database, self.schemas)


def failed(report: Report) -> set[str]:
    return {check.name for check in report.checks if not check.ok}


@contextmanager
def topics_of_its_own(bootstrap_servers: str) -> Iterator[str]:
    """A domain that no other test has, with its four topics; gone afterwards."""
    domain = f"verified{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    config = {"message.timestamp.type": "LogAppendTime"}
    names = [f"{domain}.{kind}" for kind in KINDS]
    for future in admin.create_topics([NewTopic(name, PARTITIONS, 1, config=config) for name in names]).values():
        future.result(30)
    _wait_for(lambda: _are_led(admin, names))
    yield domain
    for future in admin.delete_topics(names).values():
        future.result(30)


def _are_led(admin: AdminClient, names: list[str]) -> bool:
    """Whether a broker leads every partition, and knows it."""
    places = [TopicPartition(name, number) for name in names for number in range(PARTITIONS)]
    try:
        for future in admin.list_offsets(dict.fromkeys(places, OffsetSpec.latest())).values():
            future.result()
    except KafkaException:
        return False
    return True


def schemas_of(domain: str, folder: Path) -> tuple[Path, list[dict[str, Any]]]:
    """A folder whose lock file has the orders' schemas for a domain of another name, and no other domain's."""
    names = {"orders": domain, "headrace": "headrace"}
    entries = [entry | {"domain": names[entry["domain"]]} for entry in ENTRIES if entry["domain"] in names]
    (folder / "ids.json").write_text(json.dumps(entries, default=str))
    return folder, entries


def save(past: Past, bootstrap_servers: str, database: str) -> None:
    """Store what projectors and handlers would have stored."""
    save_tables(past, database)
    commit_offsets(past, bootstrap_servers)


def save_tables(past: Past, database: str) -> None:
    """Store what projectors would have stored."""
    topic = f"{past.domain}.events"
    with psycopg.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(TABLES)
        cursor.executemany(
            "INSERT INTO headrace.journal VALUES (%s, %s, %s, %s, %s, %s, to_timestamp(%s / 1000.0), %s)", past.journal
        )
        columns = ", ".join("to_timestamp(%s / 1000.0)" if name.endswith("_at") else "%s" for name in COLUMNS)
        cursor.executemany(f"INSERT INTO orders_v1.orders VALUES ({columns})", list(past.rows.values()))
        cursor.executemany(
            "INSERT INTO headrace.checkpoints VALUES (%s, %s, %s, %s, %s, now(), 'test', now())",
            [
                (name, topic, number, *at)
                for number, at in past.checkpoints.items()
                for name in ("journal", "orders_v1")
            ],
        )


def abort_something(past: Past, log: KafkaLog) -> None:
    """Leave aborted records behind the last ones of each topic, as a killed handler does."""
    with log.transaction(commit=False):
        for kind in ("events", "outcomes", "parked"):
            for partition in range(PARTITIONS):
                log.append(f"{past.domain}.{kind}", partition, b"o-1", b"never seen", [])


def commit_offsets(past: Past, bootstrap_servers: str) -> None:
    """Move the handlers' group to where the past says it is."""
    group = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": f"headrace.handle.{past.domain}"})
    places = [TopicPartition(f"{past.domain}.commands", number, offset) for number, offset in past.committed.items()]
    if places:
        group.commit(offsets=places, asynchronous=False)
    group.close()


def _wait_for(holds: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
