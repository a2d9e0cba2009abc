"""The commands of a bank's load: accounts that are opened and funded, then transfers of every kind."""

import random
from collections.abc import Iterator
from typing import Final, NamedTuple

from msgspec import Struct

from headrace.accounts.commands import DepositMoney, FreezeAccount, OpenAccount
from headrace.accounts.limits import Limits
from headrace.transfers.commands import ApproveTransfer, RejectTransfer, RequestTransfer
from headrace_load.bank.scenario import BankScenario

CURRENCY: Final = "GBP"
FUNDS: Final = 1_000_000_000
"""In minor units, what each account begins with."""
LARGE: Final = Limits().review_above + 1
SMALL: Final = 10_000
HOT: Final = "account-000000"
POOR: Final = "account-poor"
FROZEN: Final = "account-frozen"
NOBODY: Final = "account-nobody"


class Asked(NamedTuple):
    """A command, and the aggregate that it is for."""

    aggregate: str
    aggregate_id: str
    command: Struct


class Traffic:
    """All that a scenario sends, the same for the same seed."""

    def __init__(self, scenario: BankScenario) -> None:
        self._scenario = scenario
        self._random = random.Random(scenario.seed)  # noqa: S311 - a load, not a secret
        self._names = [account(number) for number in range(scenario.accounts)]

    def accounts(self) -> Iterator[Asked]:
        """The accounts are opened and funded; one is frozen, one is poor."""
        for name in [*self._names, FROZEN]:
            yield Asked("accounts", name, OpenAccount(name, CURRENCY))
            yield Asked("accounts", name, DepositMoney(FUNDS, CURRENCY, "to begin with"))
        yield Asked("accounts", FROZEN, FreezeAccount("asked for by the court"))
        yield Asked("accounts", POOR, OpenAccount(POOR, CURRENCY))

    def transfers(self) -> Iterator[list[Asked]]:
        """Each transfer's commands: its request, and what a reviewer says to it."""
        scenario = self._scenario
        kinds = self._random.choices(
            ("plain", "hot", "reviewed", "refused"),
            (
                1 - scenario.hot - scenario.reviewed - scenario.refused,
                scenario.hot,
                scenario.reviewed,
                scenario.refused,
            ),
            k=scenario.transfers,
        )
        turns = dict.fromkeys(("plain", "hot", "reviewed", "refused"), 0)
        for number, kind in enumerate(kinds):
            turns[kind] += 1
            yield self._transfer(f"transfer-{number:08d}", kind, turns[kind])

    def _transfer(self, name: str, kind: str, turn: int) -> list[Asked]:
        one, other = self._random.sample(self._names, 2)
        amount = self._random.randint(1, SMALL)
        if kind == "hot":
            away = other if one == HOT else one
            one, other = (HOT, away) if turn % 2 else (away, HOT)
        elif kind == "refused":
            one, other = ((one, FROZEN), (one, NOBODY), (POOR, other), (one, one))[turn % 4]
        elif kind == "reviewed":
            amount += LARGE
        asked = [Asked("transfers", name, RequestTransfer(one, other, amount, CURRENCY, "ann", "a load"))]
        if kind == "reviewed" and turn % 5 == 1:
            asked.append(Asked("transfers", name, RejectTransfer("bob", "looks odd")))
        elif kind == "reviewed" and turn % 5:
            asked.append(Asked("transfers", name, ApproveTransfer("bob")))
        return asked


def account(number: int) -> str:
    """The id of an account."""
    return f"account-{number:06d}"
