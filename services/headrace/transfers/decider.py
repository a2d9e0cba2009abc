"""The rules of a transfer: what people may ask of it, and which answers of accounts it takes when."""

from collections.abc import Mapping
from functools import partial
from typing import Final, TypeAlias

from headrace.accounts.limits import LONGEST_WAIT_HOURS, Limits
from headrace.accounts.money import check_amount, check_currency, check_id, check_text
from headrace.kernel.aggregate import Aggregate
from headrace.transfers.commands import (
    Answer,
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
from headrace.transfers.refusals import (
    AlreadyRequested,
    DeadlinePassed,
    DeadlineTooFar,
    NotAwaitingReview,
    NotDueYet,
    NothingAskedFor,
    SameAccount,
    SelfApproval,
    TooLateToExpire,
    TransferEnded,
    TransferTooLarge,
    UnknownTransfer,
)
from headrace.transfers.transfer import EXPIRED, Transfer, evolve

HOUR_MS: Final = 3_600_000

Transfers: TypeAlias = Aggregate[Command, Transfer, Event]

# Where an answer is an old one, which comes again: the step that it led to lies behind.
BEHIND: Final[Mapping[type, tuple[str, ...]]] = {
    ConfirmHold: ("held", "credited", "releasing"),
    RefuseHold: ("failed",),
    ConfirmCredit: ("credited", "completed"),
    RefuseCredit: ("releasing", "failed"),
    ConfirmSettlement: ("completed",),
    ConfirmRelease: ("failed",),
}


def decide(limits: Limits, command: Command, transfer: Transfer, at: int) -> list[Event]:
    """The event that the command leads to, or none when it is an answer that comes again; or the refusal."""
    if isinstance(command, RequestTransfer):
        return [_request(limits, command, transfer, at)]
    if transfer.status == "blank":
        raise UnknownTransfer
    match command:
        case ApproveTransfer(approved_by):
            _check_reviewer(approved_by, transfer)
            return [TransferApproved(approved_by)]
        case RejectTransfer(rejected_by, reason):
            _check_reviewer(rejected_by, transfer)
            check_text(reason)
            return [TransferFailed("Rejected", reason, rejected_by)]
        case ExpireTransfer():
            return [_expire(transfer, at)]
        case _:
            return _take(command, transfer)


def transfers_with(limits: Limits) -> Transfers:
    """Transfers of no more than that, reviewed from there on."""
    return Aggregate(
        name="transfers",
        initial=Transfer(),
        decide=partial(decide, limits),
        evolve=evolve,
        commands=Command,
        events=Event,
    )


transfers = transfers_with(Limits())


def _request(limits: Limits, command: RequestTransfer, transfer: Transfer, at: int) -> TransferRequested:
    if transfer.status != "blank":
        raise AlreadyRequested
    check_id(command.from_account)
    check_id(command.to_account)
    if command.from_account == command.to_account:
        raise SameAccount
    check_amount(command.amount)
    if command.amount > limits.single_transfer:
        raise TransferTooLarge
    check_currency(command.currency)
    check_text(command.requested_by)
    check_text(command.reference)
    due = at + limits.review_hours * HOUR_MS if command.expires_at is None else command.expires_at
    if due <= at:
        raise DeadlinePassed
    if due > at + LONGEST_WAIT_HOURS * HOUR_MS:
        raise DeadlineTooFar
    return TransferRequested(
        command.from_account,
        command.to_account,
        command.amount,
        command.currency,
        command.requested_by,
        command.reference,
        needs_review=command.amount > limits.review_above,
        expires_at=due,
    )


def _check_reviewer(person: str, transfer: Transfer) -> None:
    check_text(person)
    if transfer.status != "awaiting_review":
        raise NotAwaitingReview
    if person.strip().casefold() == transfer.requested_by.strip().casefold():
        raise SelfApproval


def _expire(transfer: Transfer, at: int) -> TransferExpired | TransferFailed:
    if transfer.status not in ("awaiting_review", "requested"):
        raise TooLateToExpire
    if at < transfer.expires_at:
        raise NotDueYet
    # The account may have been asked already to set the money aside: it decides whether there is any to give back.
    return TransferExpired() if transfer.status == "requested" else TransferFailed(*EXPIRED)


def _take(answer: Answer, transfer: Transfer) -> list[Event]:  # noqa: PLR0911 - one an answer
    money = (transfer.from_account, transfer.to_account, transfer.amount, transfer.currency)
    match transfer.status, answer:
        case "requested", ConfirmHold():
            return [FundsHeld(*money)]
        case "requested" | "releasing", RefuseHold(code, reason):
            return [TransferFailed(code, reason)]
        case "held", ConfirmCredit():
            return [MoneyTransferred(*money)]
        case "held", RefuseCredit(code, reason):
            return [CreditRefused(code, reason)]
        case "credited", ConfirmSettlement():
            return [TransactionCompleted(*money)]
        case "releasing", ConfirmRelease():
            return [TransferFailed(transfer.code or "", transfer.reason or "")]
        case _ if transfer.status in BEHIND[type(answer)]:
            return []
        case (("completed" | "failed"), ConfirmHold()):
            raise TransferEnded
        case _:
            raise NothingAskedFor
