"""The verifier on real Kafka and Postgres: it passes what is right, and names planted damage by the right check."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from headrace_load.verify import CannotVerify, Report, verify
from headrace_load.verify.murmur2 import partition_of
from headrace_load.verify.rows import MODELS
from servers import Kafka, Postgres, fresh_database
from verify.past import CREATE, PAY, Past, write_small_past
from verify.past_on_servers import PARTITIONS, KafkaLog, commit_offsets, save, schemas_of, topics_of_its_own

pytestmark = pytest.mark.edge


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


@pytest.fixture(scope="module")
def write(
    kafka: Kafka, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Written]]:
    """Writes a past on topics and in a database of its own."""
    with ExitStack() as opened, pytest.MonkeyPatch.context() as patch:

        def write_one() -> Written:
            domain = opened.enter_context(topics_of_its_own(kafka.bootstrap_servers))
            database = opened.enter_context(fresh_database(postgres))
            patch.setitem(MODELS, domain, MODELS["orders"])
            folder, entries = schemas_of(domain, tmp_path_factory.mktemp("schemas"))
            log = KafkaLog(kafka.bootstrap_servers)
            past = Past(log, entries, domain, PARTITIONS)
            write_small_past(past)
            _abort_something(past, log)
            save(past, kafka.bootstrap_servers, database)
            return Written(past, log, kafka.bootstrap_servers, database, folder)

        yield write_one


@pytest.fixture(scope="module")
def written(write: Callable[[], Written]) -> Written:
    """A past that several tests share; they change copies of its database only."""
    return write()


def _abort_something(past: Past, log: KafkaLog) -> None:
    """Leave aborted records behind the last ones of each topic, as a killed handler does."""
    with log.transaction(commit=False):
        for kind in ("events", "outcomes", "parked"):
            for partition in range(PARTITIONS):
                log.append(f"{past.domain}.{kind}", partition, b"o-1", b"never seen", [])


def failed(report: Report) -> set[str]:
    return {check.name for check in report.checks if not check.ok}


def test_a_past_without_damage_passes_every_check_and_says_what_was_counted(written: Written) -> None:
    report = written.verify()
    assert {check.name: check.problems for check in report.checks if not check.ok} == {}
    counted = {check.name: dict(check.counted) for check in report.checks}
    assert counted["versions"] == {"events": 5, "aggregates": 2}
    assert counted["journal"] == {"in_topic": 5, "in_journal": 5, "compared": 5}
    assert counted["answers"] == {"commands": 8, "others": 1, "outcomes": 8, "parked": 1}
    assert counted["effects"] == {"accepted": 6, "refused": 2, "events": 5}
    assert counted["resends"] == {"resends": 2, "command_ids": 6}
    assert counted["rows"] == {"aggregates": 2, "rows": 2, "missing": 0}
    assert counted["states"] == {"events": 5}
    assert counted["facts"] == {"events": 5, "with_command": 5}


IN_THE_DATABASE = {
    "a row changed": ("UPDATE orders_v1.orders SET total = 1 WHERE order_id = 'o-1'", {"rows"}, "o-1: total is 1"),
    "a row removed": ("DELETE FROM orders_v1.orders WHERE order_id = 'o-2'", {"rows"}, "and no row"),
    "a row added": (
        "INSERT INTO orders_v1.orders SELECT 'o-9', (o).version FROM orders_v1.orders o LIMIT 1",
        {"rows"},
        "o-9 has a row, and no event",
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
        "UPDATE headrace.journal SET record = overlay(record placing 'X' from position('T1' in record)) WHERE version=3",
        {"journal", "states", "rows"},
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
        "is past the end",
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
    "no checkpoint": ("DELETE FROM headrace.checkpoints WHERE projector = 'journal'", {"positions"}, "no checkpoint"),
}


@pytest.mark.parametrize(("damage", "checks", "problem"), IN_THE_DATABASE.values(), ids=IN_THE_DATABASE)
def test_damage_in_the_database_is_named(
    written: Written, postgres: Postgres, damage: str, checks: set[str], problem: str
) -> None:
    with fresh_database(postgres, template=written.database.rpartition("/")[2]) as copy:
        with psycopg.connect(copy) as connection:
            assert connection.execute(damage).rowcount > 0
        report = written.verify(copy)
    assert failed(report) == checks
    assert any(problem in found for check in report.checks for found in check.problems)


def double_an_outcome(past: Past) -> None:
    asked = past.ask("o-1", "PayOrder", PAY)
    for _ in range(2):
        past.outcome(asked, result="refused", code="AlreadyPaid", message="why", version=3)


def leave_out_an_outcome(past: Past) -> None:
    past.ask("o-1", "PayOrder", PAY)
    past.outcome(past.ask("o-1", "PayOrder", PAY), result="refused", code="AlreadyPaid", message="why", version=3)


def leave_garbage_where_it_is(past: Past) -> None:
    past.garbage(partition_of(b"o-1", PARTITIONS))
    past.outcome(past.ask("o-1", "PayOrder", PAY), result="refused", code="AlreadyPaid", message="why", version=3)


def add_an_event_that_nobody_asked_for(past: Past) -> None:
    asked = past.ask("o-3", "CreateOrder", CREATE)
    past.outcome(asked, result="refused", code="NoLines", message="why", version=0)
    past.event(asked, "OrderCreated", CREATE | {"total": 1530})


def skip_a_version(past: Past) -> None:
    asked = past.ask("o-3", "CreateOrder", CREATE)
    past.event(asked, "OrderCreated", CREATE | {"total": 1530}, version=2, event_id=f"{past.domain}/o-3/2")
    past.outcome(asked, version=2, events=1)


def use_a_wrong_partition(past: Past) -> None:
    wrong = (partition_of(b"o-4", PARTITIONS) + 1) % PARTITIONS
    asked = past.ask("o-4", "CreateOrder", CREATE, partition=wrong)
    past.accept(asked, "OrderCreated", CREATE | {"total": 1530})


def answer_without_committing_the_offset(past: Past) -> None:
    before = dict(past.committed)
    past.accept(past.ask("o-3", "CreateOrder", CREATE), "OrderCreated", CREATE | {"total": 1530})
    past.committed = before


def leave_a_transaction_open(past: Past) -> None:
    assert isinstance(past.log, KafkaLog)
    log = KafkaLog(past.log.where)
    log.transaction().__enter__()
    log.append(f"{past.domain}.outcomes", 0, b"o-1", b"pending", [])


IN_THE_TOPICS: dict[str, tuple[Callable[[Past], None], set[str], str]] = {
    "an outcome doubled": (double_an_outcome, {"answers"}, "has 2 outcomes instead of 1"),
    "an outcome missing": (leave_out_an_outcome, {"answers"}, "has 0 outcomes instead of 1"),
    "garbage ignored": (leave_garbage_where_it_is, {"answers"}, "has 0 parked records instead of 1"),
    "an event without a command": (
        add_an_event_that_nobody_asked_for,
        {"effects"},
        "refused with 0 events, the log has 1",
    ),
    "a version skipped": (skip_a_version, {"versions", "rows"}, "o-3: the journal goes from version 0 to 2"),
    "a wrong partition": (use_a_wrong_partition, {"keys"}, "holds o-4, whose partition is"),
    "an offset not committed": (answer_without_committing_the_offset, {"positions"}, "is not past the newest answered"),
    "an open transaction": (leave_a_transaction_open, {"positions"}, "a transaction is open"),
}


@pytest.mark.parametrize(("damage", "checks", "problem"), IN_THE_TOPICS.values(), ids=IN_THE_TOPICS)
def test_damage_in_the_topics_is_named(
    write: Callable[[], Written], damage: Callable[[Past], None], checks: set[str], problem: str
) -> None:
    written = write()
    damage(written.past)
    with psycopg.connect(written.database) as connection:
        connection.execute("DROP SCHEMA headrace, orders_v1 CASCADE")
    save(written.past, written.kafka, written.database)
    report = written.verify()
    assert failed(report) == checks
    assert any(problem in found for check in report.checks for found in check.problems)


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
