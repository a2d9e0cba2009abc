"""The rules of a transfer, one a test: what happened before, what is asked, what comes of it."""

from typing import Any

import pytest
from msgspec.structs import replace

from headrace.accounts import money
from headrace.accounts.limits import Limits
from headrace.kernel.errors import Rejected
from headrace.testing import given
from headrace.transfers import refusals
from headrace.transfers.commands import (
    ApproveTransfer,
    Command,
    ConfirmCredit,
    ConfirmHold,
    ConfirmRelease,
    ConfirmSettlement,
    ExpireTransfer,
    RefuseCredit,
    RefuseHold,
    RejectTransfer,
    RequestTransfer,
)
from headrace.transfers.decider import transfers, transfers_with
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

HOUR = 3_600_000
DUE = 1_000_000
MONEY: tuple[Any, ...] = ("ann-1", "bob-1", 500, "GBP")
EXPIRED = "The deadline came before the money was set aside."

REQUEST = RequestTransfer(*MONEY, "ann", "rent", DUE)
REQUESTED = TransferRequested(*MONEY, "ann", "rent", needs_review=False, expires_at=DUE)
TO_REVIEW: tuple[Event, ...] = (replace(REQUESTED, needs_review=True),)
TO_REQUESTED: tuple[Event, ...] = (REQUESTED,)
TO_APPROVED: tuple[Event, ...] = (*TO_REVIEW, TransferApproved("bob"))
TO_HELD: tuple[Event, ...] = (REQUESTED, FundsHeld(*MONEY))
TO_CREDITED: tuple[Event, ...] = (*TO_HELD, MoneyTransferred(*MONEY))
TO_COMPLETED: tuple[Event, ...] = (*TO_CREDITED, TransactionCompleted(*MONEY))
TO_REFUSED: tuple[Event, ...] = (*TO_HELD, CreditRefused("FrozenAccount", "It is frozen."))
TO_EXPIRED: tuple[Event, ...] = (REQUESTED, TransferExpired())
TO_FAILED: tuple[Event, ...] = (REQUESTED, TransferFailed("InsufficientFunds", "Too poor."))

HISTORIES = {
    "awaiting_review": TO_REVIEW,
    "requested": TO_REQUESTED,
    "held": TO_HELD,
    "credited": TO_CREDITED,
    "releasing": TO_REFUSED,
    "completed": TO_COMPLETED,
    "failed": TO_FAILED,
}


def test_a_transfer_is_requested_with_a_deadline() -> None:
    assert given(transfers).when(REQUEST) == [REQUESTED]


def test_a_transfer_without_a_deadline_gets_the_bank_s() -> None:
    within = transfers_with(Limits(review_hours=2))
    assert given(within).when(replace(REQUEST, expires_at=None), at=7) == [replace(REQUESTED, expires_at=7 + 2 * HOUR)]


def test_a_transfer_above_the_threshold_waits_for_a_second_person() -> None:
    careful = transfers_with(Limits(review_above=499))
    assert given(careful).when(REQUEST) == list(TO_REVIEW)
    assert given(transfers_with(Limits(review_above=500))).when(REQUEST) == [REQUESTED]
    assert given(careful, *TO_REVIEW).state.status == "awaiting_review"


def test_a_second_person_lets_it_go_on() -> None:
    assert given(transfers, *TO_REVIEW).when(ApproveTransfer("bob")) == [TransferApproved("bob")]
    assert given(transfers, *TO_APPROVED).state.status == "requested"


def test_a_second_person_ends_it() -> None:
    [failed] = given(transfers, *TO_REVIEW).when(RejectTransfer("bob", "looks odd"))
    assert failed == TransferFailed("Rejected", "looks odd", "bob")
    after = given(transfers, *TO_REVIEW, failed).state
    assert (after.status, after.code, after.reason, after.rejected_by) == ("failed", "Rejected", "looks odd", "bob")


STEPS: list[tuple[str, tuple[Event, ...], Command, Event]] = [
    ("the money is set aside", TO_REQUESTED, ConfirmHold(), FundsHeld(*MONEY)),
    ("so it is after a review", TO_APPROVED, ConfirmHold(), FundsHeld(*MONEY)),
    ("the money is not set aside", TO_REQUESTED, RefuseHold("Poor", "Too poor."), TransferFailed("Poor", "Too poor.")),
    ("the money has arrived", TO_HELD, ConfirmCredit(), MoneyTransferred(*MONEY)),
    ("the money is not taken", TO_HELD, RefuseCredit("Frozen", "It is."), CreditRefused("Frozen", "It is.")),
    ("the first account lets go", TO_CREDITED, ConfirmSettlement(), TransactionCompleted(*MONEY)),
    (
        "the first account has it back",
        TO_REFUSED,
        ConfirmRelease(),
        TransferFailed("FrozenAccount", "It is frozen."),
    ),
    ("it has it back after the deadline", TO_EXPIRED, ConfirmRelease(), TransferFailed("Expired", EXPIRED)),
    (
        "it never had it set aside before the deadline",
        TO_EXPIRED,
        RefuseHold("Poor", "Too poor."),
        TransferFailed("Poor", "Too poor."),
    ),
]


