"""F27 and other bad input: what is no command is set aside, what is a wrong command is refused, all others go on."""

import io
import struct
import uuid

import fastavro
import pytest
from confluent_kafka import Producer

from headrace.avro.contract import read_lock
from headrace.kernel.message import CommandMeta, Outcome
from headrace.orders.commands import PayOrder
from lifecycles import lifecycles
from running import PARTITIONS, Running

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]


def test_garbage_on_the_command_topic_is_set_aside_and_blocks_nobody(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    shop.start_projectors()
    good = shop.codec.encode(PayOrder("p", 1, "GBP"), CommandMeta(command_id=str(uuid.uuid4()), aggregate_id="order-1"))
    answer = shop.codec.encode(an_outcome())
    garbage = {
        "no value": None,
        "Confluent framing": b"{}",
        "not in the lock file": b"\0\0\0\0\7" + good[5:],
        "not a PayOrder": good[:-4],
        "too many for a PayOrder": good + b"\0",
        "more than the": good + bytes(1_000_001),
        "is not a command of orders": answer,
    }
    producer = Producer({"bootstrap.servers": shop.env["KAFKA_BOOTSTRAP_SERVERS"], "message.max.bytes": 2_000_000})
    shop.send("orders", *lifecycles(10))
    for value in garbage.values():
        producer.produce("orders.commands", value, b"order-1", partition=0)
    producer.produce("orders.commands", b"nonsense without a key", partition=1)
    producer.flush()
    shop.send("orders", *lifecycles(10, first=10))
    shop.assert_sound()
    assert len(shop.read("orders.events")) == 80
    parked = shop.read("orders.parked")
    assert sorted(str(value) for _, _, _, value in parked) == sorted(
        # Of what is larger than any record may be the beginning is kept.
        str(value and value[:1_000_000])
        for value in [*garbage.values(), b"nonsense without a key"]
    )
    said = shop.headrace("tail", "orders", "--kind", "parked", "--from-beginning", "--no-follow", "--json").stdout
    for reason in garbage:
        assert reason in said


def test_a_command_with_a_wrong_key_or_on_a_wrong_partition_is_refused_by_name(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    shop.start_projectors()
    [(_, create), *_] = lifecycles(1)
    meta = {
        name: CommandMeta(command_id=str(uuid.uuid4()), aggregate_id="order-0") for name in ("key", "null", "place")
    }
    producer = Producer({"bootstrap.servers": shop.env["KAFKA_BOOTSTRAP_SERVERS"], "partitioner": "murmur2_random"})
    producer.produce("orders.commands", shop.codec.encode(create, meta["key"]), b"another")
    producer.produce("orders.commands", shop.codec.encode(create, meta["null"]))
    for partition in range(PARTITIONS):
        producer.produce("orders.commands", shop.codec.encode(create, meta["place"]), b"order-0", partition=partition)
    producer.flush()
    shop.wait_until_quiet()
    answers = [shop.codec.decode(value).body for _, _, _, value in shop.read("orders.outcomes")]
    codes = {name: sorted(str(a.code) for a in answers if a.command_id == meta[name].command_id) for name in meta}
    assert codes == {"key": ["KeyMismatch"], "null": ["KeyMismatch"], "place": ["None", *["WrongPartition"] * 3]}
    shop.assert_sound()


def test_a_foreign_record_of_hostile_size_is_set_aside(shop: Running) -> None:
    """An array that claims two thousand million items, of which none follows."""
    shop.start("handler", "handle", "orders")
    shop.start_projectors()
    contract = next(c for c in read_lock(shop.schemas).contracts if c.name == "CreateOrder")
    body = io.BytesIO()
    meta = {"command_id": str(uuid.uuid4()), "aggregate_id": "order-0", "expected_version": None, "issued_at": None}
    meta |= {"actor": None, "correlation_id": None, "causation_id": None}
    meta_schema = fastavro.parse_schema(contract.schema["fields"][0]["type"])
    fastavro.schemaless_writer(body, meta_schema, meta)
    fastavro.schemaless_writer(body, "long", 2_000_000_000)
    producer = Producer({"bootstrap.servers": shop.env["KAFKA_BOOTSTRAP_SERVERS"]})
    producer.produce("orders.commands", struct.pack(">bI", 0, contract.id) + body.getvalue(), b"order-0", partition=0)
    producer.flush()
    shop.send("orders", *lifecycles(5))
    shop.assert_sound()
    assert len(shop.read("orders.parked")) == 1
    assert not shop.services.exits


def test_a_service_without_its_servers_says_what_to_do(shop: Running) -> None:
    nowhere = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9", "DATABASE_URL": "postgresql://ann:secret@127.0.0.1:9/none"}
    for env, arguments, said in [
        (
            {"KAFKA_BOOTSTRAP_SERVERS": nowhere["KAFKA_BOOTSTRAP_SERVERS"]},
            ["handle", "orders"],
            "no Kafka broker answers",
        ),
        ({"KAFKA_BOOTSTRAP_SERVERS": ""}, ["handle", "orders"], "KAFKA_BOOTSTRAP_SERVERS is not set"),
        ({"DATABASE_URL": nowhere["DATABASE_URL"]}, ["project", "orders"], "no Postgres at 127.0.0.1:9"),
        ({"HEADRACE_PARTITIONS": "5"}, ["handle", "orders"], "has 4 partitions, HEADRACE_PARTITIONS says 5"),
        ({"HEADRACE_PARTITIONS": "many"}, ["handle", "orders"], "HEADRACE_PARTITIONS"),
        ({"HEADRACE_PROFILE": "production"}, ["handle", "orders"], "needs 3"),
        ({"HEADRACE_SCHEMAS": "/nowhere"}, ["handle", "orders"], "headrace schemas lock"),
        ({}, ["handle", "lights"], "no aggregate is called 'lights'"),
        ({}, ["handle", "orders", "--app", "headrace.app"], "module:attribute"),
        ({}, ["project", "lights"], "no view is called 'lights'"),
        ({"HEADRACE_FAILPOINT": "kill:begun:1:x"}, ["project", "journal"], "HEADRACE_PROFILE=local"),
    ]:
        done = shop.headrace(*arguments, env=env)
        assert done.returncode in {1, 2}, done
        assert said in done.stderr
        assert "secret" not in done.stderr
        assert done.stderr.count("\n") == 1, done.stderr


def test_a_projector_on_a_database_that_is_not_migrated_says_so(shop: Running) -> None:
    shop.change("DROP TABLE headrace.migrations")
    done = shop.headrace("project", "orders")
    assert (done.returncode, done.stderr) == (2, "headrace: the database is not migrated: run `headrace migrate`\n")


def test_an_unknown_field_or_a_value_out_of_range_is_refused_before_anything_is_sent(shop: Running) -> None:
    for fields, said in [
        (["--field", "colour=red"], "PayOrder has no field colour; it has: payment_id, amount, currency"),
        (["--field", "amount=much"], "Expected `int`"),
        (
            ["--field", f"amount={2**63}", "--field", "payment_id=p", "--field", "currency=GBP"],
            "PayOrder.amount is out of the range of 64 bits",
        ),
        (["--field", "amount"], "write name=value"),
    ]:
        done = shop.headrace("send", "orders", "PayOrder", "--id", "1", *fields)
        assert done.returncode == 2
        assert said in done.stderr
    assert shop.read("orders.commands") == []


def an_outcome() -> Outcome:
    """A record that is well formed and no command."""
    return Outcome(
        command_id=str(uuid.uuid4()),
        occurred_at=0,
        aggregate_id="order-1",
        command_type="PayOrder",
        command_offset=0,
        body_hash=b"",
        result="accepted",
        version=1,
        events=0,
        correlation_id="",
        causation_id="",
    )
