"""The verifier on real Kafka and Postgres: it passes what is right, and names planted damage by the right check."""

import json
from pathlib import Path

import psycopg
import pytest

from headrace_load.history import HistoryWriter, Sent
from headrace_load.verify import CannotVerify, Evidence, verify
from headrace_load.verify.audited import SAID
from headrace_load.verify.orders import COLUMNS
from headrace_load.verify.partition import Job, Where
from headrace_load.verify.processes import check_all
from headrace_load.verify.rows import MODELS
from headrace_load.verify.topics import Topics
from servers import Kafka, Postgres, fresh_database
from verify.past import Past
from verify.past_on_servers import PARTITIONS, Written, commit_offsets, failed, save, schemas_of, topics_of_its_own

pytestmark = pytest.mark.edge


def test_a_past_without_damage_passes_every_check_and_says_what_was_counted(written: Written) -> None:
    report = written.verify()
    assert {check.name: check.problems for check in report.checks if not check.ok} == {}
    counted = {check.name: dict(check.counted) for check in report.checks}
    assert counted["versions"] == {"events": 5, "aggregates": 2}
    assert counted["journal"] == {"in_topic": 5, "in_journal": 5, "compared": 5}
    assert counted["answers"] == {"commands": 8, "others": 1, "outcomes": 8, "parked": 1}
    assert counted["effects"] == {"accepted": 6, "refused": 2, "parked": 0, "events": 5}
    assert counted["content"] == {"compared": 5}
    assert counted["resends"] == {"resends": 2, "command_ids": 6}
    assert counted["rows"] == {"aggregates": 2, "set_aside": 0, "rows": 2, "seen": 2, "missing": 0}
    assert counted["states"] == {"events": 5}
    assert counted["facts"] == {"events": 5, "with_command": 5}
    assert counted["writers"] == {"events": 5, "takeovers": 1}
    assert counted["isolation"] == {
        "events_committed": 5, "outcomes_committed": 8, "parked_committed": 1,
        "events_aborted": 3, "outcomes_aborted": 3, "parked_aborted": 3,
    }  # fmt: skip
    assert all(check.invariants for check in report.checks)


def test_what_clients_and_handlers_noted_is_compared(written: Written, tmp_path: Path) -> None:
    sent = Sent("c-9", written.past.domain, "o-1", 1, 2, "ok", 0, 77)
    with HistoryWriter(tmp_path / "history.jsonl") as history:
        history.write(sent)
        history.complete()
    told = {"event": "partition restored", "topic": f"{written.past.domain}.events", "partition": 0}
    (tmp_path / "handler.log").write_text(json.dumps(told | {"restored_to": 0, "aggregates": 1, "digest": "1"}))
    evidence = Evidence((tmp_path / "history.jsonl",), tmp_path)
    report = verify(written.kafka, written.database, written.schemas, evidence=evidence)
    assert failed(report) == {"acknowledged", "senders", "restored"}
    assert report.check("acknowledged").problems == [
        f"{written.past.domain}.commands[0] offset 77 (o-1) was acknowledged as c-9, and nothing lies there"
    ]
    assert report.check("restored").counted == {"takeovers": 1, "aggregates": 1}


