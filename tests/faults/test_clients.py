"""F28, F30, F35: what clients do: bombs, records near and over every limit, resends in any order."""

import io
import random
import struct
import uuid
from collections import Counter
from datetime import date
from pathlib import Path

import fastavro
import pytest
from confluent_kafka import Producer, murmur2
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

from headrace.avro.contract import read_lock
from headrace.kernel.message import CommandMeta, Outcome
from headrace.orders.commands import CancelOrder, CreateOrder
from headrace.orders.events import Line
from lifecycles import lifecycles
from running import PARTITIONS, Running
from shortened import for_each

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]

BOUND_MB = 400
ROUNDS = 4
LARGEST = 1_000_000
"""Bytes of a command that are still looked at."""


def meta_of(order: str) -> CommandMeta:
    return CommandMeta(command_id=str(uuid.uuid4()), aggregate_id=order)


def producer_of(shop: Running, **settings: int | str) -> Producer:
    address = {"bootstrap.servers": shop.env["KAFKA_BOOTSTRAP_SERVERS"], "linger.ms": 0}
    return Producer(address | {name.replace("_", "."): value for name, value in settings.items()})


def large(lines: int) -> CreateOrder:
    """An order with so many lines, which no compression makes smaller."""
    made = [Line("85123A", str(uuid.uuid4()), 6, 255) for _ in range(lines)]
    return CreateOrder(made, "GBP", date(2010, 12, 1), "17850")


