"""What clients ask for in the chaos: orders that go on, resends, one id for two things, conflicts, garbage."""

import random
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from headrace.kernel.message import CommandMeta
from headrace.orders.commands import CancelOrder, CreateOrder, DeliverOrder, PayOrder, ShipOrder
from headrace.orders.events import Line

OPEN_ORDERS: Final = 300
MOST_RESENDS: Final = 5
LONGEST_DELAY_S: Final = 4.0
LONG_AGO_MS: Final = 900_000
# How often in a hundred.
GARBAGE_PERCENT: Final = 1
RESENT_PERCENT: Final = 15
ANOTHER_BODY_PERCENT: Final = 2
NEW_ORDER_PERCENT: Final = 30
OUT_OF_STEP_PERCENT: Final = 4
WRONG_VERSION_PERCENT: Final = 4
VERSION_PERCENT: Final = 10
TOO_OLD_PERCENT: Final = 1
ISSUED_PERCENT: Final = 30
GARBAGE: Final = (b"not a command at all", b"\0\0\0\0\7half a record", b"", None, bytes(3000))


class Asked(Struct, frozen=True):
    """A command, and in how many seconds it is to be sent; without a command it is garbage, `value` as it is."""

    after_s: float
    meta: CommandMeta | None = None
    command: Struct | None = None
    value: bytes | None = None


@dataclass(slots=True)
class _Order:
    name: str
    step: int = 0
    total: int = 0


class Shop:
    """Draws what is asked next, from a seed; `counts` says how much of what.

    Ids and contents depend on the seed alone; what the services make of them depends on when they come.
    """

    def __init__(self, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self._dice = random.Random(seed)  # noqa: S311 - chance, no secret
        self._name = f"chaos-{seed}"
        self._made = 0
        self._open: list[_Order] = []

    def ask(self, now_ms: int) -> Iterator[Asked]:
        """The next command, with all its resends; or garbage."""
        dice = self._dice
        if self._chance(GARBAGE_PERCENT):
            self.counts["garbage"] += 1
            yield Asked(0.0, value=dice.choice(GARBAGE))
            return
        order, command = self._step()
        meta = self._meta(order, now_ms)
        yield Asked(0.0, meta, command)
        self.counts["commands"] += 1
        if self._chance(RESENT_PERCENT):
            # Some at once, some amid later commands of the same order.
            for _ in range(dice.randint(1, MOST_RESENDS)):
                self.counts["resends"] += 1
                yield Asked(dice.uniform(0, LONGEST_DELAY_S), meta, command)
        if self._chance(ANOTHER_BODY_PERCENT):
            self.counts["ids for another body"] += 1
            yield Asked(dice.uniform(0, LONGEST_DELAY_S), meta, CancelOrder("another body for one id"))

    def _step(self) -> tuple[_Order, Struct]:
        """An order's next step; or a step that the order refuses, which comes at any time."""
        dice = self._dice
        if len(self._open) < OPEN_ORDERS and (not self._open or self._chance(NEW_ORDER_PERCENT)):
            self._made += 1
            order = _Order(f"{self._name}-{self._made}")
            self._open.append(order)
        else:
            order = dice.choice(self._open)
        if self._chance(OUT_OF_STEP_PERCENT):
            return order, dice.choice((DeliverOrder(), PayOrder("twice", order.total or 1, "GBP"), CancelOrder("why")))
        order.step += 1
        match order.step:
            case 1:
                lines = [Line("85123A", "HEART T-LIGHT", dice.randint(1, 12), 255) for _ in range(dice.randint(1, 4))]
                order.total = sum(line.quantity * line.unit_price for line in lines)
                customer = dice.choice((None, "17850", "13047"))
                return order, CreateOrder(lines, "GBP", date(2010, 12, 1 + dice.randrange(28)), customer)
            case 2:
                return order, PayOrder(f"p-{order.name}", order.total, "GBP")
            case 3:
                return order, ShipOrder("Royal Mail", f"RM-{order.name}")
            case _:
                self._open.remove(order)
                return order, DeliverOrder()

    def _meta(self, order: _Order, now_ms: int) -> CommandMeta:
        command_id = str(uuid.UUID(int=self._dice.getrandbits(128), version=4))
        meta = CommandMeta(command_id=command_id, aggregate_id=order.name)
        if self._chance(WRONG_VERSION_PERCENT):
            self.counts["wrong versions"] += 1
            return replace(meta, expected_version=order.step + 7)
        if self._chance(VERSION_PERCENT):
            return replace(meta, expected_version=max(order.step - 1, 0))
        if self._chance(TOO_OLD_PERCENT):
            self.counts["too old"] += 1
            return replace(meta, issued_at=now_ms - LONG_AGO_MS)
        return replace(meta, issued_at=now_ms) if self._chance(ISSUED_PERCENT) else meta

    def _chance(self, percent: int) -> bool:
        return self._dice.randrange(100) < percent
