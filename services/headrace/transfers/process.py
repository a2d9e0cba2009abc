"""The process of a transfer: what follows from what, on the transfer and on its two accounts.

Money is set aside first, then credited, then let go; a credit that is refused gives it back. What is under way is
remembered by the accounts, by the transfer's id, so a command that comes again changes nothing.
"""

from collections.abc import Sequence
from typing import Any, Final

from headrace.accounts.commands import CreditTransfer, PlaceHold, ReleaseHold, SettleCredit, SettleHold
from headrace.accounts.events import HoldPlaced, HoldReleased, HoldSettled, TransferCredited
from headrace.accounts.money import LONGEST_TEXT
from headrace.kernel.message import REFUSED, Fact
from headrace.kernel.reactor import Answered, Reaction, Reactor, Schedule, Send, Unschedule
from headrace.transfers.commands import (
    ConfirmCredit,
    ConfirmHold,
    ConfirmRelease,
    ConfirmSettlement,
    ExpireTransfer,
    RefuseCredit,
    RefuseHold,
)
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
from headrace.transfers.refusals import NotDueYet, TransferEnded, UnknownTransfer
from headrace.transfers.transfer import Transfer

DEADLINE: Final = "deadline"
AGAIN_MS: Final = 1000
"""How long after a refusal that must not stand the same is asked again."""
UNWANTED: Final = (TransferEnded.__name__, UnknownTransfer.__name__)
WAITS_FOR: Final = {
    "awaiting_review": "review",
    "requested": "hold",
    "held": "credit",
    "credited": "settlement",
    "releasing": "release",
}
ENDINGS: Final = {kind.__name__: kind for kind in (SettleHold, ReleaseHold, SettleCredit)}


def react(seen: Fact[Any] | Answered) -> Sequence[Reaction]:
    """The commands and timers that follow from an event, or from a refusal; other answers show in events."""
    if isinstance(seen, Fact):
        return _after(seen)
    return _after_refusal(seen) if seen.outcome.result == REFUSED else ()


def _after(fact: Fact[Any]) -> Sequence[Reaction]:  # noqa: C901, PLR0911 - one a step
    own, event = fact.aggregate_id, fact.event
    match event:
        case TransferRequested(needs_review=needs_review, expires_at=expires_at):
            deadline = Schedule(DEADLINE, expires_at, _to_transfer(own, ExpireTransfer()))
            return [deadline] if needs_review else [deadline, _place_hold(own, event)]
        case TransferApproved():
            return [_place_hold(own, fact.state)]
        case HoldPlaced(transfer_id):
            return [_to_transfer(transfer_id, ConfirmHold())]
        case FundsHeld(from_account, to_account, amount, currency):
            return [_to_account(to_account, CreditTransfer(own, from_account, amount, currency))]
        case TransferCredited(transfer_id):
            return [_to_transfer(transfer_id, ConfirmCredit())]
        case MoneyTransferred(from_account):
            return [_to_account(from_account, SettleHold(own))]
        case HoldSettled(transfer_id):
            return [_to_transfer(transfer_id, ConfirmSettlement())]
        case TransactionCompleted(_, to_account):
            return [_to_account(to_account, SettleCredit(own)), Unschedule(DEADLINE)]
        case CreditRefused() | TransferExpired():
            return [_to_account(fact.state.from_account, ReleaseHold(own))]
        case HoldReleased(transfer_id):
            return [_to_transfer(transfer_id, ConfirmRelease())]
        case TransferFailed():
            return [Unschedule(DEADLINE)]
        case _:
            return ()


def _after_refusal(answered: Answered) -> Sequence[Reaction]:
    outcome, own = answered.outcome, answered.process_id
    code, reason = outcome.code or "", (outcome.message or outcome.code or "")[:LONGEST_TEXT]
    match outcome.command_type:
        case "PlaceHold":
            return [_to_transfer(own, RefuseHold(code, reason))]
        case "CreditTransfer":
            return [_to_transfer(own, RefuseCredit(code, reason))]
        case "ConfirmHold" if code in UNWANTED:
            return [_to_account(own, ReleaseHold(outcome.aggregate_id))]
        case "ExpireTransfer" if code == NotDueYet.__name__:  # a broker's clock may be behind ours
            again = _to_transfer(outcome.aggregate_id, ExpireTransfer())
            return [Schedule(DEADLINE, outcome.occurred_at + AGAIN_MS, again)]
        case "SettleHold" | "ReleaseHold" | "SettleCredit" as ending if answered.process == "transfers":
            # The rules refuse none of them: an operator gave it up, or the engine could not write it.
            again = _to_account(outcome.aggregate_id, ENDINGS[ending](own))
            return [Schedule(ending, outcome.occurred_at + AGAIN_MS, again)]
        case _:
            return ()


def _place_hold(own: str, transfer: TransferRequested | Transfer) -> Send:
    money = (transfer.to_account, transfer.amount, transfer.currency)
    return _to_account(transfer.from_account, PlaceHold(own, *money))


def _to_account(account_id: str, command: Any) -> Send:
    return Send("accounts", account_id, command)


def _to_transfer(transfer_id: str, command: Any) -> Send:
    return Send("transfers", transfer_id, command)


def waits_for(transfer: Transfer) -> str | None:
    """The step that the transfer waits for; None once it has ended."""
    return WAITS_FOR.get(transfer.status)


transfer_process = Reactor(
    name="transfer_process",
    events=("transfers", "accounts"),
    answers=("accounts", "transfers"),
    react=react,
    sends=("accounts", "transfers"),
    process="transfers",
    waits_for=waits_for,
)
