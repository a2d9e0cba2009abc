"""The verifier's own small model of an account: what events make of it, and what its row shows."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from headrace_load.verify.content import Led

Fields = dict[str, Any]

PROJECTOR: Final = "accounts_v1"
TABLE: Final = "accounts_v1.accounts"
# What readers see under the plain name.
SEEN: Final = "public.accounts"
COLUMNS: Final = (
    "account_id", "version", "status", "owner", "currency", "balance", "held", "opened_at", "updated_at",
)  # fmt: skip
MOST: Final = 2**53 - 1
HOUR_MS: Final = 3_600_000
# What an account must be before each step, and what it is after it: None is before its first event, "" is unchanged.
STEPS: Final = {
    "AccountOpened": ((None,), "open"),
    "MoneyDeposited": (("open",), ""),
    "MoneyWithdrawn": (("open",), ""),
    "AccountFrozen": (("open",), "frozen"),
    "AccountUnfrozen": (("frozen",), "open"),
    "AccountClosed": (("open",), "closed"),
    "HoldPlaced": (("open",), ""),
    "HoldSettled": (("open", "frozen"), ""),
    "HoldReleased": (("open", "frozen"), ""),
    "TransferCredited": (("open",), ""),
    "CreditSettled": (("open", "frozen", "closed"), ""),
}
# What each step adds of its amount to what is available, and to what is set aside.
ADDS: Final = {
    "MoneyDeposited": (1, 0),
    "MoneyWithdrawn": (-1, 0),
    "HoldPlaced": (-1, 1),
    "HoldSettled": (0, -1),
    "HoldReleased": (1, -1),
    "TransferCredited": (1, 0),
}
MONEY: Final = ("amount", "currency", "reference")
LEADS_TO: Final = {
    "OpenAccount": Led(("AccountOpened",), ("owner", "currency")),
    "DepositMoney": Led(("MoneyDeposited",), MONEY),
    "WithdrawMoney": Led(("MoneyWithdrawn",), MONEY),
    "FreezeAccount": Led(("AccountFrozen",), ("reason",)),
    "UnfreezeAccount": Led(("AccountUnfrozen",)),
    "CloseAccount": Led(("AccountClosed",)),
    "PlaceHold": Led(("HoldPlaced",), ("transfer_id", "to_account", "amount", "currency"), again=True),
    "SettleHold": Led(("HoldSettled",), ("transfer_id",), again=True),
    "ReleaseHold": Led(("HoldReleased",), ("transfer_id",), again=True),
    "CreditTransfer": Led(("TransferCredited",), ("transfer_id", "from_account", "amount", "currency"), again=True),
    "SettleCredit": Led(("CreditSettled",), ("transfer_id",), again=True),
}
STATE: Final = (
    "status", "owner", "currency", "balance", "held", "holds", "credits", "hold_hour", "holds_that_hour",
    "held_that_day",
)  # fmt: skip


class Account(NamedTuple):
    """An account after some events; `holds` and `credits` have account and amount of each transfer, by its id."""

    version: int
    opened_at: int
    updated_at: int
    status: str | None
    owner: str
    currency: str
    balance: int
    held: int
    holds: dict[str, Fields]
    credits: dict[str, Fields]
    hold_hour: int
    holds_that_hour: int
    held_that_day: int


NONE: Final = Account(0, 0, 0, None, "", "", 0, 0, {}, {}, 0, 0, 0)
"""Before its first event."""


def after(account: Account | None, name: str, event: Fields) -> Account:
    """The account after one more event."""
    meta = event["meta"]
    at = meta["occurred_at"]
    before = account or NONE._replace(opened_at=at)
    available, aside = ADDS.get(name, (0, 0))
    amount = event.get("amount", 0)
    now = before._replace(
        version=meta["version"],
        updated_at=at,
        status=STEPS[name][1] or before.status,
        balance=before.balance + available * amount,
        held=before.held + aside * amount,
    )
    if name == "AccountOpened":
        return now._replace(owner=event["owner"], currency=event["currency"])
    return _under_way(now, name, event)


def _under_way(now: Account, name: str, event: Fields) -> Account:
    transfer: str = event.get("transfer_id", "")
    if name == "HoldPlaced":
        hour, known = event["hour"], now.hold_hour
        return now._replace(
            holds={**now.holds, transfer: {"to_account": event["to_account"], "amount": event["amount"]}},
            hold_hour=hour,
            holds_that_hour=1 + (now.holds_that_hour if hour == known else 0),
            held_that_day=event["amount"] + (now.held_that_day if hour // 24 == known // 24 else 0),
        )
    if name == "TransferCredited":
        credit = {"from_account": event["from_account"], "amount": event["amount"]}
        return now._replace(credits={**now.credits, transfer: credit})
    if name in ("HoldSettled", "HoldReleased"):
        return now._replace(holds={key: each for key, each in now.holds.items() if key != transfer})
    if name == "CreditSettled":
        return now._replace(credits={key: each for key, each in now.credits.items() if key != transfer})
    return now


def broken_rules(account: Account | None, name: str, event: Fields) -> Iterator[str]:
    """Which rules of the domain an event breaks, coming after what the account was."""
    before = account or NONE
    if before.status not in STEPS[name][0]:
        yield f"{name} comes after {before.status or 'nothing'}"
    if "amount" in event:
        yield from _broken_by_amount(before, name, event)
    if "transfer_id" in event:
        yield from _broken_by_transfer(before, name, event)
    if name == "AccountClosed" and (before.balance or before.holds):
        yield f"it is closed with {before.balance} available and {len(before.holds)} holds"


def _broken_by_amount(before: Account, name: str, event: Fields) -> Iterator[str]:
    amount, (available, aside) = event["amount"], ADDS.get(name, (0, 0))
    if not 1 <= amount <= MOST:
        yield f"its amount is {amount}"
    if event["currency"] != before.currency:
        yield f"{event['currency']} moves on an account of {before.currency}"
    if before.balance + available * amount < 0:
        yield f"{amount} go from {before.balance}"
    if before.balance + before.held + (available + aside) * amount > MOST:
        yield f"{amount} come to {before.balance} and {before.held} set aside: more than an account holds"


def _broken_by_transfer(before: Account, name: str, event: Fields) -> Iterator[str]:
    transfer = event["transfer_id"]
    known = (before.holds if name.startswith("Hold") else before.credits).get(transfer)
    if name in ("HoldPlaced", "TransferCredited"):
        if known is not None:
            yield f"transfer {transfer} is under way already, with {known['amount']}"
        if name == "HoldPlaced" and event["hour"] != max(event["meta"]["occurred_at"] // HOUR_MS, before.hold_hour):
            yield f"its hour is {event['hour']}"
    elif known is None or any(event[field] != value for field, value in known.items()):
        yield f"{name} of {event['amount']} for transfer {transfer}, of which {known or 'nothing'} is known"


def wrong_state(account: Account, state: Fields) -> Iterator[str]:
    """How the state in an event differs from the account as the model has it."""
    for name, value in state.items():
        mine = getattr(account, name) if name in STATE else "unknown to the verifier"
        if mine != value:
            yield f"state.{name} is {value!r}, not {mine!r}"


def row(account_id: str, account: Account) -> tuple[Any, ...]:
    """The account's row, in the order of COLUMNS."""
    return (
        account_id, account.version, account.status, account.owner, account.currency, account.balance, account.held,
        account.opened_at, account.updated_at,
    )  # fmt: skip
