"""What follows from what, in the process of a transfer."""

from typing import Any

import pytest
from msgspec.structs import replace

from headrace.accounts.commands import CreditTransfer, PlaceHold, ReleaseHold, SettleCredit, SettleHold
from headrace.accounts.decider import accounts
from headrace.accounts.events import (
    AccountFrozen,
    AccountOpened,
    CreditSettled,
    HoldPlaced,
    HoldReleased,
    HoldSettled,
    MoneyDeposited,
    TransferCredited,
)
from headrace.app import bank
from headrace.kernel.message import ACCEPTED, PARKED, REFUSED, Fact, Outcome
from headrace.kernel.reactor import Answered, Reaction, Schedule, Send, Unschedule
from headrace.testing import facts, given
from headrace.transfers.commands import (
    ConfirmCredit,
    ConfirmHold,
    ConfirmRelease,
    ConfirmSettlement,
    ExpireTransfer,
    RefuseCredit,
    RefuseHold,
)
from headrace.transfers.decider import transfers
from headrace.transfers.events import (
    CreditRefused,
    FundsHeld,
    MoneyTransferred,
    TransactionCompleted,
    TransferApproved,
    TransferExpired,
    TransferFailed,
    TransferRequested,
)
from headrace.transfers.process import react, transfer_process

MONEY: tuple[Any, ...] = ("ann-1", "bob-1", 500, "GBP")
REQUESTED = TransferRequested(*MONEY, "ann", "rent", needs_review=False, expires_at=99)
TO_REVIEW = replace(REQUESTED, needs_review=True)
EXPIRE = Schedule("deadline", 99, Send("transfers", "t-1", ExpireTransfer()))
HOLD = Send("accounts", "ann-1", PlaceHold("t-1", "bob-1", 500, "GBP"))
RELEASE = Send("accounts", "ann-1", ReleaseHold("t-1"))
FUNDED = (AccountOpened("Ann", "GBP"), MoneyDeposited(1000, "GBP", "wages"))
HELD = HoldPlaced("t-1", "bob-1", 500, "GBP", 0)


def after(*events: Any) -> list[Reaction]:
    """What follows from the last of a transfer's events."""
    return list(react(list(facts(transfers, "t-1", *events))[-1]))


def after_account(name: str, *events: Any) -> list[Reaction]:
    """What follows from the last of an account's events."""
    return list(react(list(facts(accounts, name, *events))[-1]))


TRANSFER_STEPS: list[tuple[str, tuple[Any, ...], list[Reaction]]] = [
    ("a request asks for a hold, until the deadline", (REQUESTED,), [EXPIRE, HOLD]),
    ("a request that needs a review only waits", (TO_REVIEW,), [EXPIRE]),
    ("an approval asks for the hold", (TO_REVIEW, TransferApproved("bob")), [HOLD]),
    (
        "money that is held is credited",
        (REQUESTED, FundsHeld(*MONEY)),
        [Send("accounts", "bob-1", CreditTransfer("t-1", "ann-1", 500, "GBP"))],
    ),
    (
        "money that was credited is let go",
        (REQUESTED, MoneyTransferred(*MONEY)),
        [Send("accounts", "ann-1", SettleHold("t-1"))],
    ),
    (
        "a transfer that is done is forgotten, and so is its deadline",
        (REQUESTED, TransactionCompleted(*MONEY)),
        [Send("accounts", "bob-1", SettleCredit("t-1")), Unschedule("deadline")],
    ),
    ("a credit that is refused is given back", (REQUESTED, CreditRefused("c", "r")), [RELEASE]),
    ("a transfer that expired is given back", (REQUESTED, TransferExpired()), [RELEASE]),
    ("a transfer that failed needs no deadline", (REQUESTED, TransferFailed("c", "r")), [Unschedule("deadline")]),
]


@pytest.mark.parametrize(
    ("events", "follows"), [case[1:] for case in TRANSFER_STEPS], ids=[case[0] for case in TRANSFER_STEPS]
)
def test_a_step_of_a_transfer_has_its_consequence(events: tuple[Any, ...], follows: list[Reaction]) -> None:
    assert after(*events) == follows


ACCOUNT_STEPS: list[tuple[Any, Any]] = [
    (HELD, ConfirmHold()),
    (TransferCredited("t-1", "ann-1", 500, "GBP"), ConfirmCredit()),
    (HoldSettled("t-1", "bob-1", 500, "GBP"), ConfirmSettlement()),
    (HoldReleased("t-1", "bob-1", 500, "GBP"), ConfirmRelease()),
]


@pytest.mark.parametrize(("event", "answer"), ACCOUNT_STEPS, ids=lambda each: type(each).__name__)
def test_what_an_account_did_for_a_transfer_the_transfer_is_told(event: Any, answer: Any) -> None:
    assert after_account("ann-1", *FUNDED, HELD, event) == [Send("transfers", "t-1", answer)]


@pytest.mark.parametrize(
    "event",
    [*FUNDED, AccountFrozen("r"), CreditSettled("t-1", "ann-1", 500, "GBP")],
    ids=lambda event: type(event).__name__,
)
def test_what_an_account_did_for_itself_concerns_no_transfer(event: Any) -> None:
    assert after_account("bob-1", AccountOpened("Bob", "GBP"), event) == []


