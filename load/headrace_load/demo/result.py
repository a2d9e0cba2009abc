"""What the demo found, for people and for programs."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from rich.console import Console
from rich.table import Table

from headrace_load.demo.statistics import MONEY
from headrace_load.measure import Latency, Measured
from headrace_load.verify import Report
from headrace_load.verify.show import show


@dataclass(frozen=True, slots=True)
class Kill:
    """A process that was killed, when (seconds from the start), and the process that stands in its place."""

    name: str
    pid: int
    at: float
    new_pid: int | None = None

    def replaced_by(self, pid: int | None) -> "Kill":
        """The same, with its successor."""
        return replace(self, new_pid=pid)


@dataclass(frozen=True, slots=True)
class Result:
    """Counts, figures and checks of one demo; `reported` lines of the file were no orders.

    `days` are the shop's statistics as the database has them, `bank` its accounts and transfers, money in minor units.
    """

    orders: int
    reported: int
    kills: tuple[Kill, ...]
    figures: Measured
    days: tuple[dict[str, Any], ...]
    bank: dict[str, Any]
    report: Report
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every check passed, every penny is there, and every killed process was replaced."""
        return (
            self.report.ok
            and self.bank["conserved"]
            and all(kill.new_pid not in (None, kill.pid) for kill in self.kills)
        )

    @property
    def counts(self) -> dict[str, int]:
        """What the verifier counted in topics and tables."""
        counted = {check.name: check.counted for check in self.report.checks}
        return {
            "orders": self.orders,
            "commands": counted["answers"]["commands"],
            "accepted": counted["effects"]["accepted"],
            "refused": counted["effects"]["refused"],
            "resent": counted["resends"]["resends"],
            "set_aside": counted["answers"]["parked"],
            "events": counted["versions"]["events"],
            "journaled": counted["journal"]["in_journal"],
            "rows": counted["rows"]["rows"],
        }

    def as_json(self) -> dict[str, Any]:
        """The result for programs."""
        return {
            "ok": self.ok,
            "seconds": round(self.seconds, 1),
            "counts": self.counts,
            "reported_lines": self.reported,
            "kills": [asdict(kill) for kill in self.kills],
            "figures": self.figures.as_json(),
            "days": list(self.days),
            "bank": self.bank,
            "verification": self.report.as_json(),
        }


def show_result(result: Result, console: Console) -> None:
    """Print the counts, the figures, then each check."""
    counts = (f"{count:,} {what.replace('_', ' ')}" for what, count in result.counts.items())
    console.print("\n" + " · ".join(counts), highlight=False, soft_wrap=not console.is_terminal)
    for kill in result.kills:
        console.print(f"{kill.name}: killed (pid {kill.pid}) at {kill.at} s, now pid {kill.new_pid}", highlight=False)
    figures = result.figures
    rate = f"{figures.events:,} events in {figures.seconds:.1f} s, {figures.events_per_second:,.0f} a second (paced)"
    console.print(rate, highlight=False)
    console.print(_latencies(figures))
    console.print(statistics(result.days))
    console.print(_transfers(result.bank["transfers"]))
    show(result.report, console)


def _latencies(figures: Measured) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("milliseconds")
    for column in ("p50", "p99", "longest"):
        table.add_column(column, justify="right")
    for name, latency in _named(figures):
        table.add_row(name, f"{latency.p50:,.0f}", f"{latency.p99:,.0f}", f"{latency.largest:,.0f}")
    return table


def statistics(days: tuple[dict[str, Any], ...]) -> Table:
    """The shop's days as its owner reads them, a column a day: money in whole units and cents."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("the shop's day")
    for day in days:
        table.add_column(f"{day['day']}, {day['currency']}", justify="right")
    for name in list(days[0])[2:] if days else ():
        table.add_row(name.replace("_", " "), *(_shown(name, day[name]) for day in days))
    return table


def _transfers(rows: list[dict[str, Any]]) -> Table:
    table = Table("transfer", "from", "to", box=None, pad_edge=False, header_style="dim")
    table.add_column("amount", justify="right")
    for column in ("status", "because of", "approved by"):
        table.add_column(column)
    for row in rows:
        table.add_row(
            row["transfer_id"], row["from_account"], row["to_account"], f"{row['amount'] / 100:,.2f}", row["status"],
            row["code"] or "", row["reviewed_by"] or "",
        )  # fmt: skip
    return table


def _shown(name: str, value: Any) -> str:
    if name in MONEY and value is not None:
        return f"{value / 100:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value if value is not None else "-")


def _named(figures: Measured) -> tuple[tuple[str, Latency], ...]:
    return (
        ("command to event", figures.command_to_event),
        ("command to journal", figures.command_to_journal),
        ("command to row", figures.command_to_row),
    )
