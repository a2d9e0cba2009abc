"""The audit trail on real servers: every outcome once, whatever dies meanwhile, in one hash chain per partition."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from headrace.accounts.commands import DepositMoney, OpenAccount
from headrace.audit.chain import beginning, link
from headrace.audit.signing import make_key_pair
from headrace.audit.tables import Tables
from headrace.audit.verify import verify_history
from headrace.kernel.message import Outcome
from headrace.settings import Settings
from headrace.transfers.commands import RequestTransfer
from lamps import OUTSIDE, lock_lamps
from lifecycles import lifecycles
from running import PARTITIONS, Running, running
from servers import Kafka

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]

FAULTY = Path(__file__).parent / "outside"
AUDIT = """
    SELECT partition, "offset", (extract(epoch FROM asked_at) * 1000)::bigint, actor, command_type, aggregate_id,
           command_id, command_offset, correlation_id, causation_id, result, code, message, version, events, repeated,
           body_hash FROM headrace.audit WHERE topic = '{}' ORDER BY partition, "offset" """
TOLD = (
    "occurred_at", "actor", "command_type", "aggregate_id", "command_id", "command_offset", "correlation_id",
    "causation_id", "result", "code", "message", "version", "events", "repeated", "body_hash",
)  # fmt: skip
CHAINED = {
    "journal": 'partition, "offset", (extract(epoch FROM logged_at) * 1000000)::bigint, aggregate_id, version, '
    "record_type, record",
    "audit": 'partition, "offset", (extract(epoch FROM logged_at) * 1000000)::bigint, '
    "(extract(epoch FROM asked_at) * 1000000)::bigint, actor, command_type, aggregate_id, command_id, "
    "command_offset, correlation_id, causation_id, result, code, message, version, events, repeated, body_hash",
}  # fmt: skip


@pytest.fixture
def house(kafka: Kafka, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """Lamps of which some are bad; the test starts the services."""
    for folder in (OUTSIDE, FAULTY):
        monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", f"{OUTSIDE}:{FAULTY}", prepend=os.pathsep)
    with running(kafka.bootstrap_servers, database, tmp_path, "faulty_lights:app", lock_lamps(tmp_path)) as heart:
        yield heart


def outcomes(heart: Running, topic: str) -> list[tuple[object, ...]]:
    """The outcomes in the log, as the audit must have them."""
    found = []
    for partition, offset, _, value in heart.read(topic):
        outcome = heart.codec.decode(value).body
        assert isinstance(outcome, Outcome)
        told = structs.asdict(outcome)
        found.append((partition, offset, *[told[name] for name in TOLD]))
    return sorted(found, key=lambda row: row[:2])


def assert_chained(heart: Running, table: str, topic: str) -> None:
    """Recompute the hashes of a table, and compare its heads."""
    heads = dict(heart.rows(f"SELECT partition, (length, head) FROM headrace.chains WHERE topic = '{topic}'"))
    for partition in range(PARTITIONS):
        start = beginning(topic, partition)
        number, before = 0, start.hash
        rows = heart.rows(
            f"SELECT link, hash, {CHAINED[table]} FROM headrace.{table} "
            f"WHERE topic = '{topic}' AND partition = {partition} ORDER BY \"offset\""
        )
        for number, row in enumerate(rows, 1):
            before = link(before, number, (topic, *row[2:]))
            assert row[:2] == (number, before)
        if rows:
            [head] = heart.rows(
                f"SELECT length, head FROM headrace.chains WHERE topic = '{topic}' AND partition = {partition}"
            )
            assert head == (number, before)
    assert heads


def hang_and_switch(house: Running) -> None:
    """Accepted, refused, repeated and parked commands."""
    import lights  # type: ignore[import-not-found]  # noqa: PLC0415 - it is on the path only now

    lamps, bad = [f"lamp-{number}" for number in range(12)], ["bad-1", "bad-2"]
    house.send("lights", *[(lamp, lights.Hang("hall")) for lamp in lamps], correlation_id="move-in", actor="ann")
    house.send("lights", *[(lamp, lights.Hang("attic")) for lamp in bad])
    house.send("lights", ("lamp-0", lights.Switch(on=True)), command_id="3b1d4a57-58b1-4d31-8b0a-0e5b7e2c8d11")
    house.send("lights", ("lamp-0", lights.Switch(on=True)), command_id="3b1d4a57-58b1-4d31-8b0a-0e5b7e2c8d11")
    house.send("lights", *[(name, lights.Switch(on=True)) for name in ("nowhere", *bad, *bad)])
    house.send("lights", ("lamp-1", lights.Switch(on=False)), actor="a\0b")


def test_every_outcome_is_kept_once_refused_repeated_and_parked_ones_over_kills(house: Running) -> None:
    house.start("faulty", "handle", "lights", BROKEN_ROOM="attic")
    house.start("project-journal", "project", "journal")
    for step in ("advanced", "applied", "committed"):
        house.start(f"victim-{step}", "project", "audit", HEADRACE_FAILPOINT=f"kill:{step}:2", HEADRACE_BATCH_SIZE="3")
        hang_and_switch(house)
        house.wait(lambda step=step: house.services.restarts[f"victim-{step}"] > 0, "it dies")  # type: ignore[misc]
        house.services.stop(f"victim-{step}")
    house.start("audit", "project", "audit")
    house.services.stop("faulty")
    house.start("fixed", "handle", "lights")
    assert house.headrace("parked", "redrive", "lights", "bad-1").returncode == 0
    report = house.assert_sound()
    expected = outcomes(house, "lights.outcomes")
    assert report.check("audit").counted == {"in_topic": len(expected), "in_audit": len(expected)}
    found = house.rows(AUDIT.format("lights.outcomes"))
    assert [tuple(row) for row in found] == [
        tuple(it.replace("\0", "\\0") if isinstance(it, str) else it for it in row) for row in expected
    ]
    kinds = {(row[10], row[15]) for row in expected}
    assert kinds >= {("accepted", False), ("accepted", True), ("refused", False), ("parked", False)}
    assert_chained(house, "audit", "lights.outcomes")
    assert_chained(house, "journal", "lights.events")


def test_checkpoints_are_signed_at_intervals_and_a_forgery_in_between_is_told_and_not_signed(
    shop: Running, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    make_key_pair(key)
    shop.start("handler", "handle", "orders")
    often = {"HEADRACE_AUDIT_KEY": str(key), "HEADRACE_AUDIT_ROWS": "40", "HEADRACE_BATCH_SIZE": "20"}
    for name in ("audit", "journal"):
        shop.start(name, "project", name, **often)
    shop.send("orders", *lifecycles(60))
    shop.wait_until_quiet()
    signed = "SELECT right(topic, 6), count(*) FROM headrace.audit_checkpoints GROUP BY 1 ORDER BY 1"
    shop.wait(lambda: min((int(str(count)) for _, count in shop.rows(signed)), default=0) > 8, "several are signed")
    assert [topic for topic, _ in shop.rows(signed)] == ["events", "tcomes"]
    done = shop.headrace("audit", "verify", "--public-key", f"{key}.pub")
    assert (done.returncode, "nothing was rewritten" in done.stdout) == (0, True), done.stdout
    shop.change("UPDATE headrace.journal SET hash = sha256(hash)")
    shop.send("orders", *lifecycles(30, first=100))
    shop.wait(lambda: "history was rewritten" in shop.log("journal").read_text(), "it is told")
    shop.wait_until_quiet()
    assert not shop.services.exits
    assert shop.headrace("audit", "verify", "--public-key", f"{key}.pub").returncode == 1


def test_a_verification_beside_services_that_write_finds_nothing(shop: Running) -> None:
    """It sees one moment, at which one of the two is always a little ahead of the other."""
    shop.start("handler", "handle", "orders", HEADRACE_BATCH_SIZE="10")
    for name in ("audit", "journal"):
        shop.start(name, "project", name, HEADRACE_BATCH_SIZE="7")
    claimed = "SELECT count(*) FROM headrace.checkpoints WHERE topic = 'orders.events'"
    shop.wait(lambda: shop.rows(claimed) == [(PARTITIONS,)], "the journal has begun")
    looked: list[int] = []
    sent = 0

    def look() -> int:
        with Tables(Settings(DATABASE_URL=shop.env["DATABASE_URL"])) as tables:  # type: ignore[call-arg]
            report = verify_history(tables)
        assert report.findings == []
        looked.append(sum(chain.rows for chain in report.chains))
        return looked[-1]

    def has_seen_rows_come() -> bool:
        nonlocal sent
        shop.send("orders", *lifecycles(20, first=sent))
        sent += 20
        look()
        return len(set(looked)) > 4

    shop.wait(has_seen_rows_come, "looks between which rows were written", 120)
    shop.wait_until_quiet()
    assert look() == sent * 4 * 2


def test_what_a_process_asked_for_is_kept_with_its_cause(bank: Running) -> None:
    for name, *arguments in (
        ("accounts", "handle", "accounts"),
        ("transfers", "handle", "transfers"),
        ("process", "react", "transfer_process"),
        ("journal", "project", "journal"),
        ("audit", "project", "audit"),
    ):
        bank.start(name, *arguments)
    bank.send("accounts", *[(name, OpenAccount(name.title(), "GBP")) for name in ("ann", "bob")])
    bank.send("accounts", ("ann", DepositMoney(1000, "GBP", "wages")))
    bank.wait_until_quiet()
    asked = bank.send(
        "transfers",
        *[(f"t-{it}", RequestTransfer("ann", to, 300, "GBP", "Ann", "rent")) for it, to in enumerate(("bob", "eve"))],
    )
    done = "SELECT count(*) FROM headrace.journal WHERE record_type IN ('TransactionCompleted', 'TransferFailed')"
    bank.wait(lambda: bank.rows(done) == [(2,)], "both transfers have ended")
    bank.wait_until_quiet()
    with Tables(Settings(DATABASE_URL=bank.env["DATABASE_URL"])) as tables:  # type: ignore[call-arg]
        assert verify_history(tables).findings == []
    for command_id in asked:
        told = bank.headrace("audit", "export", "--aggregate", "accounts").stdout
        of_it = [it for line in told.splitlines() if (it := json.loads(line))["correlation_id"] == command_id]
        assert len(of_it) >= 2
        assert command_id not in {it["command_id"] for it in of_it}


def test_seconds_are_an_interval_too_and_a_wrong_key_is_refused(shop: Running, tmp_path: Path) -> None:
    key = tmp_path / "key"
    make_key_pair(key)
    shop.start("handler", "handle", "orders")
    shop.start("audit", "project", "audit", HEADRACE_AUDIT_KEY=str(key), HEADRACE_AUDIT_S="1")
    shop.send("orders", *lifecycles(1))
    shop.wait(lambda: shop.rows("SELECT count(*) FROM headrace.audit_checkpoints") == [(1,)], "one is signed")
    done = shop.headrace("project", "journal", env={"HEADRACE_AUDIT_KEY": f"{key}.pub"})
    assert done.returncode == 2
    assert "holds no private key" in done.stderr


def test_replicas_and_takeovers_go_on_with_one_chain(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    for name in ("audit", "journal"):
        shop.start(f"{name}-1", "project", name, HEADRACE_BATCH_SIZE="20")
    shop.send("orders", *lifecycles(60))
    shop.wait_until_quiet()
    for name in ("audit", "journal"):
        shop.start(f"{name}-2", "project", name, HEADRACE_BATCH_SIZE="20")
        shop.wait(lambda name=name: len(shop.owned(f"{name}-2")) == 2, "the second has its share")  # type: ignore[misc]
    shop.send("orders", *lifecycles(60, first=100))
    shop.wait_until_quiet()
    for name in ("audit", "journal"):
        shop.services.kill(f"{name}-1")
    shop.send("orders", *lifecycles(60, first=200))
    shop.wait_until_quiet()
    assert shop.rows(AUDIT.format("orders.outcomes")) == outcomes(shop, "orders.outcomes")
    assert_chained(shop, "audit", "orders.outcomes")
    assert_chained(shop, "journal", "orders.events")
