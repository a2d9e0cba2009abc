"""What is fed in: commands that take orders through their life or put money into accounts, and what such end with."""

from collections.abc import Iterator
from datetime import date
from random import Random
from typing import Final, NamedTuple

from confluent_kafka import murmur2
from msgspec import Struct

from headrace.accounts.account import Account
from headrace.accounts.commands import DepositMoney
from headrace.accounts.events import MoneyDeposited
from headrace.avro.codec import Codec
from headrace.kernel.message import CommandMeta, EventMeta, Writer
from headrace.orders.commands import CreateOrder, DeliverOrder, PayOrder, ShipOrder
from headrace.orders.decider import Order, decide, evolve
from headrace.orders.events import Line

LINE: Final = Line(sku="85123A", description="WHITE HANGING HEART T-LIGHT HOLDER", quantity=6, unit_price=255)
LIFE: Final = (
    CreateOrder(lines=[LINE], currency="GBP", customer="17850", business_date=date(2010, 12, 1)),
    PayOrder(payment_id="pay-536365", amount=LINE.quantity * LINE.unit_price, currency="GBP"),
    ShipOrder(carrier="Royal Mail", tracking="RM 4418 2276 5GB"),
    DeliverOrder(),
)
APART: Final = 5_000
"""So many other orders take a step before an order takes its next: its steps are not in one batch."""


class Frame(NamedTuple):
    """A record as it is produced."""

    partition: int
    key: bytes
    value: bytes


def commands(codec: Codec, count: int, partitions: int) -> list[Frame]:
    """So many commands, a multiple of four: every order's four steps in order, many orders at a time."""
    frames = []
    for number, (order, step) in enumerate(_steps(count // len(LIFE))):
        name = _name(order)
        # Without `issued_at`, since the same commands are stored again for every repeat.
        meta = CommandMeta(command_id=_id(number), aggregate_id=name, actor="bench")
        frames.append(_frame(name, codec.encode(step, meta), partitions))
    return frames


def delivered_orders(codec: Codec, count: int, partitions: int) -> list[Frame]:
    """The newest event of so many orders: that they were delivered, with the whole order as its state."""
    state = Order()
    for command in LIFE:
        (event,) = decide(command, state, 0)
        state = evolve(state, event)
    version = len(LIFE)
    frames = []
    for order in range(count):
        name = _name(order)
        meta = _event_meta("orders", name, version, order)
        frames.append(_frame(name, codec.encode(event, meta, state), partitions))
    return frames


def funded_accounts(codec: Codec, count: int, partitions: int) -> Iterator[Frame]:
    """The newest event of so many accounts: that they were given their first money."""
    event, state = MoneyDeposited(1_000_000, "GBP", "wages"), Account("open", "ann", "GBP", 1_000_000)
    for number in range(count):
        name = _account(number)
        yield _frame(name, codec.encode(event, _event_meta("accounts", name, 2, number), state), partitions)


def deposits(codec: Codec, count: int, accounts: int, partitions: int) -> list[Frame]:
    """So many commands, each to one of the accounts, any of them."""
    chosen = Random(1)  # noqa: S311 - the same ones each time
    frames = []
    for number in range(count):
        name = _account(chosen.randrange(accounts))
        meta = CommandMeta(command_id=_id(number), aggregate_id=name, actor="bench")
        frames.append(_frame(name, codec.encode(DepositMoney(125, "GBP", "a gift"), meta), partitions))
    return frames


def _event_meta(aggregate: str, name: str, version: int, number: int) -> EventMeta:
    command_id = _id(number)
    return EventMeta(
        version=version,
        event_id=f"{aggregate}/{name}/{version}",
        aggregate_id=name,
        occurred_at=1_291_190_400_000,
        command_id=command_id,
        command_offset=number,
        correlation_id=command_id,
        causation_id=command_id,
        actor="bench",
        writer=Writer("bench", 0),
    )


def _steps(orders: int) -> Iterator[tuple[int, Struct]]:
    apart = min(APART, orders)
    for tick in range(orders + apart * (len(LIFE) - 1)):
        for place, step in enumerate(LIFE):
            if 0 <= tick - place * apart < orders:
                yield tick - place * apart, step


def _name(order: int) -> str:
    return f"order-{order:08d}"


def _account(number: int) -> str:
    return f"account-{number:08d}"


def _id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


def _frame(name: str, value: bytes, partitions: int) -> Frame:
    key = name.encode()
    return Frame(murmur2(key, partitions), key, value)