@pytest.mark.parametrize(("history", "command", "event"), [case[1:] for case in STEPS], ids=[case[0] for case in STEPS])
def test_an_account_s_answer_is_a_step(history: tuple[Event, ...], command: Command, event: Event) -> None:
    assert given(transfers, *history).when(command) == [event]


ANSWERS: dict[Command, dict[str, str]] = {
    ConfirmHold(): {
        "requested": "step", "held": "again", "credited": "again", "releasing": "again",
        "completed": "ended", "failed": "ended",
    },
    RefuseHold("c", "r"): {"requested": "step", "releasing": "step", "failed": "again"},
    ConfirmCredit(): {"held": "step", "credited": "again", "completed": "again"},
    RefuseCredit("c", "r"): {"held": "step", "releasing": "again", "failed": "again"},
    ConfirmSettlement(): {"credited": "step", "completed": "again"},
    ConfirmRelease(): {"releasing": "step", "failed": "again"},
}  # fmt: skip


@pytest.mark.parametrize("status", HISTORIES)
@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_an_answer_is_a_step_or_an_old_one_or_one_to_nothing(answer: Command, status: str) -> None:
    transfer = given(transfers, *HISTORIES[status])
    assert transfer.state.status == status
    match ANSWERS[answer].get(status):
        case "step":
            assert len(transfer.when(answer)) == 1
        case "again":
            assert transfer.when(answer) == []
        case "ended":
            with pytest.raises(refusals.TransferEnded):
                transfer.when(answer)
        case _:
            with pytest.raises(refusals.NothingAskedFor):
                transfer.when(answer)


def test_a_deadline_ends_a_transfer_that_nobody_reviewed() -> None:
    assert given(transfers, *TO_REVIEW).when(ExpireTransfer(), at=DUE) == [TransferFailed("Expired", EXPIRED)]


def test_a_deadline_has_the_money_given_back_that_may_be_set_aside() -> None:
    assert given(transfers, *TO_REQUESTED).when(ExpireTransfer(), at=DUE) == [TransferExpired()]
    assert given(transfers, *TO_APPROVED).when(ExpireTransfer(), at=DUE + 1) == [TransferExpired()]
    assert given(transfers, *TO_EXPIRED).state.status == "releasing"


@pytest.mark.parametrize("status", ["held", "credited", "releasing", "completed", "failed"])
@pytest.mark.parametrize("at", [0, DUE])
def test_a_deadline_that_comes_after_the_money_was_set_aside_loses(status: str, at: int) -> None:
    with pytest.raises(refusals.TooLateToExpire):
        given(transfers, *HISTORIES[status]).when(ExpireTransfer(), at=at)


WRONG_TIME: list[tuple[str, tuple[Event, ...], Command, type[Rejected]]] = [
    ("a transfer is requested once", TO_REQUESTED, REQUEST, refusals.AlreadyRequested),
    ("a transfer that failed is not requested again", TO_FAILED, REQUEST, refusals.AlreadyRequested),
    ("what needs no review is not approved", TO_REQUESTED, ApproveTransfer("bob"), refusals.NotAwaitingReview),
    ("a transfer is approved once", TO_APPROVED, ApproveTransfer("bob"), refusals.NotAwaitingReview),
    ("what was approved is not rejected", TO_APPROVED, RejectTransfer("bob", "r"), refusals.NotAwaitingReview),
    ("what has failed is not approved", TO_FAILED, ApproveTransfer("bob"), refusals.NotAwaitingReview),
    ("who asks does not approve", TO_REVIEW, ApproveTransfer("ann"), refusals.SelfApproval),
    ("who asks does not approve, however written", TO_REVIEW, ApproveTransfer(" Ann"), refusals.SelfApproval),
    ("who asks does not reject", TO_REVIEW, RejectTransfer("ann", "r"), refusals.SelfApproval),
    ("a deadline comes in its time", TO_REQUESTED, ExpireTransfer(), refusals.NotDueYet),
    ("so it does in a review", TO_REVIEW, ExpireTransfer(), refusals.NotDueYet),
    *(
        (f"what does not exist takes no {type(command).__name__}", (), command, refusals.UnknownTransfer)
        for command in (*ANSWERS, ApproveTransfer("bob"), RejectTransfer("bob", "r"), ExpireTransfer())
    ),
]