def peak_mb(shop: Running, name: str) -> float:
    """The most memory that a service ever had (VmHWM), in MB."""
    status = Path(f"/proc/{shop.services.pid(name)}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1000


def test_bombs_of_every_kind_cost_bounded_memory_and_no_process(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    shop.start_projectors()
    contract = next(c for c in read_lock(shop.schemas).contracts if c.name == "CreateOrder")
    meta = {"command_id": str(uuid.uuid4()), "aggregate_id": "order-0", "expected_version": None, "issued_at": None}
    meta |= {"actor": None, "correlation_id": None, "causation_id": None}
    head = io.BytesIO()
    fastavro.schemaless_writer(head, fastavro.parse_schema(contract.schema["fields"][0]["type"]), meta)
    frame = struct.pack(">bI", 0, contract.id) + head.getvalue()
    many, negative, endless = (encoded(number) for number in (2**62, -(2**40), 2**30))
    bombs = [
        frame + many,  # an array of so many items
        frame + negative + encoded(4) + bytes(4),  # a block that says its size, and lies
        frame + encoded(1) + endless + b"x" * 10,  # a text of a gigabyte
        frame + b"\xff" * 900_000,  # a number that never ends
        frame + encoded(900_000) + bytes(900_000),  # as many items as there are bytes
        frame[:5] + b"\xff" * 900_000,
        bytes(900_000),
    ]
    producer = producer_of(shop)
    shop.send("orders", *lifecycles(10))
    for _ in range(ROUNDS):
        for bomb in bombs:
            producer.produce("orders.commands", bomb, b"order-0", partition=0)
        producer.flush()
    shop.send("orders", *lifecycles(10, first=10))
    shop.assert_sound()
    assert len(shop.read("orders.parked")) == ROUNDS * len(bombs)
    assert len(shop.read("orders.events")) == 80
    assert not shop.services.exits
    assert peak_mb(shop, "handler") < BOUND_MB


def test_commands_near_and_over_the_limit_are_answered_or_set_aside(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    shop.start_projectors()
    sizes = {}
    producer = producer_of(shop, message_max_bytes=4_000_000)
    bytes_a_line = len(shop.codec.encode(large(1000), meta_of("size"))) / 1000
    most = int(0.999 * LARGEST / bytes_a_line)
    for name, lines in {"third": most // 3, "near": most, "over": int(1.03 * LARGEST / bytes_a_line)}.items():
        frame = shop.codec.encode(large(lines), meta_of(name))
        sizes[name] = len(frame)
        key = name.encode()
        producer.produce("orders.commands", frame, key, partition=murmur2(key, PARTITIONS))
    producer.flush()
    shop.send("orders", *lifecycles(10))
    shop.assert_sound()
    assert sizes["near"] < LARGEST < sizes["over"]
    results = {it.aggregate_id: (it.result, it.code) for it in outcomes(shop)}
    assert results["third"] == ("accepted", None)
    assert results["near"] == ("refused", "EventTooLarge")  # an event holds the lines twice: its own, and the state's
    assert [key for _, _, key, _ in shop.read("orders.parked")] == [b"over"]
    assert not shop.services.exits


def test_what_brokers_take_only_because_it_compresses_well_stops_nobody(shop: Running) -> None:
    """Garbage, a key, a trace and other headers of megabytes each; of what is parked the beginning is kept."""
    shop.start("handler", "handle", "orders")
    shop.start_projectors()
    producer = producer_of(shop, message_max_bytes=100_000_000, compression_type="lz4")
    name, command = next(lifecycles(1))
    frame, key, much = shop.codec.encode(command, meta_of(name)), name.encode(), bytes(5_000_000)
    producer.produce("orders.commands", much, key, partition=0)
    producer.produce("orders.commands", b"x", much, partition=0)
    producer.produce("orders.commands", b"x", key, partition=0, headers=[("own", b"1"), ("more", much)])
    for trace in (much, b"00-1"):
        place = murmur2(key, PARTITIONS)
        producer.produce("orders.commands", frame, key, partition=place, headers=[("traceparent", trace)])
    assert producer.flush(30) == 0
    shop.send("orders", *lifecycles(10))
    shop.assert_sound()
    value, of_key, of_headers = shop.read("orders.parked")
    assert (value[3], value[2]) == (much[:LARGEST], key)
    assert (of_key[3], len(of_key[2] or b"")) == (b"x", 10_001)
    assert of_headers[2:] == (key, b"x")
    assert not shop.services.exits


def test_a_limit_that_is_lowered_live_commits_no_offset_without_an_outcome(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    shop.start_projectors()
    shop.send("orders", *lifecycles(10))
    shop.wait_until_quiet()
    configure(shop, "orders.events", "max.message.bytes", "2000")
    shop.send("orders", ("large", large(500)))
    place = murmur2(b"large", PARTITIONS)
    said = lambda: shop.log("handler").read_text()  # noqa: E731
    shop.wait(lambda: "MSG_SIZE_TOO_LARGE" in said() or "too large" in said() or bool(shop.services.exits), "it shows")
    assert shop.committed("headrace.handle.orders", "orders.commands")[place] < end_of(shop, place)
    assert "large" not in {it.aggregate_id for it in outcomes(shop)}
    configure(shop, "orders.events", "max.message.bytes", "2097152")
    shop.send("orders", *lifecycles(10, first=10))
    shop.assert_sound()
    assert {it.aggregate_id: it.result for it in outcomes(shop)}["large"] == "accepted"


@for_each("seed", [1, 2], short=[1])
def test_resends_in_any_order_from_several_clients_have_one_effect_each(shop: Running, seed: int) -> None:
    """Each id one to five times, through three clients, some with another body; a handler dies on the way."""
    shop.start("handler-0", "handle", "orders", "--slot", "0")
    dying = {"HEADRACE_FAILPOINT": "kill:offsets_sent:4", "HEADRACE_BATCH_SIZE": "100"}
    shop.start("handler-1", "handle", "orders", "--slot", "1", **dying)
    shop.start_projectors()
    shop.wait(lambda: bool(shop.owned("handler-0") and shop.owned("handler-1")), "each owns a part")
    dice = random.Random(seed)  # noqa: S311 - chance, no secret
    sends: list[tuple[str, bytes]] = []
    reused = 0
    for order, command in lifecycles(150):
        meta = meta_of(order)
        sends += [(order, shop.codec.encode(command, meta))] * dice.randint(1, 5)
        if dice.random() < 0.1:
            reused += 1
            sends.append((order, shop.codec.encode(CancelOrder("another body"), meta)))
    # Not far from where they were: an order's steps mostly come in order, and often do not.
    sends = [sends[at] for at in sorted(range(len(sends)), key=lambda at: at + dice.uniform(0, 60))]
    clients = [producer_of(shop) for _ in range(3)]
    for order, frame in sends:
        key = order.encode()
        client = dice.choice(clients)
        client.produce("orders.commands", frame, key, partition=murmur2(key, PARTITIONS))
        client.poll(0)
    for client in clients:
        assert client.flush(30) == 0
    shop.assert_sound()
    answers = outcomes(shop)
    assert len(answers) == len(sends)
    by_id = Counter(it.command_id for it in answers if not it.repeated and it.code != "CommandIdReused")
    assert set(by_id.values()) == {1}
    assert len(by_id) == 600
    assert sum(it.code == "CommandIdReused" for it in answers) >= reused
    assert "handler-1" in shop.services.restarts


def outcomes(shop: Running) -> list[Outcome]:
    return [shop.codec.decode(value).body for _, _, _, value in shop.read("orders.outcomes")]


def end_of(shop: Running, partition: int) -> int:
    """The offset after the newest command of a partition."""
    return max(offset + 1 for number, offset, _, _ in shop.read("orders.commands") if number == partition)


def encoded(number: int) -> bytes:
    """A number as Avro writes a long."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, "long", number)
    return out.getvalue()


def configure(shop: Running, topic: str, name: str, value: str) -> None:
    """Change a setting of a topic."""
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    for future in shop.admin.incremental_alter_configs([resource]).values():
        future.result()
