"""Partitions without records for longer than retention: whoever comes back finds its place, or says why not."""

from itertools import islice
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, OffsetSpec

from headrace.accounts.commands import DepositMoney, OpenAccount
from headrace.handler.loop import open_handler
from headrace.kafka.reading import high_watermarks, list_offsets
from headrace.kafka.records import Place
from headrace.projector import loop as projector_loop
from headrace.projector.loop import Projector
from headrace.transactional import loop
from headrace.transfers.commands import RequestTransfer
from lifecycles import lifecycles
from running import PARTITIONS, Running

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]

NAMES = [f"account-{number}" for number in range(10)]
PASSING = ["accounts.commands", "accounts.outcomes", "transfers.commands", "transfers.outcomes"]
SERVICES = {
    "accounts": ("handle", "accounts"),
    "transfers": ("handle", "transfers"),
    "reactor": ("react", "transfer_process"),
    "audit": ("project", "audit"),
}


def retain(running: Running, topics: list[str], ms: int) -> None:
    for topic in topics:
        entry = ConfigEntry("retention.ms", str(ms), incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
        running.admin.incremental_alter_configs([resource])[resource].result()


def begins(running: Running, topics: list[str]) -> dict[Place, int]:
    places = [(topic, number) for topic in topics for number in range(PARTITIONS)]
    found = list_offsets(running.admin, dict.fromkeys(places, OffsetSpec.earliest()))
    return {place: info.offset for place, info in found.items()}


def a_week_passes(running: Running, topics: list[str]) -> None:
    """Kafka's own retention takes all that these topics hold; then they keep things as long as before."""
    retain(running, topics, 100)
    running.wait(lambda: begins(running, topics) == high_watermarks(running.admin, [*begins(running, topics)]), "gone")
    retain(running, topics, 7 * 86_400_000)


def forget_offsets(running: Running, group: str) -> None:
    """As brokers do a week after a group's last member has left."""
    for future in running.admin.delete_consumer_groups([group]).values():
        future.result()


def transfers(first: int) -> list[tuple[str, RequestTransfer]]:
    return [
        (f"transfer-{number}", RequestTransfer(NAMES[number % 10], NAMES[(number + 1) % 10], 10, "EUR", "ann", "rent"))
        for number in range(first, first + 10)
    ]


def stands(running: Running, projector: str) -> dict[Place, int]:
    rows: Any = running.rows(
        f"SELECT topic, partition, next_offset FROM headrace.checkpoints WHERE projector = '{projector}'"
    )
    return {(topic, partition): offset for topic, partition, offset in rows}


def leave_aborted(running: Running, topic: str) -> None:
    """Records of a transaction that is aborted, in each partition."""
    producer = Producer({"bootstrap.servers": running.settings.kafka, "transactional.id": "another"})
    producer.init_transactions()
    producer.begin_transaction()
    for number in range(PARTITIONS):
        producer.produce(topic, b"x", b"x", partition=number)
    producer.flush()
    producer.abort_transaction()


def test_all_services_go_on_after_a_quiet_week(bank: Running) -> None:
    """Behind the last command of a reactor, and behind each outcome, lies the mark of a transaction, which goes too."""
    for name, command in SERVICES.items():
        bank.start(name, *command)
    bank.send("accounts", *[(name, OpenAccount("x", "EUR")) for name in NAMES])
    bank.send("accounts", *[(name, DepositMoney(1000, "EUR", "salary")) for name in NAMES])
    bank.send("transfers", *transfers(0))
    bank.wait_until_quiet()
    bank.services.stop(*SERVICES)
    a_week_passes(bank, PASSING)
    for name, command in SERVICES.items():
        bank.start(name, *command)
    bank.send("transfers", *transfers(10))
    bank.wait_until_quiet()
    ended = [bank.codec.decode(value).contract.name for *_, value in bank.read("transfers.events")]
    assert ended.count("TransactionCompleted") == 20
    assert not bank.services.exits
    assert "the log begins behind" in "".join(bank.log(name).read_text() for name in SERVICES)


def test_a_handler_whose_offsets_expired_with_its_commands_goes_on(shop: Running) -> None:
    shop.start("orders", "handle", "orders")
    shop.send("orders", *lifecycles(20))
    shop.wait_until_quiet()
    shop.services.stop("orders")
    a_week_passes(shop, ["orders.commands", "orders.outcomes"])
    forget_offsets(shop, "headrace.handle.orders")
    shop.start("again", "handle", "orders")
    shop.wait(lambda: len(shop.owned("again")) == PARTITIONS, "it has its partitions")
    shop.send("orders", *lifecycles(20, first=20))
    shop.wait_until_quiet()
    assert len(shop.read("orders.outcomes")) == 80
    assert not shop.services.exits


def test_commands_are_not_answered_again_when_offsets_and_outcomes_have_expired(bank: Running) -> None:
    """Commands still came while nobody answered, and keep those before them."""
    bank.start("accounts", "handle", "accounts")
    bank.send("accounts", ("account-1", OpenAccount("x", "EUR")), ("account-1", DepositMoney(1000, "EUR", "salary")))
    bank.wait_until_quiet()
    bank.services.stop("accounts")
    a_week_passes(bank, ["accounts.outcomes"])
    bank.send("accounts", ("account-1", DepositMoney(1, "EUR", "a late one")))
    forget_offsets(bank, "headrace.handle.accounts")
    bank.start("again", "handle", "accounts")
    bank.wait(lambda: bool(bank.services.exits), "it ends")
    said = bank.log("again").read_text()
    assert "the group has no offset for accounts.commands" in said
    assert "the audit has it, or else the newest event" in said
    assert len(bank.read("accounts.events")) == 2


@pytest.mark.parametrize("count", [1, 80])
def test_commands_that_were_removed_unanswered_are_named(shop: Running, count: int) -> None:
    shop.start("orders", "handle", "orders")
    shop.send("orders", *lifecycles(20))
    shop.wait_until_quiet()
    shop.services.stop("orders")
    shop.send("orders", *islice(lifecycles(20, first=20), count))
    a_week_passes(shop, ["orders.commands"])
    shop.start("again", "handle", "orders")
    shop.wait(lambda: bool(shop.services.exits), "it ends")
    said = shop.log("again").read_text()
    assert "orders.commands[" in said
    assert "what lay between was removed, perhaps before anybody had dealt with it" in said


def test_offsets_of_a_quiet_group_pass_the_marks_behind_the_last_record(
    shop: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "QUIET_S", 0.2)
    producer = Producer({"bootstrap.servers": shop.settings.kafka, "transactional.id": "another"})
    producer.init_transactions()
    for commit in (True, False):
        producer.begin_transaction()
        for number in range(PARTITIONS):
            producer.produce("orders.commands", b"x", b"x", partition=number)
        producer.flush()
        producer.commit_transaction() if commit else producer.abort_transaction()
    places = [("orders.commands", number) for number in range(PARTITIONS)]
    shop.wait(lambda: set(high_watermarks(shop.admin, places).values()) == {4}, "each has two records and their marks")
    handler = open_handler(shop.app, "orders", "0", shop.settings)
    stands = lambda: shop.committed("headrace.handle.orders", "orders.commands")  # noqa: E731
    shop.wait(lambda: [handler.run_once(), stands() == dict.fromkeys(range(PARTITIONS), 4)][1], "it passes")
    handler.stopping = True
    handler.run()
    assert len(shop.read("orders.parked")) == PARTITIONS


@pytest.mark.parametrize("is_restarted", [False, True], ids=["by whom the records were read", "by a restarted one"])
def test_checkpoints_pass_what_lies_behind_the_last_record(
    shop: Running, monkeypatch: pytest.MonkeyPatch, *, is_restarted: bool
) -> None:
    """A handler that is killed leaves an aborted transaction behind the last outcome: two offsets, and no record."""
    monkeypatch.setattr(projector_loop, "PASS_S", 60 if is_restarted else 0.2)
    shop.start("orders", "handle", "orders")
    shop.send("orders", *lifecycles(20))
    shop.wait_until_quiet()
    shop.services.stop("orders")
    audit = Projector(shop.app, "audit", shop.settings)
    shop.wait(lambda: [audit.run_once(), shop.rows("SELECT count(*) FROM headrace.audit") == [(80,)]][1], "all is read")
    leave_aborted(shop, "orders.outcomes")
    if is_restarted:
        audit.stopping = True
        audit.run()
        monkeypatch.setattr(projector_loop, "PASS_S", 0.2)
        audit = Projector(shop.app, "audit", shop.settings)
    places = [("orders.outcomes", number) for number in range(PARTITIONS)]
    shop.wait(lambda: [audit.run_once(), stands(shop, "audit") == high_watermarks(shop.admin, places)][1], "it passes")
    untold = "SELECT count(*) FROM headrace.checkpoints WHERE command_offset < 0 OR log_time < now() - interval '1 day'"
    assert shop.rows(untold) == [(0,)]
    audit.stopping = True
    audit.run()
    a_week_passes(shop, ["orders.commands", "orders.outcomes"])
    shop.start("audit", "project", "audit")
    shop.start("again", "handle", "orders")
    shop.send("orders", *lifecycles(20, first=20))
    shop.wait_until_quiet()
    assert not shop.services.exits


def test_what_was_read_and_given_back_is_not_passed(shop: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client may still say where it stood before it was told to go back."""
    monkeypatch.setattr(loop, "QUIET_S", 0)
    shop.send("orders", *lifecycles(20))
    handler = open_handler(shop.app, "orders", "0", shop.settings)
    consumer = handler._consumer
    batches = []
    shop.wait(lambda: [batches.append(consumer.poll(0.1)), batches[-1] is not None][1], "a batch comes")
    consumer.rewind(batches[-1].first)
    assert consumer.passed() == {}
    shop.wait(lambda: [handler.run_once(), shop.is_quiet()][1], "all is answered")
    handler.stopping = True
    handler.run()
    assert len(shop.read("orders.outcomes")) == 80
