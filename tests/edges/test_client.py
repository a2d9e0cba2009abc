"""The client of a Python program, on real servers: an answer for each command, its own and no other's."""

import asyncio
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from uuid import uuid4

import pytest
from confluent_kafka import Producer, murmur2

from headrace.client import Client, CommandClient, Unanswered, now_ms
from headrace.kernel.errors import Fault, Misconfigured
from headrace.kernel.message import ACCEPTED, REFUSED, CommandMeta, Outcome
from headrace.orders.commands import CancelOrder, PayOrder
from lifecycles import lifecycles
from running import PARTITIONS, ROOT, Running

pytestmark = pytest.mark.edge

CREATE = next(lifecycles(1))[1]


def test_an_answer_says_what_came_of_a_command(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    with Client(shop.app, shop.settings) as client:
        created = client.ask("o-1", CREATE, actor="ann")
        assert (created.result, created.version, created.actor) == (ACCEPTED, 1, "ann")
        refused = client.ask("o-1", PayOrder("p-1", 1, "GBP"), expected_version=7)
        assert (refused.result, refused.code, refused.version) == (REFUSED, "VersionConflict", 1)


def test_commands_of_many_threads_get_their_own_answers(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    with Client(shop.app, shop.settings) as client, ThreadPoolExecutor(8) as threads:
        names = [f"o-{number}" for number in range(200)]
        answers = list(threads.map(lambda name: client.ask(name, CREATE), names))
    assert [one.aggregate_id for one in answers] == names
    assert {one.result for one in answers} == {ACCEPTED}


def test_an_event_loop_awaits_answers(shop: Running) -> None:
    shop.start("handler", "handle", "orders")

    async def ask_all(client: Client) -> list[Outcome]:
        sent = [client.send(f"o-{number}", CREATE) for number in range(50)]
        return await asyncio.gather(*map(asyncio.wrap_future, sent))

    with Client(shop.app, shop.settings) as client:
        assert {one.result for one in asyncio.run(ask_all(client))} == {ACCEPTED}


def test_a_command_without_an_answer_is_asked_again_and_takes_effect_once(shop: Running) -> None:
    with Client(shop.app, shop.settings) as client:
        with pytest.raises(Unanswered, match="is `headrace handle orders` running") as raised:
            client.ask("o-1", CREATE, timeout_s=0.5)
        said = raised.value
        assert f"the command {said.command_id} is sent;" in str(said)
        again = client.send("o-1", CREATE, command_id=said.command_id, issued_at=said.issued_at)
        also = client.send("o-1", CREATE, command_id=said.command_id, issued_at=said.issued_at)
        shop.start("handler", "handle", "orders")
        # The first outcome of the id answers all who wait for it.
        assert again.result(60) == also.result(60)
        assert client.ask("o-1", CREATE, command_id=said.command_id, issued_at=said.issued_at).repeated
    assert len(shop.read("orders.events")) == 1


def test_a_command_is_issued_when_it_is_asked_and_one_that_was_issued_too_long_ago_has_expired(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    began, hour = now_ms(), 3_600_000
    with Client(shop.app, shop.settings) as client:
        assert client.ask("o-1", CREATE).result == ACCEPTED
        assert client.ask("o-2", CREATE, command_id=str(uuid4()), issued_at=began - hour).code == "Expired"
        assert client.send("o-2", CREATE, issued_at=began - hour).result(30).code == "Expired"
    issued = [shop.codec.decode(frame).meta.issued_at for _, _, _, frame in shop.read("orders.commands")]
    assert began <= max(issued) <= now_ms()


def test_a_command_that_no_broker_has_taken_yet_is_not_said_to_be_sent(
    shop: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_PRODUCER__LINGER_MS", "60000")
    with Client(shop.app, shop.settings) as client:
        with pytest.raises(Unanswered, match="is not known to be sent; are the brokers up") as raised:
            client.ask("o-1", CREATE, timeout_s=0.5)
        assert raised.value.command_id in str(raised.value)


def test_what_is_no_outcome_keeps_nobody_from_an_answer(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    with Client(shop.app, shop.settings) as client:
        client.ask("o-1", CREATE)
        producer = Producer({"bootstrap.servers": shop.settings.kafka_bootstrap_servers})
        for number, garbage in enumerate((b"", b"x", b"\0\0\0\0\1\x06\xff\xff\xff", None)):
            producer.produce("orders.outcomes", garbage, b"o-1", partition=number)
        producer.flush()
        assert client.ask("o-1", CancelOrder("late")).result == ACCEPTED


def test_a_command_of_no_aggregate_is_refused(shop: Running) -> None:
    with Client(shop.app, shop.settings) as client, pytest.raises(Misconfigured, match="no command of any aggregate"):
        client.send("o-1", shop.settings)  # type: ignore[arg-type]


def test_a_delivery_that_failed_is_told_once_and_later_ones_are_not_blamed_for_it(shop: Running) -> None:
    astray = shop.settings.model_copy(update={"partitions": 2 * PARTITIONS})  # of which the topic has the first half
    names = [f"o-{number}" for number in range(40)]
    there, nowhere = (
        next(name for name in names if (murmur2(name.encode(), astray.partitions) < PARTITIONS) is known)
        for known in (True, False)
    )
    client = CommandClient(shop.codec, astray)

    def send(name: str) -> None:
        client.send(shop.app.aggregate("orders"), CREATE, CommandMeta(command_id=str(uuid4()), aggregate_id=name))
        client.flush()

    with pytest.raises(Fault, match="1 commands are not known to be delivered: Local: Unknown partition"):
        send(nowhere)
    send(there)
    assert len(shop.read("orders.commands")) == 1


@pytest.mark.parametrize("partitions", [PARTITIONS // 2, 2 * PARTITIONS])
def test_another_number_of_partitions_is_told_before_a_command_goes_astray(shop: Running, partitions: int) -> None:
    told = f"topic orders.commands has {PARTITIONS} partitions, HEADRACE_PARTITIONS says {partitions}: keys would move"
    astray = shop.settings.model_copy(update={"partitions": partitions})
    with Client(shop.app, astray) as client, pytest.raises(Misconfigured, match=told):
        client.ask("o-1", CREATE)
    assert shop.read("orders.commands") == []


def test_a_client_asks_for_no_rights_of_groups(shop: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a broker hangs for minutes, that request may end the process that the client is in."""
    monkeypatch.delattr("confluent_kafka.admin.AdminClient.describe_consumer_groups")
    shop.start("handler", "handle", "orders")
    with Client(shop.app, shop.settings) as client:
        assert client.ask("o-1", CREATE).result == ACCEPTED


def test_a_callback_may_send_and_is_told_that_it_cannot_ask(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    with Client(shop.app, shop.settings) as client:
        told: Future[str] = Future()
        sent: Future[Future[Outcome]] = Future()

        def answered(_: Future[Outcome]) -> None:
            try:
                client.ask("o-2", CREATE)
            except Fault as fault:
                told.set_result(str(fault))
            sent.set_result(client.send("o-3", CREATE))

        client.send("o-1", CREATE).add_done_callback(answered)
        assert "in a callback send, or ask in another thread" in told.result(60)
        assert sent.result(60).result(60).result == ACCEPTED
    assert len(shop.read("orders.commands")) == 2


def test_a_client_is_told_that_it_is_in_a_fork(shop: Running) -> None:
    script = (
        "import os; from headrace.app import shop; from headrace.client import Client\n"
        "from lifecycles import lifecycles\n"
        "client = Client(shop)\n"
        "if os.fork() == 0:\n"
        "    try: client.send(*next(lifecycles(1)))\n"
        "    except Exception as error: print(type(error).__name__, error, flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()"
    )
    env = shop.env | {"PYTHONPATH": f"{shop.env['PYTHONPATH']}:{ROOT}/tests"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.startswith("Fault this client is another process's"), done


def test_who_waits_when_a_client_is_closed_is_told(shop: Running) -> None:
    client = Client(shop.app, shop.settings)
    future = client.send("o-1", CREATE)
    client.close()
    with pytest.raises(Fault, match="the client was closed"):
        future.result(0)
    with pytest.raises(Fault, match="reads no outcomes any more"):
        client.send("o-2", CREATE)


def test_a_client_that_nobody_closes_keeps_no_process(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    script = (
        "from headrace.app import shop; from headrace.client import Client; from lifecycles import lifecycles;"
        "print(Client(shop).ask(*next(lifecycles(1))).result)"
    )
    env = shop.env | {"PYTHONPATH": f"{shop.env['PYTHONPATH']}:{ROOT}/tests"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "accepted\n", "")
