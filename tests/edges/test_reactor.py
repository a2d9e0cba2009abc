"""Reactors on real servers: transfers between accounts, whatever becomes of the processes that carry them."""

import json
import os
import signal
import time
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer, murmur2
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

from headrace.accounts.account import Account
from headrace.accounts.commands import DepositMoney, FreezeAccount, OpenAccount
from headrace.app import LIMITS
from headrace.kafka.compaction import LAG, compaction_lags_ms
from headrace.kafka.reading import high_watermarks, read_to
from headrace.kernel.errors import Misconfigured
from headrace.kernel.message import CommandMeta
from headrace.reactor.loop import open_reactor
from headrace.reactor.messages import DUE, KEY, TOPIC
from headrace.transfers.commands import ApproveTransfer, RequestTransfer
from running import PARTITIONS, Running
from shortened import for_each

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]

ACCOUNTS = [f"account-{number}" for number in range(10)]
BALANCE = 100_000
REVIEWED = 5_000
PROCESS = ("react", "transfer_process")
OUTSIDE = Path(__file__).parent / "outside"


@pytest.fixture(autouse=True)
def opened(bank: Running) -> None:
    """Accounts with money, and handlers; the test starts the reactors."""
    bank.env[LIMITS] = f'{{"review_above": {REVIEWED}}}'
    bank.start("accounts", "handle", "accounts")
    bank.start("transfers", "handle", "transfers")
    bank.send("accounts", *[(name, OpenAccount(f"owner of {name}", "EUR")) for name in ACCOUNTS])
    bank.send("accounts", *[(name, DepositMoney(BALANCE, "EUR", "salary")) for name in ACCOUNTS])


def request(number: int, amount: int = 100, **more: int) -> tuple[str, RequestTransfer]:
    """A transfer from one account to another."""
    source, target = ACCOUNTS[number % 10], ACCOUNTS[(number * 3 + 1) % 10]
    if source == target:
        target = ACCOUNTS[(number + 1) % 10]
    return f"transfer-{number}", RequestTransfer(source, target, amount, "EUR", "ann", "rent", **more)


def newest(bank: Running, aggregate: str) -> dict[str, tuple[str, object]]:
    """Each aggregate's newest event, by its type, and its state."""
    found = {}
    for _, _, key, value in bank.read(f"{aggregate}.events"):
        decoded = bank.codec.decode(value)
        found[(key or b"").decode()] = (decoded.contract.name, decoded.state)
    return found


def endings(bank: Running) -> dict[str, int]:
    """How many transfers have ended in which event."""
    names = [name for name, _ in newest(bank, "transfers").values()]
    return {name: names.count(name) for name in set(names)}


def assert_money_is_conserved(bank: Running) -> None:
    """At rest nothing is held, nothing is on its way, and all that was paid in is there."""
    accounts = [state for _, state in newest(bank, "accounts").values()]
    assert all(isinstance(account, Account) and not account.holds and not account.credits for account in accounts)
    assert sum(account.balance + account.held for account in accounts) == BALANCE * len(ACCOUNTS)  # type: ignore[attr-defined]


def test_money_moves_whole_and_what_is_refused_comes_back(bank: Running) -> None:
    bank.start("reactor", *PROCESS)
    bank.send("accounts", ("account-9", FreezeAccount("a court order")))
    bank.send(
        "transfers",
        *[request(number) for number in range(50)],
        ("lost", RequestTransfer("nobody", ACCOUNTS[0], 1, "EUR", "ann", "gift")),
    )
    bank.wait_until_quiet()
    assert_money_is_conserved(bank)
    touching = [
        number
        for number in range(50)
        if "account-9" in (request(number)[1].from_account, request(number)[1].to_account)
    ]
    assert endings(bank) == {"TransferFailed": len(touching) + 1, "TransactionCompleted": 50 - len(touching)}
    listed = bank.headrace("processes", "list")
    assert (listed.returncode, listed.stdout) == (0, "no process is open\n")


