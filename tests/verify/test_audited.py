"""Damage to the audit, and that the verifier names it."""

from typing import Any

import pytest

from headrace_load.verify.audited import Kept, compare
from headrace_load.verify.records import Checkpoint, Partition
from headrace_load.verify.report import Check
from verify.checking import CHECKS, kept, read, small_past, wrong
from verify.past import Past

END = Checkpoint(15, 8)


@pytest.fixture
def past() -> Past:
    return small_past()


def with_audit(past: Past, rows: list[Kept], at: Checkpoint = END) -> Partition:
    return read(past, audit=(at, rows))


def test_an_audit_that_holds_every_outcome_is_fine(past: Past) -> None:
    part = with_audit(past, kept(past))
    assert wrong(part) == {}
    check = Check("audit", "")
    CHECKS["audit"](part, check)
    assert check.counted == {"in_topic": 8, "in_audit": 8}


def test_where_no_audit_is_kept_nothing_is_looked_at(past: Past) -> None:
    part = read(past)
    check = Check("audit", "")
    CHECKS["audit"](part, check)
    assert (check.counted, wrong(part)) == ({}, {})


def test_an_outcome_that_is_missing_in_the_audit_is_named(past: Past) -> None:
    rows = kept(past)
    del rows[3]
    assert wrong(with_audit(past, rows)) == {
        "audit": ["orders.outcomes[0] offset 6 is missing in the audit, which claims to hold all below offset 15"]
    }


def test_an_audit_that_has_not_come_so_far_is_late_and_not_wrong(past: Past) -> None:
    assert wrong(with_audit(past, kept(past)[:-1], Checkpoint(13, 7))) == {
        "positions": ["audit at orders.outcomes[0]: next offset 13 is 1 outcomes behind the newest, offset 14"]
    }
    assert wrong(with_audit(past, kept(past), Checkpoint(99, 8))) == {
        "positions": ["audit at orders.outcomes[0]: next offset 99 is past the end of what is committed, 16"]
    }


def test_an_audit_whose_checkpoint_is_gone_is_named(past: Past) -> None:
    assert wrong(with_audit(past, kept(past), Checkpoint(0, -1))) == {
        "positions": ["audit at orders.outcomes[0]: no checkpoint, although the audit holds 8 of its outcomes"]
    }


def test_a_row_that_is_no_outcome_is_named_unless_the_topic_has_deleted_it(past: Past) -> None:
    rows = kept(past)
    assert wrong(with_audit(past, [*rows[:2], rows[1]._replace(offset=3), *rows[2:]])) == {
        "audit": ["offset 3 (o-2) is in the audit and not in the topic"]
    }
    part = read(past)
    part.audit, part.ends["outcomes"] = END, part.ends["outcomes"]._replace(low=3)
    compare(part, None, rows[0], None)
    assert part.unkept == []
    compare(part, None, rows[5], None)
    assert len(part.unkept) == 1


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"log_time": 7}, "the audit says it was logged at 7, the topic at "),
        ({"occurred_at": 7}, "the audit says occurred_at 7, the outcome "),
        ({"actor": "eve"}, "the audit says actor 'eve', the outcome None"),
        ({"command_type": "PayOrder"}, "the audit says command_type 'PayOrder', the outcome 'CreateOrder'"),
        ({"aggregate_id": "o-9"}, "the audit says aggregate_id 'o-9', the outcome 'o-1'"),
        ({"command_id": "c"}, "the audit says command_id 'c', the outcome "),
        ({"command_offset": 9}, "the audit says command_offset 9, the outcome 0"),
        ({"correlation_id": "c"}, "the audit says correlation_id 'c', the outcome "),
        ({"causation_id": "c"}, "the audit says causation_id 'c', the outcome "),
        ({"result": "refused"}, "the audit says result 'refused', the outcome 'accepted'"),
        ({"code": "NotPaid"}, "the audit says code 'NotPaid', the outcome None"),
        ({"message": "why"}, "the audit says message 'why', the outcome None"),
        ({"version": 2}, "the audit says version 2, the outcome 1"),
        ({"events": 0}, "the audit says events 0, the outcome 1"),
        ({"repeated": True}, "the audit says repeated True, the outcome False"),
        ({"body_hash": b""}, "the audit says body_hash b'', the outcome b"),
    ],
    ids=lambda it: next(iter(it)) if isinstance(it, dict) else "",
)
def test_a_row_that_says_something_else_is_named(past: Past, changes: dict[str, Any], problem: str) -> None:
    rows = kept(past)
    rows[0] = rows[0]._replace(**changes)
    [found] = wrong(with_audit(past, rows))["audit"]
    assert found.startswith(f"orders.outcomes[0] offset 0: {problem}")


def test_a_nul_that_postgres_does_not_take_is_no_difference(past: Past) -> None:
    asked = past.ask("o-3", "PayOrder", {"payment_id": "p", "amount": 1, "currency": "GBP"})
    past.outcome(asked, result="refused", code="EnvelopeInvalid", message="m", version=0, actor="a\0b")
    rows = kept(past)
    rows[-1] = rows[-1]._replace(actor="a\\0b")
    assert "audit" not in wrong(with_audit(past, rows, Checkpoint(17, 9)))
