"""The bank in memory, with what must hold at each step: no money held after a failure, none counted twice.

A command that was accepted may also come again when its id is forgotten, before what follows it; and whoever asked is
told of a resend's answer, which the reactor's process is not.
"""

from collections import Counter
from typing import Any

from headrace.accounts.account import Account
from headrace.accounts.decider import accounts_with
from headrace.accounts.events import MoneyDeposited, MoneyWithdrawn
from headrace.accounts.limits import Limits
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.app import App
from headrace.kernel.errors import Rejected
from headrace.kernel.message import Outcome
from headrace.testing import Sent, World
from headrace.transfers.decider import transfers_with
from headrace.transfers.events import TransferFailed
from headrace.transfers.process import transfer_process
from headrace.transfers.transfer import Transfer


class BankWorld(World):
    """Accounts, transfers and their process under some limits."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(App(aggregates=(accounts_with(limits), transfers_with(limits)), reactors=(transfer_process,)))
        self.refused: Counter[str] = Counter()

    @property
    def accounts(self) -> dict[str, Account]:
        return {name: state for (kind, name), state in self.states.items() if kind == "accounts"}

    @property
    def transfers(self) -> dict[str, Transfer]:
        return {name: state for (kind, name), state in self.states.items() if kind == "transfers"}

    @property
    def brought(self) -> int:
        """What came from outside, less what went there."""
        events = [event for happened in self.happened.values() for event in happened]
        return sum(event.amount for event in events if isinstance(event, MoneyDeposited)) - sum(
            event.amount for event in events if isinstance(event, MoneyWithdrawn)
        )

    @property
    def there(self) -> int:
        """Balances and holds, less what is credited and still held."""
        accounts = self.accounts.values()
        held = {transfer_id: hold.amount for account in accounts for transfer_id, hold in account.holds.items()}
        credited = [transfer_id for account in accounts for transfer_id in account.credits]
        return sum(account.balance + account.held for account in accounts) - sum(
            held.get(transfer_id, 0) for transfer_id in credited
        )

    def _repeat(self, sent: Sent, known: Outcome) -> None:
        self._tell(sent, known)

    def _happen(self, sent: Sent, event: Any, rules: Aggregate[Any, Any, Any]) -> None:
        super()._happen(sent, event, rules)
        if isinstance(event, TransferFailed):
            assert all(sent.to[1] not in account.holds for account in self.accounts.values()), "failed, money is held"

    def _answer(self, sent: Sent, refusal: Rejected | None, events: int = 0) -> None:
        assert events <= 1
        assert not (sent.forgotten and events), f"{sent} counted twice"
        if refusal is not None:
            self.refused[refusal.code] += 1
        super()._answer(sent, refusal, events)


def transfer_of(sent: Sent) -> str:
    """The transfer that a command is about."""
    return str(getattr(sent.command, "transfer_id", sent.to[1]))