@pytest.mark.parametrize(
    ("history", "command", "refusal"), [case[1:] for case in WRONG_TIME], ids=[case[0] for case in WRONG_TIME]
)
def test_each_step_has_its_time(history: tuple[Event, ...], command: Command, refusal: type[Rejected]) -> None:
    with pytest.raises(refusal):
        given(transfers, *history).when(command, at=DUE - 1)


WRONG_CONTENT: list[tuple[str, tuple[Event, ...], Command, type[Rejected]]] = [
    ("money does not go in a circle", (), replace(REQUEST, to_account="ann-1"), refusals.SameAccount),
    ("an amount is not 0", (), replace(REQUEST, amount=0), money.AmountNotPositive),
    ("an amount is not negative", (), replace(REQUEST, amount=-5), money.AmountNotPositive),
    ("an amount is a number that json keeps", (), replace(REQUEST, amount=2**53), money.AmountTooLarge),
    ("an amount is within limits", (), replace(REQUEST, amount=1_000_000_001), refusals.TransferTooLarge),
    ("a currency has three letters", (), replace(REQUEST, currency="POUND"), money.CurrencyInvalid),
    ("an account has an id", (), replace(REQUEST, from_account=""), money.IdInvalid),
    ("an account's id is no novel", (), replace(REQUEST, to_account="x" * 201), money.IdInvalid),
    ("an account's id holds no NUL", (), replace(REQUEST, to_account="a\0"), money.IdInvalid),
    ("somebody asks", (), replace(REQUEST, requested_by=" "), money.BlankText),
    ("a transfer is for something", (), replace(REQUEST, reference=""), money.BlankText),
    ("a reference fits a row", (), replace(REQUEST, reference="x" * 501), money.TextTooLong),
    ("a reference holds no NUL", (), replace(REQUEST, reference="a\0b"), money.TextNotStorable),
    ("a deadline is not now", (), replace(REQUEST, expires_at=10), refusals.DeadlinePassed),
    ("a deadline is not in the past", (), replace(REQUEST, expires_at=-1), refusals.DeadlinePassed),
    ("a deadline is within a year", (), replace(REQUEST, expires_at=366 * 24 * HOUR + 11), refusals.DeadlineTooFar),
    ("a deadline is no number without end", (), replace(REQUEST, expires_at=2**63 - 1), refusals.DeadlineTooFar),
    ("somebody approves", TO_REVIEW, ApproveTransfer(""), money.BlankText),
    ("somebody rejects", TO_REVIEW, RejectTransfer(" ", "r"), money.BlankText),
    ("somebody rejects for a reason", TO_REVIEW, RejectTransfer("bob", ""), money.BlankText),
]


@pytest.mark.parametrize(
    ("history", "command", "refusal"), [case[1:] for case in WRONG_CONTENT], ids=[case[0] for case in WRONG_CONTENT]
)
def test_what_is_asked_must_make_sense(history: tuple[Event, ...], command: Command, refusal: type[Rejected]) -> None:
    with pytest.raises(refusal):
        given(transfers, *history).when(command, at=10)


def test_the_latest_deadline_and_the_largest_transfer_are_accepted() -> None:
    last = replace(REQUEST, amount=1_000_000_000, expires_at=366 * 24 * HOUR + 10)
    assert len(given(transfers).when(last, at=10)) == 1
    all_of_it = transfers_with(Limits(single_transfer=2**53 - 1))
    assert len(given(all_of_it).when(replace(REQUEST, amount=2**53 - 1))) == 1


def test_every_refusal_is_tried_and_says_why_in_one_line() -> None:
    listed = {kind for kind in vars(refusals).values() if isinstance(kind, type) and issubclass(kind, Rejected)}
    listed.remove(Rejected)
    elsewhere = {refusals.NothingAskedFor, refusals.TransferEnded, refusals.TooLateToExpire}
    assert listed <= {case[3] for case in [*WRONG_TIME, *WRONG_CONTENT]} | elsewhere
    for refusal in listed:
        assert refusal.__doc__ is not None
        assert refusal().message == refusal.__doc__
        assert refusal().code == refusal.__name__
