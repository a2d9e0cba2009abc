"""What the bench reports: each figure once per repeat, then its median between its least and its greatest."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final, TypeAlias

Results: TypeAlias = dict[str, float]
"""One repeat's figures by dotted name: who was measured, and what of it."""

UNITS: Final = {
    "records_per_s": "records/s",
    "commands_per_s": "commands/s",
    "events_per_s": "events/s",
    "cpu_us": "µs CPU",
    "broker_cpu_us": "µs CPU, broker",
    "postgres_cpu_us": "µs CPU, Postgres",
    "rate_to_raw": "x raw rate",
    "cpu_to_raw": "x raw CPU",
    "seconds": "s",
    "start_to_ready_s": "s from process start",
    "rss_mb": "MB RSS",
    "transfers_per_s": "transfers/s",
    "reactor_cpu_us": "µs CPU a message, reactor",
    "handler_cpu_us": "µs CPU a message, handlers",
    "cpu_to_handler": "x CPU, reactor to handlers",
    "p50_ms": "ms, median",
    "p99_ms": "ms, 99 %",
    "event_p50_ms": "ms to event, median",
    "event_p95_ms": "ms to event, 95 %",
    "event_p99_ms": "ms to event, 99 %",
    "row_p50_ms": "ms to row, median",
    "row_p99_ms": "ms to row, 99 %",
    "generator_cpu_us": "µs CPU, generator",
}


@dataclass(frozen=True, slots=True)
class Spent:
    """How long some records took, and the CPU time of the process that handled them, all its threads included."""

    records: int
    seconds: float
    cpu_s: float

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU a record."""
        return self.cpu_s / self.records * 1e6

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.records + other.records, self.seconds + other.seconds, self.cpu_s + other.cpu_s)

    def times(self, records: int) -> "Spent":
        """What so many records would have taken at the same rate and cost."""
        return Spent(records, self.seconds * records / self.records, self.cpu_s * records / self.records)


def one_after_the_other(records: int, *parts: Spent) -> Spent:
    """What the parts take together, told per record of something that all of them are needed for."""
    return Spent(records, sum(part.seconds for part in parts), sum(part.cpu_s for part in parts))


def compared(name: str, rate: str, spent: Spent, raw: Spent) -> Results:
    """A measurement's figures, with its rate and its CPU time as ratios to what raw librdkafka needs for the same."""
    return {
        f"{name}.{rate}": spent.rate,
        f"{name}.cpu_us": spent.cpu_us,
        f"{name}.rate_to_raw": spent.rate / raw.rate,
        f"{name}.cpu_to_raw": spent.cpu_us / raw.cpu_us,
    }


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure over all repeats."""

    name: str
    values: tuple[float, ...]

    @property
    def who(self) -> str:
        """What was measured."""
        return self.name.rpartition(".")[0]

    @property
    def what(self) -> str:
        """Which figure of it."""
        return self.name.rpartition(".")[2]

    @property
    def unit(self) -> str:
        """How to read the number."""
        return UNITS[self.what]

    def as_json(self) -> dict[str, Any]:
        """Least, median and greatest, and the values in the order of the repeats."""
        return {
            "min": _short(min(self.values)),
            "median": _short(median(self.values)),
            "max": _short(max(self.values)),
            "values": [_short(value) for value in self.values],
        }


def figures_of(repeats: Sequence[Results]) -> list[Figure]:
    """The figures in the order in which the repeats name them; each repeat must name the same."""
    return [Figure(name, tuple(results[name] for results in repeats)) for name in repeats[0]]


def as_groups(figures: Sequence[Figure]) -> dict[str, dict[str, Any]]:
    """The figures for programs: by what was measured, then by figure."""
    groups: dict[str, dict[str, Any]] = {}
    for figure in figures:
        groups.setdefault(figure.who, {})[figure.what] = figure.as_json()
    return groups


def _short(value: float) -> float:
    """Four significant digits: the machine's noise is larger than what is cut off."""
    return float(f"{value:.4g}")