@for_each("step", ["begun", "produced", "flushed", "offsets_sent", "committed"], short=["flushed", "committed"])
def test_a_reactor_killed_at_any_step_neither_loses_nor_doubles_a_command(bank: Running, step: str) -> None:
    bank.start("victim", *PROCESS, HEADRACE_FAILPOINT=f"kill:{step}:3", HEADRACE_BATCH_SIZE="20")
    bank.send("transfers", *[request(number) for number in range(100)])
    bank.wait(lambda: bool(bank.services.exits), f"it dies at {step}")
    bank.services.stop("victim")
    bank.start("successor", *PROCESS)
    bank.wait_until_quiet(120)
    assert_money_is_conserved(bank)
    assert endings(bank) == {"TransactionCompleted": 100}
    commands = [bank.codec.decode(value).meta.command_id for _, _, _, value in bank.read("accounts.commands")]
    assert len(commands) == len(set(commands)) == 20 + 4 * 100


def test_two_replicas_share_the_work_and_one_that_is_frozen_loses_nothing(bank: Running) -> None:
    for slot in ("0", "1"):
        bank.start(f"reactor-{slot}", *PROCESS, "--slot", slot)
    bank.wait(lambda: all(bank.owned(f"reactor-{slot}") for slot in ("0", "1")), "both have partitions")
    bank.send("transfers", *[request(number) for number in range(100)])
    bank.services.send("reactor-0", signal.SIGSTOP)
    bank.send("transfers", *[request(number) for number in range(100, 200)])
    bank.wait(lambda: sum(endings(bank).values()) == 200, "all transfers have begun", 90)
    bank.services.send("reactor-0", signal.SIGCONT)
    bank.wait_until_quiet(120)
    assert_money_is_conserved(bank)
    assert endings(bank) == {"TransactionCompleted": 200}


def test_a_timer_survives_those_who_set_it_and_fires_once(bank: Running) -> None:
    bank.start("first", *PROCESS)
    bank.wait(lambda: len(bank.owned("first")) == 5 * PARTITIONS, "it has all partitions")
    due_at = round(time.time() * 1000) + 30_000
    large = REVIEWED + 1
    bank.send("transfers", ("late", request(1, large, expires_at=due_at)[1]), ("in-time", request(2, large)[1]))
    bank.wait(lambda: len(bank.read("transfer_process.timers")) == 2, "both timers lie in the log")
    [waiting] = [
        entry for entry in json.loads(bank.headrace("processes", "list", "--json").stdout) if entry["id"] == "late"
    ]
    assert (waiting["waits_for"], waiting["process"], waiting["is_older"]) == ("review", "transfers", False)
    bank.services.kill("first")
    bank.services.stop("first")
    stuck = bank.headrace("processes", "list", "--stuck", "--after", "0")
    assert stuck.returncode == 1
    assert "review" in stuck.stdout
    assert time.time() * 1000 < due_at, "the machine is too slow for this test"
    for slot in ("0", "1"):
        bank.start(f"second-{slot}", *PROCESS, "--slot", slot)
    bank.wait(lambda: newest(bank, "transfers")["late"][0] == "TransferFailed", "the deadline has passed", 90)
    assert time.time() * 1000 >= due_at
    bank.send("transfers", ("in-time", ApproveTransfer("bob")))
    bank.wait(lambda: newest(bank, "transfers")["in-time"][0] == "TransactionCompleted", "it is approved")
    bank.wait_until_quiet()
    assert_money_is_conserved(bank)
    asked = [bank.codec.decode(value) for _, _, _, value in bank.read("transfers.commands")]
    assert [type(each.body).__name__ for each in asked].count("ExpireTransfer") == 1
    timers = bank.read("transfer_process.timers")
    assert {key: value for _, _, key, value in timers} == {b"deadline/late": None, b"deadline/in-time": None}


def test_deadlines_that_pass_while_accounts_do_not_answer_leave_one_end_each(bank: Running) -> None:
    """Whether the money was set aside too late or just in time; the second time the process dies meanwhile as well."""
    bank.start("reactor", *PROCESS)
    bank.wait(lambda: len(bank.owned("reactor")) == 5 * PARTITIONS, "it has all partitions")
    for first in (0, 40):
        bank.services.send("accounts", signal.SIGSTOP)
        soon = round(time.time() * 1000) + 5_000
        deadlines = [soon + (100 if n % 4 else 10_000) * n for n in range(40)]
        bank.send("transfers", *[request(first + n, expires_at=due) for n, due in enumerate(deadlines)])
        bank.wait(lambda: endings(bank).get("TransferExpired", 0) > 9, "some deadlines have passed", 60)
        if first:
            bank.services.kill("reactor")
        bank.services.send("accounts", signal.SIGCONT)
        bank.wait(lambda: endings(bank).keys() == {"TransferFailed", "TransactionCompleted"}, "the others go on", 60)
    bank.wait_until_quiet(120)
    assert_money_is_conserved(bank)
    ends = [
        (key, name)
        for _, _, key, value in bank.read("transfers.events")
        if (name := bank.codec.decode(value).contract.name) in {"TransferFailed", "TransactionCompleted"}
    ]
    assert len({key for key, _ in ends}) == len(ends) == 80
    assert {name for _, name in ends} == {"TransferFailed", "TransactionCompleted"}


