"""All that the verifier can be given, of a shop under load whose handler aborts transactions and is killed."""

import time
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Message, Producer

from headrace.kernel.message import CommandMeta
from headrace_load.history import HistoryWriter, Sent
from headrace_load.observe import Observer
from headrace_load.verify import Evidence, verify
from lifecycles import lifecycles
from running import Running

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]

ORDERS = 60


def send_and_note(shop: Running, history: HistoryWriter, first: int) -> None:
    """Send lifecycles, one step of all orders after the other, and note what the broker says of each command."""
    servers = shop.env["KAFKA_BOOTSTRAP_SERVERS"]
    producer = Producer({"bootstrap.servers": servers, "partitioner": "murmur2_random", "enable.idempotence": True})
    commands = list(lifecycles(ORDERS, first=first))
    for step in range(0, len(commands), ORDERS):
        for name, command in commands[step : step + ORDERS]:
            meta = CommandMeta(command_id=str(uuid4()), aggregate_id=name)
            began = time.time() * 1000

            def note(error: object, message: Message, meta: CommandMeta = meta, began: float = began) -> None:
                assert error is None
                ids, times = (meta.command_id, "orders", meta.aggregate_id), (began, time.time() * 1000)
                history.write(Sent(*ids, *times, "ok", message.partition(), message.offset()))

            producer.produce("orders.commands", shop.codec.encode(command, meta), name, on_delivery=note)
        assert producer.flush(30) == 0


def test_a_shop_with_aborts_and_kills_satisfies_every_check_that_there_is(shop: Running, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    observer = Observer(shop.env["KAFKA_BOOTSTRAP_SERVERS"], shop.env["DATABASE_URL"])
    with observer, HistoryWriter(path) as history:
        shop.wait(observer.is_tailing, "the observer knows where the topics end")
        shop.start_projectors()
        wrong = {"HEADRACE_FAILPOINT": "abort:flushed:3", "HEADRACE_BATCH_SIZE": "40"}
        shop.start("handler", "handle", "orders", HEADRACE_RESTORE_DIGEST="1", **wrong)
        send_and_note(shop, history, 0)
        shop.wait_until_quiet()
        shop.services.kill("handler")
        send_and_note(shop, history, 1000)
        history.complete()
        shop.wait_until_quiet()
    where = (shop.env["KAFKA_BOOTSTRAP_SERVERS"], shop.env["DATABASE_URL"], shop.schemas)
    report = verify(*where, domains=["orders"], evidence=Evidence((path,), shop.folder))
    assert {check.name: check.problems for check in report.checks if not check.ok} == {}
    counted = {check.name: check.counted for check in report.checks}
    sent = 2 * 4 * ORDERS
    assert counted["acknowledged"] == {"ok": sent}
    assert counted["senders"] == {"commands": sent, "ids_sent": sent, "unknown": 0}
    assert counted["order"]["pairs"] == 2 * 3 * ORDERS
    assert counted["isolation"]["outcomes_aborted"] > 0
    assert counted["restored"]["takeovers"] >= 8
    assert counted["restored"]["aggregates"] >= ORDERS
    assert counted["writers"]["takeovers"] >= 8
    seen = observer.report()
    assert seen.problems == ()
    assert seen.visible["orders.events"] == seen.visible["orders.outcomes"] == sent
    assert 0 < seen.longest("handler") < 60
