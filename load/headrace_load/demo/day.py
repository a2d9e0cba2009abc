"""What the shop asks for: the orders of one real day, each paid, shipped and delivered some seconds later."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from msgspec.structs import replace

from headrace.importing.imported import Asked, Reported
from headrace.importing.retail import lifecycle, read_invoices
from headrace.orders.commands import PayOrder

FILE: Final = Path(__file__).parents[1] / "data/online-retail/2010-12-01.csv"
BETWEEN_STEPS_S: Final = 2.0
PAID_TWICE: Final = 3
GARBAGE: Final[tuple[bytes | None, ...]] = (b"not a command at all", b"\0\0\0\0\7half a record", None)


@dataclass(frozen=True, slots=True, order=True)
class Planned:
    """A command and when to send it, in seconds from the start of the day."""

    at: float
    number: int
    asked: Asked


@dataclass(frozen=True, slots=True)
class Day:
    """All commands in the order of their times, and the lines of the file that are none."""

    planned: tuple[Planned, ...]
    reported: tuple[Reported, ...]

    @property
    def created(self) -> list[Asked]:
        """The first command of each order."""
        first: dict[str, Asked] = {}
        for entry in self.planned:
            first.setdefault(entry.asked.meta.aggregate_id, entry.asked)
        return list(first.values())

    def second_payments(self) -> list[Asked]:
        """Payments of orders that are paid already, as new commands: they will be refused."""
        paid = [entry.asked for entry in self.planned if isinstance(entry.asked.command, PayOrder)]
        return [replace(asked, meta=replace(asked.meta, command_id=str(uuid4()))) for asked in paid[:PAID_TWICE]]


def read_day(seconds: float, file: Path = FILE) -> Day:
    """The day, pressed into so many seconds; an order's later steps follow two seconds apart."""
    with file.open("rb") as stream:
        found = list(read_invoices(file.name, stream))
    orders = [entry for entry in found if isinstance(entry, Asked)]
    planned = [
        Planned(number * seconds / len(orders) + step * BETWEEN_STEPS_S, number, asked)
        for number, created in enumerate(orders)
        for step, asked in enumerate([created, *lifecycle(created)])
    ]
    planned.sort(key=lambda entry: (entry.at, entry.number))
    return Day(tuple(planned), tuple(entry for entry in found if isinstance(entry, Reported)))