def break_on_transfer_3(bank: Running) -> None:
    """Start a reactor whose code breaks once that transfer's money is held, and send it among others."""
    path = f"{OUTSIDE}{os.pathsep}{bank.env['PYTHONPATH']}"
    bank.start("broken", *PROCESS, "--app", "broken_bank:app", PYTHONPATH=path)
    bank.send("transfers", *[request(number) for number in range(20)])
    bank.wait(lambda: "key parked" in bank.log("broken").read_text(), "something is parked")
    bank.wait_until_quiet()


def parked(bank: Running) -> list[dict[str, Any]]:
    [listed] = json.loads(bank.headrace("parked", "list", "--reactor", "--json").stdout)["reactors"]
    return listed["parked"]  # type: ignore[no-any-return]


def test_what_a_reactor_breaks_on_waits_with_its_key_until_a_fixed_version_comes(bank: Running) -> None:
    break_on_transfer_3(bank)
    assert [(each["key"], each["exception"]) for each in parked(bank)] == [("transfer-3", "builtins.ZeroDivisionError")]
    assert endings(bank) == {"TransactionCompleted": 19, "FundsHeld": 1}
    asked = ("--reactor", "transfer_process", "transfer-3")
    shown = json.loads(bank.headrace("parked", "show", *asked, "--json").stdout)
    assert [each["type"] for each in shown["waiting"]] == ["FundsHeld"]
    redriven = bank.headrace("parked", "redrive", *asked)
    assert (redriven.returncode, redriven.stderr.count("\n")) == (2, 1)
    assert "restart" in redriven.stderr
    bank.services.stop("broken")
    bank.start("fixed", *PROCESS)
    bank.wait(lambda: endings(bank) == {"TransactionCompleted": 20}, "all is done", 60)
    bank.wait_until_quiet()
    assert_money_is_conserved(bank)
    assert parked(bank) == []


def test_a_trace_that_is_none_stops_no_reactor(bank: Running) -> None:
    """The topics of transfers take it, those of accounts, to which it would go on, have no room left."""
    bank.start("reactor", *PROCESS)
    name, command = request(1)
    meta = CommandMeta(command_id=str(uuid.uuid4()), aggregate_id=name)
    frame, key = bank.codec.encode(command, meta), name.encode()
    producer = Producer({"bootstrap.servers": bank.settings.kafka, "message.max.bytes": 4_000_000})
    noise = [("traceparent", os.urandom(1_048_588 - len(frame) - 150))]
    producer.produce("transfers.commands", frame, key, partition=murmur2(key, PARTITIONS), headers=noise)
    assert producer.flush(30) == 0
    bank.send("transfers", request(2))
    bank.wait_until_quiet()
    assert endings(bank) == {"TransactionCompleted": 2}


def test_what_is_no_timer_among_the_timers_stops_no_reactor(bank: Running) -> None:
    """Its own code wrote such times before they were refused; one lies there already, one comes later."""
    producer = Producer({"bootstrap.servers": bank.settings.kafka})

    def write(name: str) -> None:
        headers = [(DUE, "1700000000000.0"), (TOPIC, "transfers.commands"), (KEY, name)]
        producer.produce("transfer_process.timers", b"frame", f"deadline/{name}", partition=0, headers=headers)
        assert producer.flush(30) == 0

    def passed_over() -> int:
        return bank.log("reactor").read_text().count("no timer")

    write("old")
    bank.start("reactor", *PROCESS)
    bank.wait(lambda: passed_over() > 0, "it has read the timers")
    write("new")
    bank.wait(lambda: passed_over() > 1, "it reads on")
    bank.send("transfers", request(1))
    bank.wait_until_quiet()
    assert endings(bank) == {"TransactionCompleted": 1}


