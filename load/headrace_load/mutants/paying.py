"""Mutants of how money moves: of the rules of accounts, and of what follows from a step of a transfer."""

from typing import Any, Final

from msgspec import structs

from headrace.kernel.reactor import Send
from headrace_load.mutants.wrapping import Mutant, Strikes

SENT: Final = "headrace.reactor.messages:Messages.of"


def double_credit(right: Any, strikes: Strikes, partition: Any, aggregate: Any, *more: Any, **named: Any) -> None:
    """An account takes a transfer's money twice."""

    def decide(command: Any, state: Any, at: int) -> list[Any]:
        events: list[Any] = aggregate.decide(command, state, at)
        if events and type(command).__name__ == "CreditTransfer" and strikes.once():
            return events * 2
        return events

    right(partition, structs.replace(aggregate, decide=decide), *more, **named)


def skip_hold(right: Any, strikes: Strikes, messages: Any, reactions: Any, cause: Any) -> Any:
    """A transfer goes on as if its money were set aside, and nobody has asked for that."""
    told = []
    for reaction in reactions:
        if _sends(reaction, "PlaceHold") and strikes.once():
            from headrace.transfers.commands import ConfirmHold  # noqa: PLC0415 - the bank's, which not all apps have

            told.append(Send("transfers", cause.process_id, ConfirmHold()))
        else:
            told.append(reaction)
    return right(messages, told, cause)


def lose_release(right: Any, strikes: Strikes, messages: Any, reactions: Any, cause: Any) -> Any:
    """What was set aside for a transfer that cannot be completed is never given back."""
    kept = [reaction for reaction in reactions if not (_sends(reaction, "ReleaseHold") and strikes.once())]
    return right(messages, kept, cause)


def _sends(reaction: Any, name: str) -> bool:
    return isinstance(reaction, Send) and type(reaction.command).__name__ == name


MUTANTS: Final = (
    Mutant(double_credit, "headrace.handler.partition:Partition.__init__", "money"),
    Mutant(skip_hold, SENT, "money"),
    Mutant(lose_release, SENT, "money"),
)