def answered(command: str, to: str, process_id: str, result: str = REFUSED, code: str = "FrozenAccount") -> Answered:
    refused = result == REFUSED
    outcome = Outcome(
        command_id="c",
        occurred_at=5000,
        aggregate_id=to,
        command_type=command,
        command_offset=0,
        body_hash=b"",
        result=result,
        code=code if refused else None,
        message="It is frozen." if refused else None,
        version=1,
        events=0 if refused else 1,
        correlation_id="x",
        causation_id="y",
    )
    return Answered(outcome, "accounts", "transfers" if process_id == "t-1" else "accounts", process_id, 1)


REFUSALS: list[tuple[str, Answered, list[Reaction]]] = [
    (
        "a hold that is refused ends the transfer",
        answered("PlaceHold", "ann-1", "t-1"),
        [Send("transfers", "t-1", RefuseHold("FrozenAccount", "It is frozen."))],
    ),
    (
        "a credit that is refused is the transfer's to know",
        answered("CreditTransfer", "bob-1", "t-1"),
        [Send("transfers", "t-1", RefuseCredit("FrozenAccount", "It is frozen."))],
    ),
    (
        "a deadline that came too early comes again, by the log's own clock",
        answered("ExpireTransfer", "t-1", "t-1", code="NotDueYet"),
        [Schedule("deadline", 6000, Send("transfers", "t-1", ExpireTransfer()))],
    ),
    ("a deadline that came too late is over", answered("ExpireTransfer", "t-1", "t-1", code="TooLateToExpire"), []),
    (
        "what must be given back is asked for again, for ever",
        answered("ReleaseHold", "ann-1", "t-1", code="Discarded"),
        [Schedule("ReleaseHold", 6000, RELEASE)],
    ),
    (
        "what must be let go likewise",
        answered("SettleHold", "ann-1", "t-1", code="Discarded"),
        [Schedule("SettleHold", 6000, Send("accounts", "ann-1", SettleHold("t-1")))],
    ),
    (
        "what must be forgotten likewise",
        answered("SettleCredit", "bob-1", "t-1", code="Discarded"),
        [Schedule("SettleCredit", 6000, Send("accounts", "bob-1", SettleCredit("t-1")))],
    ),
    (
        "money set aside for a transfer that has ended is given back",
        answered("ConfirmHold", "t-1", "ann-1", code="TransferEnded"),
        [RELEASE],
    ),
    (
        "money set aside for a transfer that never was is given back",
        answered("ConfirmHold", "t-1", "ann-1", code="UnknownTransfer"),
        [RELEASE],
    ),
    (
        "a confirmation that was given up is a person's to send",
        answered("ConfirmHold", "t-1", "a", code="Discarded"),
        [],
    ),
    ("so is another", answered("ConfirmCredit", "t-1", "a", code="NothingAskedFor"), []),
]


@pytest.mark.parametrize(("seen", "follows"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS])
def test_a_refusal_has_its_consequence(seen: Answered, follows: list[Reaction]) -> None:
    assert list(react(seen)) == follows


@pytest.mark.parametrize("result", [ACCEPTED, PARKED])
@pytest.mark.parametrize("command", ["PlaceHold", "CreditTransfer", "ReleaseHold", "ExpireTransfer"])
def test_an_answer_that_is_no_refusal_is_nothing_yet(command: str, result: str) -> None:
    assert list(react(answered(command, "ann-1", "t-1", result=result))) == []


@pytest.mark.parametrize(
    ("events", "step"),
    [
        ((TO_REVIEW,), "review"),
        ((TO_REVIEW, TransferApproved("bob")), "hold"),
        ((REQUESTED, FundsHeld(*MONEY)), "credit"),
        ((REQUESTED, MoneyTransferred(*MONEY)), "settlement"),
        ((REQUESTED, CreditRefused("c", "r")), "release"),
        ((REQUESTED, TransferExpired()), "release"),
        ((REQUESTED, TransactionCompleted(*MONEY)), None),
        ((REQUESTED, TransferFailed("c", "r")), None),
        ((), None),
    ],
)
def test_an_open_transfer_waits_for_a_step(events: tuple[Any, ...], step: str | None) -> None:
    assert transfer_process.waits_for(given(transfers, *events).state) == step


def test_the_bank_has_the_process_and_all_that_it_reads() -> None:
    assert bank.reactors == (transfer_process,)
    assert {*transfer_process.events, *transfer_process.answers} == {each.name for each in bank.aggregates}


def test_commands_of_a_reaction_are_commands_of_the_aggregate_that_they_go_to() -> None:
    seen: list[Fact[Any] | Answered] = [case[1] for case in REFUSALS]
    for _, events, _ in TRANSFER_STEPS:
        seen += facts(transfers, "t-1", *events)
    for event, _ in ACCOUNT_STEPS:
        seen += facts(accounts, "ann-1", *FUNDED, HELD, event)
    for reaction in (reaction for each in seen for reaction in react(each)):
        send = reaction.send if isinstance(reaction, Schedule) else reaction
        if isinstance(send, Send):
            assert type(send.command) in bank.aggregate(send.aggregate).command_types
