"""The row of a transfer, step by step, and what transfers add to a day."""

from datetime import UTC, date, datetime
from random import Random
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec.structs import replace

from headrace.kernel.errors import Fault
from headrace.kernel.message import Fact
from headrace.kernel.view import View
from headrace.testing import facts, fold, given
from headrace.transfers.decider import transfers
from headrace.transfers.events import (
    CreditRefused,
    Event,
    FundsHeld,
    MoneyTransferred,
    TransactionCompleted,
    TransferApproved,
    TransferExpired,
    TransferFailed,
    TransferRequested,
)
from headrace.transfers.views import TransferRow, transfers_view
from headrace.transfers.volumes import VolumeRow, transfer_volumes

MONEY: tuple[Any, ...] = ("ann-1", "bob-1", 500, "GBP")
REQUESTED = TransferRequested(*MONEY, "ann", "rent", needs_review=False, expires_at=86_400_000)
TO_REVIEW = replace(REQUESTED, needs_review=True)
APPROVED = TransferApproved("bob")
DONE: list[Event] = [REQUESTED, FundsHeld(*MONEY), MoneyTransferred(*MONEY), TransactionCompleted(*MONEY)]
EXPIRED = "The deadline came before the money was set aside."


def at(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1, 0, 0, 0, milliseconds * 1000, tzinfo=UTC)


NEW = TransferRow(
    transfer_id="t-1",
    version=1,
    status="requested",
    from_account="ann-1",
    to_account="bob-1",
    amount=500,
    currency="GBP",
    requested_by="ann",
    reference="rent",
    reviewed_by=None,
    code=None,
    reason=None,
    expires_at=datetime(1970, 1, 2, tzinfo=UTC),
    requested_at=at(1),
    updated_at=at(1),
    ended_at=None,
)


def row(*events: Event) -> TransferRow:
    return fold(transfers_view, facts(transfers, "t-1", *events))["t-1",]


def changed(version: int, **changes: Any) -> TransferRow:
    return replace(NEW, version=version, updated_at=at(version), **changes)


FAILED = TransferFailed("Frozen", "It is frozen.")
STEPS: list[tuple[str, list[Event], TransferRow]] = [
    ("requested", [REQUESTED], NEW),
    ("to be reviewed", [TO_REVIEW], replace(NEW, status="awaiting_review")),
    ("approved", [TO_REVIEW, APPROVED], changed(2, reviewed_by="bob")),
    (
        "rejected",
        [TO_REVIEW, TransferFailed("Rejected", "odd", "bob")],
        changed(2, status="failed", reviewed_by="bob", code="Rejected", reason="odd", ended_at=at(2)),
    ),
    ("held", DONE[:2], changed(2, status="held")),
    ("credited", DONE[:3], changed(3, status="credited")),
    ("completed", DONE, changed(4, status="completed", ended_at=at(4))),
    (
        "refused",
        [*DONE[:2], CreditRefused("Frozen", "It is frozen.")],
        changed(3, status="releasing", code="Frozen", reason="It is frozen."),
    ),
    (
        "given back",
        [*DONE[:2], CreditRefused("Frozen", "It is frozen."), FAILED],
        changed(4, status="failed", code="Frozen", reason="It is frozen.", ended_at=at(4)),
    ),
    ("expired", [REQUESTED, TransferExpired()], changed(2, status="releasing", code="Expired", reason=EXPIRED)),
    (
        "approved and failed",
        [TO_REVIEW, APPROVED, FAILED],
        changed(3, status="failed", reviewed_by="bob", code="Frozen", reason="It is frozen.", ended_at=at(3)),
    ),
]


@pytest.mark.parametrize(("events", "expected"), [case[1:] for case in STEPS], ids=[case[0] for case in STEPS])
def test_a_row_shows_where_a_transfer_is_and_agrees_with_its_state(events: list[Event], expected: TransferRow) -> None:
    assert row(*events) == expected
    state = given(transfers, *events).state
    for field in set(expected.__struct_fields__) & set(state.__struct_fields__) - {"expires_at"}:
        assert getattr(expected, field) == getattr(state, field), field
    assert expected.reviewed_by == (state.rejected_by or state.approved_by)


def test_a_log_that_lacks_its_first_event_is_a_fault_that_names_the_transfer() -> None:
    with pytest.raises(Fault, match=r"FundsHeld, version 2 of 't-1', finds no row"):
        fold(transfers_view, list(facts(transfers, "t-1", *DONE))[1:])


def test_what_was_requested_completed_and_failed_counts_on_its_day() -> None:
    assert list(fold(transfer_volumes, facts(transfers, "t-1", *DONE)).values()) == [
        VolumeRow(0, date(1970, 1, 1), "GBP", requested=1, requested_amount=500, completed=1, completed_amount=500)
    ]
    failed = facts(transfers, "t-1", TO_REVIEW, APPROVED, FAILED)
    assert list(fold(transfer_volumes, failed).values()) == [
        VolumeRow(0, date(1970, 1, 1), "GBP", requested=1, requested_amount=500, failed=1, failed_amount=500)
    ]


def test_each_event_counts_on_the_day_on_which_it_occurred() -> None:
    first, *_, last = facts(transfers, "t-1", *DONE)
    late = replace(last, meta=replace(last.meta, occurred_at=86_400_000))
    assert list(fold(transfer_volumes, [first, late])) == [(0, date(1970, 1, 1), "GBP"), (0, date(1970, 1, 2), "GBP")]


def test_days_currencies_and_partitions_are_apart() -> None:
    euros = replace(REQUESTED, currency="EUR")
    log = [
        *facts(transfers, "t-1", REQUESTED),
        *facts(transfers, "t-2", euros),
        *(replace(fact, partition=1) for fact in facts(transfers, "t-3", REQUESTED)),
    ]
    day = date(1970, 1, 1)
    assert list(fold(transfer_volumes, log)) == [(0, day, "GBP"), (0, day, "EUR"), (1, day, "GBP")]


LIVES: list[list[Event]] = [case[1] for case in STEPS]


@for_all(st.lists(st.sampled_from(LIVES), max_size=8), st.randoms(use_true_random=False))
def test_rows_are_the_same_in_whatever_order_facts_come(lives: list[list[Event]], chance: Random) -> None:
    log: list[Fact[Event]] = [
        fact for number, events in enumerate(lives) for fact in facts(transfers, f"t-{number}", *events)
    ]
    shuffled = list(log)
    chance.shuffle(shuffled)
    assert fold(transfer_volumes, shuffled) == fold(transfer_volumes, log)


@pytest.mark.parametrize("view", [transfers_view, transfer_volumes], ids=lambda view: view.name)
def test_the_table_has_a_column_for_every_field_of_the_row_and_one_that_the_database_fills(view: View[Any]) -> None:
    body = view.table.ddl.partition("(\n")[2].partition("\n)")[0]
    columns = [line.split()[0] for line in body.splitlines() if "PRIMARY KEY (" not in line]
    assert columns == [*view.table.row.__struct_fields__, "applied_at"]
