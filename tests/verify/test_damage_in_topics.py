"""Damage in the topics of a real broker, and which check names it."""

from collections.abc import Callable

import psycopg
import pytest

from headrace_load.verify.murmur2 import partition_of
from verify.past import CREATE, PAY, Past
from verify.past_on_servers import PARTITIONS, KafkaLog, Written, failed, save

pytestmark = pytest.mark.edge


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
