"""What breaks, when and whom: drawn from a seed alone."""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

HANDLERS: Final = ("handler-1", "handler-2", "handler-3")
PROJECTORS: Final = ("orders-1", "orders-2", "journal-1", "journal-2", "order_statistics-1")
BROKERS: Final = ("broker-1", "broker-2", "broker-3")
STEPS: Final = ("begun", "answered", "producing", "produced", "flushed", "offsets_sent", "offsets_sent+", "committed")
# As the services are told here: what a stopped process meets depends on which of them it has slept through.
SESSION_S: Final = 3.0
TRANSACTION_S: Final = 10.0

CALM_START_S: Final = 6.0
CALM_END_S: Final = 8.0
BETWEEN_S: Final = (1.5, 5.0)
OVERLAPPING: Final = 0.2
"""The share of faults that do not wait for the one before to be healed, if that one breaks something else."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault: its number, seconds from the start of the load, what, whom, how, and how many seconds until it heals.

    `touches` is what it breaks (a service, the members, the broker, the database): two faults at a time touch two.
    """

    number: int
    at: float
    fault: str
    target: str
    seconds: float
    detail: str = ""
    touches: str = ""

    @property
    def heals_at(self) -> float:
        """When it is healed, in seconds from the start of the load."""
        return self.at + self.seconds

    def __str__(self) -> str:
        return f"{self.at:6.1f} s  {self.fault:<18} {self.target:<12} for {self.seconds:4.1f} s  {self.detail}".rstrip()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault, as F1 to F39 number them, and how its target, its length and its details are drawn."""

    number: str
    touches: str
    seconds: tuple[float, float]
    target: tuple[str, ...]
    detail: Callable[[random.Random], str] = lambda _: ""


def _dies(dice: random.Random) -> str:
    return f"kill:{dice.choice(STEPS)}:{dice.randint(2, 12)}"


def _stops(dice: random.Random) -> str:
    return f"stop:{dice.choice(STEPS)}:{dice.randint(2, 12)}"


def _aborts(dice: random.Random) -> str:
    return f"abort:{dice.choice(('produced', 'flushed', 'offsets_sent'))}:3"


def _dies_in_database(dice: random.Random) -> str:
    return f"kill:{dice.choice(('advanced', 'applied', 'committed'))}:{dice.randint(2, 12)}"


def _second_signal(dice: random.Random) -> str:
    return dice.choice(("", "second SIGTERM"))


KINDS: Final = {
    "kill": Kind("F1", "service", (1, 2), (*HANDLERS, *PROJECTORS)),
    "kill at a step": Kind("F1", "service", (5, 9), HANDLERS, _dies),
    "kill for a while": Kind("F1", "service", (4, 14), HANDLERS),
    "kill in database": Kind("F1", "service", (5, 9), PROJECTORS, _dies_in_database),
    "zombie at a step": Kind("F2", "service", (TRANSACTION_S + 4, TRANSACTION_S + 8), HANDLERS, _stops),
    "pause": Kind("F3", "service", (0.5, SESSION_S - 0.7), (*HANDLERS, *PROJECTORS)),
    "zombie of session": Kind("F3", "service", (SESSION_S + 1, TRANSACTION_S - 2), (*HANDLERS, *PROJECTORS)),
    "zombie": Kind("F2", "service", (TRANSACTION_S + 3, TRANSACTION_S + 8), (*HANDLERS, *PROJECTORS)),
    "hijack": Kind("F4", "service", (2, 5), HANDLERS),
    "abort": Kind("F12", "service", (6, 10), HANDLERS, _aborts),
    "storm": Kind("F16", "members", (10, 16), ("handlers",)),
    "scale 1-8-1": Kind("F16", "members", (8, 14), ("handlers",)),
    "rollout": Kind("F38", "members", (1, 2), ("handlers", "projectors"), _second_signal),
    "broker restart": Kind("F8", "broker", (1, 2), BROKERS),
    "brokers rolled": Kind("F8", "broker", (1, 2), ("all brokers",)),
    "broker crash": Kind("F9", "broker", (0.5, 4), BROKERS),
    "broker freeze": Kind("F11", "broker", (2, TRANSACTION_S + 4), BROKERS),
    "database restart": Kind("F21", "database", (1, 2), ("postgres",), lambda dice: dice.choice(("fast", "immediate"))),
    "sessions ended": Kind("F22", "database", (4, 8), ("postgres",)),
    "rows locked": Kind("F23", "database", (3, 8), ("postgres",)),
    "crossed updates": Kind("F23", "database", (4, 8), ("postgres",)),
    "slow statements": Kind("F23", "database", (4, 8), ("postgres",)),
}


def draw(seed: int, minutes: float, kinds: Iterable[str] = KINDS) -> tuple[Planned, ...]:
    """The faults of a run: each kind once in an order of chance, then each again, as long as there is time."""
    dice = random.Random(seed)  # noqa: S311 - chance, no secret
    planned: list[Planned] = []
    last = minutes * 60 - CALM_END_S
    at = CALM_START_S
    for number, name in enumerate(_decks(dice, sorted({*kinds})), 1):
        kind = KINDS[name]
        seconds = round(dice.uniform(*kind.seconds), 1)
        beside = dice.random() < OVERLAPPING
        pause = dice.uniform(*BETWEEN_S)
        if planned:
            before, earlier = planned[-1], max((one.heals_at for one in planned[:-1]), default=0.0)
            apart = {before.touches, kind.touches} in ({"service", "database"}, {"members", "database"})
            at = max(before.at if beside and apart else before.heals_at, earlier) + pause
        at = round(at, 1)
        if at + seconds > last:
            return tuple(planned)
        target, detail = dice.choice(kind.target), kind.detail(dice)
        planned.append(Planned(number, at, name, target, seconds, detail, kind.touches))
    raise AssertionError("the decks do not end")


def as_json(planned: tuple[Planned, ...]) -> list[dict[str, Any]]:
    """The schedule for programs."""
    return [
        {
            "number": one.number,
            "at": one.at,
            "fault": one.fault,
            "class": KINDS[one.fault].number,
            "target": one.target,
            "seconds": one.seconds,
            "detail": one.detail,
        }
        for one in planned
    ]


def _decks(dice: random.Random, kinds: list[str]) -> Iterator[str]:
    while True:
        yield from dice.sample(kinds, len(kinds))
