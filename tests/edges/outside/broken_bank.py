"""The bank with a process whose code breaks on one transfer."""

from collections.abc import Sequence
from typing import Any

from msgspec import structs

from headrace.app import bank
from headrace.kernel.app import App
from headrace.kernel.message import Fact
from headrace.kernel.reactor import Answered, Reaction
from headrace.transfers.events import FundsHeld
from headrace.transfers.process import react, transfer_process


def break_on_one(seen: Fact[Any] | Answered) -> Sequence[Reaction]:
    """The process, but for `transfer-3`, once its money is held."""
    if isinstance(seen, Fact) and isinstance(seen.event, FundsHeld) and seen.aggregate_id == "transfer-3":
        raise ZeroDivisionError
    return react(seen)


app = App(
    aggregates=bank.aggregates, views=bank.views, reactors=(structs.replace(transfer_process, react=break_on_one),)
)
