"""Check of money, over all accounts and transfers: none is made or lost, at any moment.

What happened to a transfer is put together from both domains. A debit goes with a credit, and each step follows from
the one before it, as its causation says: so at every cut that holds what its events follow from, balances and what is
set aside, less what is credited and still set aside, are what came from outside. No clock is asked.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from headrace_load.verify.report import Check
from headrace_load.verify.schemas import Decoded

DOMAINS: Final = ("accounts", "transfers")
# What each step follows from; people ask for the others.
CAUSES: Final = {
    "HoldPlaced": ("TransferRequested", "TransferApproved"),
    "FundsHeld": ("HoldPlaced",),
    "TransferCredited": ("FundsHeld",),
    "MoneyTransferred": ("TransferCredited",),
    "HoldSettled": ("MoneyTransferred",),
    "TransactionCompleted": ("HoldSettled",),
    "CreditSettled": ("TransactionCompleted",),
    "CreditRefused": ("FundsHeld",),
    "TransferExpired": ("TransferRequested",),
    # The last is of a hold that no open transfer asked for.
    "HoldReleased": ("CreditRefused", "TransferExpired", "HoldPlaced"),
}
BROUGHT: Final = {"MoneyDeposited": 1, "MoneyWithdrawn": -1}


class Step(NamedTuple):
    """An event of a transfer, on itself or on an account: `money` is from, to, amount, currency, where it says so."""

    name: str
    id: str
    cause: str
    money: tuple[str, str, int, str] | None
    waits: bool = False
    """Whether a person is to look at it first."""


class Moved(NamedTuple):
    """What a partition tells of money: steps by transfer; by currency, what came from outside and what is there."""

    steps: dict[str, list[Step]]
    brought: Counter[str]
    there: Counter[str]


class Ledger:
    """Collects it, event by event of one partition."""

    def __init__(self, domain: str, check: Check) -> None:
        self._domain = domain
        self._check = check
        self._moved = Moved({}, Counter(), Counter())
        self._accounts: dict[str, dict[str, Any]] = {}

    def see(self, event: Decoded) -> None:
        """Take note of an event of the journal."""
        name, fields = event.form.name, event.fields
        meta = fields["meta"]
        own = meta["aggregate_id"]
        if self._domain == "accounts":
            state = self._accounts[own] = fields["state"]
            if state["balance"] < 0 or state["held"] < 0:
                self._check.problem(f"{own} version {meta['version']}: {state['balance']}, {state['held']} set aside")
            if name in BROUGHT:
                self._moved.brought[fields["currency"]] += BROUGHT[name] * fields["amount"]
        transfer = own if self._domain == "transfers" else fields.get("transfer_id")
        if transfer is not None:
            event_id = f"{self._domain}/{own}/{meta['version']}"
            step = Step(name, event_id, meta["causation_id"], _money(own, fields), fields.get("needs_review", False))
            self._moved.steps.setdefault(transfer, []).append(step)

    def close(self) -> Moved:
        """All of it."""
        for state in self._accounts.values():
            self._moved.there[state["currency"]] += state["balance"] + state["held"]
        return self._moved


def compare(found: Iterable[Moved], check: Check) -> None:
    """Note what is wrong with the money, all partitions of both domains together."""
    steps: dict[str, list[Step]] = {}
    brought: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for moved in found:
        brought.update(moved.brought)
        there.update(moved.there)
        for transfer, its in moved.steps.items():
            steps.setdefault(transfer, []).extend(its)
    under_way: Counter[str] = Counter()
    for transfer, its in steps.items():
        for problem in (*_wrong_ends(its), *_wrong_money(its), *_wrong_causes(its)):
            check.problem(f"transfer {transfer}: {problem}")
        under_way.update(_credited_and_held(its))
        check.count(by_hand=sum(step.name in CAUSES and not _is_event(step.cause) for step in its))
    for currency in sorted({*brought, *there}):
        if there[currency] - under_way[currency] != brought[currency]:
            check.problem(
                f"{brought[currency]} {currency} came from outside, {there[currency]} are there, "
                f"{under_way[currency]} of them twice: credited, and still set aside"
            )
    check.count(transfers=len(steps), steps=sum(map(len, steps.values())), currencies=len(brought))


def _wrong_ends(steps: list[Step]) -> Iterator[str]:
    """How a transfer at rest is not at its one end, with nothing set aside and each debit beside its credit."""
    count = Counter(step.name for step in steps)
    if not count["TransferRequested"]:
        if count["HoldPlaced"] != count["HoldReleased"] or {*count} - {"HoldPlaced", "HoldReleased"}:
            yield f"nobody requested it, and there is {_told(count)}"
        return
    if count["TransactionCompleted"] + count["TransferFailed"] > 1:
        yield f"it has more than one end: {_told(count)}"
    aside, paid = count["HoldPlaced"] - count["HoldReleased"], int(count["TransactionCompleted"] > 0)
    if count["TransactionCompleted"] or count["TransferFailed"]:
        did = (aside, count["TransferCredited"], count["HoldSettled"], count["CreditSettled"])
        if did != (paid, paid, paid, paid):
            yield f"it is {'completed' if paid else 'failed'}, and there is {_told(count)}"
    elif not (len(steps) == 1 and steps[0].waits):
        yield f"it has not come to its end: {_told(count)}"


def _wrong_money(steps: list[Step]) -> Iterator[str]:
    asked = next((step.money for step in steps if step.name == "TransferRequested"), None)
    for step in steps:
        if asked is not None and step.money is not None and step.money != asked:
            yield f"{step.id} ({step.name}) moves {step.money}, {asked} was requested"


def _wrong_causes(steps: list[Step]) -> Iterator[str]:
    names = {step.id: step.name for step in steps}
    for step in steps:
        causes = CAUSES.get(step.name)
        if causes and _is_event(step.cause) and names.get(step.cause) not in causes:
            what = names.get(step.cause, "no event of the transfer")
            yield f"{step.id} ({step.name}) follows from {step.cause}, {what}, and not from {' or '.join(causes)}"


def _credited_and_held(steps: list[Step]) -> dict[str, int]:
    """What is counted twice of a transfer, by currency."""
    count = Counter(step.name for step in steps)
    if count["TransferCredited"] and count["HoldPlaced"] > count["HoldSettled"] + count["HoldReleased"]:
        return {step.money[3]: step.money[2] for step in steps if step.name == "TransferCredited" and step.money}
    return {}


def _money(own: str, fields: dict[str, Any]) -> tuple[str, str, int, str] | None:
    if "amount" not in fields:
        return None
    return fields.get("from_account", own), fields.get("to_account", own), fields["amount"], fields["currency"]


def _is_event(cause: str) -> bool:
    """An event's id; a person's command has caused itself, or says something of its own."""
    return cause.partition("/")[0] in DOMAINS


def _told(count: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in count.items())
