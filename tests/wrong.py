"""What a test of wrong services needs: load, rest, and the verifier's word on what came of it."""

import json
import time
from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from confluent_kafka import Message, Producer, murmur2
from msgspec import Struct

from headrace.kernel.message import CommandMeta
from headrace_load.history import HistoryWriter, Sent
from headrace_load.mutants import MUTANTS
from headrace_load.verify import Evidence, verify
from lifecycles import lifecycles
from running import PARTITIONS, Running
from shortened import for_each

ORDERS = 40
LAST = 4 * ORDERS
"""The last event of all is the last of its order: nothing comes after it that could not go on without it."""
EVERYTHING = list(lifecycles(ORDERS))
CREATE, PAY, SHIP, DELIVER = (EVERYTHING[step * ORDERS : (step + 1) * ORDERS] for step in range(4))


DIGEST = {"HEADRACE_RESTORE_DIGEST": "1"}
"""Lets a handler say what it restored, for the verifier to compare."""


def each(*wrong: str, short: Collection[str] = ()) -> Any:
    """A test without a mutant, and one for each, NAME or NAME:COUNT; those not in `short` run by `make chaos` only."""
    return for_each("wrong", ("", *wrong), short, lambda one: name_of(one) or "right")


def name_of(wrong: str) -> str:
    """NAME of NAME:COUNT."""
    return wrong.partition(":")[0]


def failpoint(wrong: str, *more: str) -> str:
    """HEADRACE_FAILPOINT for a mutant, or for none, and others beside it."""
    return ",".join([f"mutant:{wrong}"] * bool(wrong) + list(more))


def strikes(shop: Running, service: str) -> dict[str, int]:
    """How often each mutant struck, as the service's log tells it."""
    lines = shop.log(service).read_text().splitlines()
    told = [json.loads(line) for line in lines if "mutant struck" in line]
    return {line["mutant"]: line["strikes"] for line in told}


def is_frozen(shop: Running, service: str) -> bool:
    """Whether the kernel says that the service's process is stopped (state T)."""
    stat = Path(f"/proc/{shop.services.pid(service)}/stat")
    return stat.read_text().rpartition(")")[2].split()[0] == "T"


def is_answered(shop: Running) -> bool:
    """Whether the handlers' offsets are at the end of the commands."""
    committed = shop.committed("headrace.handle.orders", "orders.commands")
    commands = shop.read("orders.commands")
    return bool(commands) and all(committed.get(number, -1) > offset for number, offset, _, _ in commands)


def come_to_rest(shop: Running) -> None:
    """Wait until all is answered, and projected, or a projector has ended at what it found; then stop everything."""
    ended: set[str] = set()

    def rests() -> bool:
        for name in {gone.name for gone in shop.services.exits if gone.name.startswith("project-")} - ended:
            ended.add(name)
            shop.services.stop(name)  # it would end again and again
        return is_answered(shop) if ended else shop.is_quiet()

    shop.wait(rests, "everything answered, and projected as far as that goes", 90)
    shop.services.stop()


def resend(shop: Running, commands: Iterable[tuple[str, Struct]], ids: Iterable[str]) -> None:
    """Send commands again under the ids that they had."""
    for command, command_id in zip(commands, ids, strict=True):
        shop.send("orders", command, command_id=command_id)


def send_and_note(shop: Running, history: HistoryWriter, commands: Iterable[tuple[str, Struct]]) -> None:
    """Send commands, wait until the broker has all of them, and note what it said."""
    producer = Producer({"bootstrap.servers": shop.env["KAFKA_BOOTSTRAP_SERVERS"]})
    began = time.time() * 1000

    def note(command_id: str, message: Message) -> None:
        name, place = (message.key() or b"").decode(), (message.partition(), message.offset())
        history.write(Sent(command_id, "orders", name, began, time.time() * 1000, "ok", *place))

    for name, command in commands:
        meta = CommandMeta(command_id=str(uuid4()), aggregate_id=name)
        frame, key = shop.codec.encode(command, meta), name.encode()
        told = partial(note, meta.command_id)
        producer.produce(
            "orders.commands", frame, key, murmur2(key, PARTITIONS), on_delivery=lambda _, it, told=told: told(it)
        )
    assert producer.flush(30) == 0


def assert_caught(shop: Running, service: str, wrong: str, check: str = "") -> None:
    """The mutant struck, and the check that is there to catch it did; without a mutant all checks pass."""
    report = verify(
        shop.env["KAFKA_BOOTSTRAP_SERVERS"],
        shop.env["DATABASE_URL"],
        shop.schemas,
        [aggregate.name for aggregate in shop.app.aggregates],
        evidence=Evidence(tuple(shop.folder.glob("history.jsonl")), shop.folder),
    )
    failed = {check.name: check.problems[:3] for check in report.checks if not check.ok}
    if not wrong:
        assert failed == {}
        return
    name = name_of(wrong)
    assert strikes(shop, service).get(name), f"{name} did not strike"
    assert (check or MUTANTS[name].caught_by) in failed, failed