def test_several_processes_find_what_one_finds(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    where = Where(written.kafka, written.database, written.schemas)
    monkeypatch.delitem(MODELS, written.past.domain)  # which another process would not know
    with Topics(written.kafka) as topics:
        all_ends = topics.ends(written.past.domain, PARTITIONS)
    jobs = [
        Job(written.past.domain, number, PARTITIONS, ends, 0, {}, set(), [], 1000, {})
        for number, ends in enumerate(all_ends)
    ]
    alone = check_all(where, jobs, 1)
    monkeypatch.setattr("headrace_load.verify.processes.WORTH_IT", 0)
    together = check_all(where, jobs, 2)
    assert sorted(map(repr, together)) == sorted(map(repr, alone))
    assert sum(found.read for found in together) == 23 + 5
    with pytest.raises(CannotVerify, match=r"set HEADRACE_SCHEMAS"):
        check_all(where._replace(schemas=Path("nowhere")), jobs, 2)


OVERLAY = "overlay(record placing 'X' from position('T1' in record))"
ONE_MORE = [name if name != "total" else "total + 1 AS total" for name in COLUMNS]
AN_OUTCOME = f"""
    SELECT replace(topic, 'events', 'outcomes') AS topic, partition, 0::bigint AS "offset", logged_at,
           logged_at AS asked_at, {", ".join(f"NULL AS {name}" for name in SAID[1:])}"""
IN_THE_DATABASE = {
    "a row changed": ("UPDATE orders_v1.orders SET total = 1 WHERE order_id = 'o-1'", {"rows"}, "o-1: total is 1"),
    "a row removed": ("DELETE FROM orders_v1.orders WHERE order_id = 'o-2'", {"rows"}, "and no row"),
    "a row added": (
        "INSERT INTO orders_v1.orders SELECT 'o-9', (o).version FROM orders_v1.orders o LIMIT 1",
        {"rows"},
        "o-9 has a row, and no event",
    ),
    "a row that readers do not see as it is": (
        f"CREATE OR REPLACE VIEW public.orders AS SELECT {', '.join(ONE_MORE)}, applied_at FROM orders_v1.orders",
        {"rows"},
        "public.orders o-1: total is 1531, must be 1530",
    ),
    "an event removed from the journal": (
        "DELETE FROM headrace.journal WHERE aggregate_id = 'o-1' AND version = 2",
        {"journal", "versions", "rows", "states"},
        "(o-1 version 2) is missing in the journal",
    ),
    "the last event removed from the journal": (
        "DELETE FROM headrace.journal WHERE aggregate_id = 'o-1' AND version = 3",
        {"journal", "rows"},
        "(o-1 version 3) is missing in the journal",
    ),
    "a journal record altered": (
        "UPDATE headrace.journal SET record = substr(record, 1, length(record) - 1) WHERE version = 3",
        {"journal", "contracts"},
        "the journal has other bytes than the topic",
    ),
    "a journal record altered so that it can still be read": (
        f"UPDATE headrace.journal SET record = {OVERLAY} WHERE version = 3",
        {"journal", "content", "states", "rows"},
        "o-1: tracking is 'T1', must be 'X1'",
    ),
    "a journal time altered": (
        "UPDATE headrace.journal SET logged_at = logged_at + interval '1 ms' WHERE version = 3",
        {"journal"},
        "the journal says it was logged at",
    ),
    "a version skipped in the journal": (
        "UPDATE headrace.journal SET version = 4 WHERE version = 3",
        {"journal"},
        "the journal's columns say ('o-1', 4, 'OrderShipped')",
    ),
    "a journal row under a partition that is not there": (
        "INSERT INTO headrace.journal SELECT topic, 77, 0, 'o-9', 1, 'x', now(), record FROM headrace.journal LIMIT 1",
        {"journal"},
        "[77], which does not exist",
    ),
    "a checkpoint too far": (
        "UPDATE headrace.checkpoints SET next_offset = next_offset + 100 WHERE projector = 'journal'",
        {"positions"},
        "is past the end of what is committed",
    ),
    "a checkpoint behind": (
        "UPDATE headrace.checkpoints SET next_offset = 0 WHERE projector = 'orders_v1'",
        {"positions"},
        "events behind the newest",
    ),
    "a token too large": (
        "UPDATE headrace.checkpoints SET command_offset = command_offset + 1 WHERE projector = 'orders_v1'",
        {"positions"},
        "is not the newest applied one",
    ),
    "an audit without a checkpoint": (
        f"CREATE TABLE headrace.audit AS {AN_OUTCOME} FROM headrace.journal LIMIT 1",
        {"audit", "positions"},
        "no checkpoint, although the audit holds 1 of its outcomes",
    ),
    "no checkpoint": ("DELETE FROM headrace.checkpoints WHERE projector = 'journal'", {"positions"}, "no checkpoint"),
}


@pytest.mark.parametrize(("damage", "checks", "problem"), IN_THE_DATABASE.values(), ids=IN_THE_DATABASE)
def test_damage_in_the_database_is_named(
    written: Written, postgres: Postgres, damage: str, checks: set[str], problem: str
) -> None:
    with fresh_database(postgres, template=written.database.rpartition("/")[2]) as copy:
        with psycopg.connect(copy) as connection:
            assert connection.execute(damage).rowcount != 0
        report = written.verify(copy)
    assert failed(report) == checks
    assert any(problem in found for check in report.checks for found in check.problems)


def test_a_view_of_an_unknown_domain_that_has_not_come_to_a_partition_is_named(
    written: Written, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(MODELS, written.past.domain)
    [empty, *_] = set(range(PARTITIONS)) - written.past.checkpoints.keys()
    row = ("lights_v1", f"{written.past.domain}.events", empty, 0, -1)
    with fresh_database(postgres, template=written.database.rpartition("/")[2]) as copy:
        with psycopg.connect(copy) as connection:
            connection.execute("INSERT INTO headrace.checkpoints VALUES (%s, %s, %s, %s, %s)", row)
        report = written.verify(copy)
    assert failed(report) == {"positions"}
    behind = report.check("positions").problems
    assert len(behind) == len(written.past.checkpoints)
    assert all("lights_v1" in problem and "no checkpoint, although" in problem for problem in behind)


def test_a_journal_that_lost_the_race_against_compaction_is_named(written: Written, postgres: Postgres) -> None:
    with fresh_database(postgres, template=written.database.rpartition("/")[2]) as copy:
        with psycopg.connect(copy) as connection:
            connection.execute("DELETE FROM headrace.journal")
            connection.execute("DELETE FROM orders_v1.orders")
            connection.execute("UPDATE headrace.checkpoints SET next_offset = 0, command_offset = -1")
        report = written.verify(copy)
    assert failed(report) == {"positions"}
    assert report.check("positions").problems_total == 2 * len(written.past.checkpoints)


def test_nothing_to_verify_and_nothing_to_reach_is_one_line_each(
    kafka: Kafka, postgres: Postgres, written: Written, tmp_path: Path
) -> None:
    nowhere = "postgresql://postgres@127.0.0.1:1/postgres"
    with fresh_database(postgres) as empty, topics_of_its_own(kafka.bootstrap_servers) as domain:
        schemas, entries = schemas_of(domain, tmp_path)
        with pytest.raises(CannotVerify, match=r"no table headrace.journal.*run `headrace migrate`"):
            verify(kafka.bootstrap_servers, empty, schemas)
        save(Past(written.log, entries, domain, PARTITIONS), kafka.bootstrap_servers, empty)
        with pytest.raises(CannotVerify, match="nothing to verify"):
            verify(kafka.bootstrap_servers, empty, schemas)
        with pytest.raises(CannotVerify, match=r"no Postgres at 127.0.0.1:1 lets us in") as refused:
            verify(kafka.bootstrap_servers, nowhere, schemas)
        assert "\n" not in str(refused.value)
        with pytest.raises(CannotVerify, match=r"no topic absent.commands, absent.events"):
            verify(kafka.bootstrap_servers, empty, schemas, domains=["absent"])


def test_a_broker_that_does_not_answer_is_one_line(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace_load.verify.topics.TIMEOUT_S", 2.0)
    with pytest.raises(CannotVerify, match=r"no Kafka broker answers at 127.0.0.1:1"):
        verify("127.0.0.1:1", written.database, written.schemas)


def test_a_second_commit_of_the_same_offsets_changes_nothing(written: Written) -> None:
    commit_offsets(written.past, written.kafka)
    assert written.verify().ok