def test_what_is_given_up_is_not_taken_up_again(bank: Running) -> None:
    break_on_transfer_3(bank)
    give_up = ("parked", "discard", "--reactor", "transfer_process", "transfer-3", "--reason", "a test")
    done = bank.headrace(*give_up)
    assert (done.returncode, done.stderr) == (0, "")
    again = bank.headrace(*give_up)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert parked(bank) == []
    bank.services.stop("broken")
    bank.start("fixed", *PROCESS)
    bank.wait(lambda: len(bank.owned("fixed")) == 5 * PARTITIONS, "it has all partitions")
    bank.wait_until_quiet()
    assert "key released" not in bank.log("fixed").read_text()
    assert endings(bank) == {"TransactionCompleted": 19, "FundsHeld": 1}
    stuck = bank.headrace("processes", "list", "--stuck", "--after", "0")
    assert (stuck.returncode, "transfer-3" in stuck.stdout, "credit" in stuck.stdout) == (1, True, True)


def grow_old(bank: Running, lag_ms: int = 1) -> None:
    """From now on every event is old enough to be compacted, or every one that is older than that."""
    lags_ms = {"accounts.events": lag_ms, "transfers.events": lag_ms}
    for topic in lags_ms:
        entry = ConfigEntry(LAG, str(lag_ms), incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
        bank.admin.incremental_alter_configs([resource])[resource].result()
    bank.wait(lambda: compaction_lags_ms(bank.admin, [(topic, 0) for topic in lags_ms]) == lags_ms, "the broker knows")


def test_a_reactor_goes_on_however_old_the_events_are_that_it_has_seen(bank: Running) -> None:
    """Its offset lies before the mark of the last one's transaction, which is as old."""
    bank.start("reactor", *PROCESS)
    bank.send("transfers", *map(request, range(12)))
    bank.wait_until_quiet()
    bank.services.stop("reactor")
    grow_old(bank)
    bank.start("again", *PROCESS)
    bank.wait(lambda: bool(bank.owned("again")), "it has its partitions")
    bank.send("transfers", *map(request, range(12, 24)))
    bank.wait_until_quiet()
    assert {kind for kind, _ in newest(bank, "transfers").values()} == {"TransactionCompleted"}
    assert not bank.services.exits


def test_a_reactor_refuses_to_go_on_where_events_may_be_missing(bank: Running) -> None:
    bank.start("reactor", *PROCESS)
    bank.send("transfers", *map(request, range(4)))
    bank.wait_until_quiet()
    bank.services.stop("reactor")
    bank.send("transfers", *map(request, range(4, 16)))
    bank.wait(lambda: len(newest(bank, "transfers")) == 16, "the transfers are requested")
    grow_old(bank)
    bank.start("again", *PROCESS)
    bank.wait(lambda: bool(bank.services.exits), "it ends")
    assert "Kafka may have compacted events below" in bank.log("again").read_text()
    bank.services.stop("again")


def test_a_reactor_refuses_to_go_on_where_events_may_be_compacted_before_it_has_read_them(bank: Running) -> None:
    """They are younger than the lag: once that is higher they are read, and none is missing."""
    bank.send("transfers", *map(request, range(4)))
    bank.wait(lambda: len(newest(bank, "transfers")) == 4, "the transfers are requested")
    places = dict.fromkeys([("transfers.events", number) for number in range(PARTITIONS)], 0)
    ends = high_watermarks(bank.admin, list(places))
    events = [event for chunk in read_to(bank.settings, places, ends) for event in chunk]
    reactor: Any = open_reactor(bank.app, PROCESS[1], "0", bank.settings)
    with closing(reactor._consumer):
        age_ms = time.time() * 1000 - min(event.timestamp()[1] for event in events)
        grow_old(bank, round(1.5 * age_ms))
        with pytest.raises(Misconfigured, match=r"events below \d+"):
            list(reactor._work._takeover._refuse_compacted(places))
    grow_old(bank, 3_600_000)
    bank.start("reactor", *PROCESS)
    bank.wait_until_quiet()
    assert endings(bank) == {"TransactionCompleted": 4}
