"""A run's result, and two runs beside each other, for a person at a terminal."""

from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from headrace_load.generator.summary import Summary
from headrace_load.generator.thresholds import LATENCIES

SHOWN: Final = ("p50", "p99", "p999", "max")
COMPARED: Final = (
    *(f"{percentile}_{name}_ms" for name in LATENCIES for percentile in ("p50", "p99", "max")),
    "sent", "dropped", "sent_per_second", "answered_per_second", "rows_per_second",
    "max_handler_lag", "max_view_lag", "drain_s", "generator_cpu_us",
    "lost", "duplicated", "out_of_order", "problems",
)  # fmt: skip


def show(summary: Summary, console: Console) -> None:
    """Print figures, thresholds and what the verifier named."""
    for line in headline(summary):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("milliseconds")
    for column in (*SHOWN, "timed"):
        table.add_column(column, justify="right")
    for name, latency in summary.latencies.items():
        table.add_row(name.replace("_", " "), *(number(latency[of]) for of in SHOWN), f"{latency['count']:,}")
    console.print(table)
    for mark, text in verdicts(summary):
        console.print(Text(f"{'ok' if mark else 'WRONG':<6} {text}", style="" if mark else "bold red"), soft_wrap=True)
    for remark in summary.remarks:
        console.print(Text(remark, style="yellow"), soft_wrap=True)


def headline(summary: Summary) -> Iterator[str]:
    """What was sent and answered, and what that cost, in three lines."""
    metrics = summary.metrics
    counts = ("sent", "acked", "failed", "unknown", "dropped")
    yield " · ".join(f"{metrics[name]:,.0f} {name}" for name in counts)
    rates = ("sent_per_second", "answered_per_second", "rows_per_second")
    yield " · ".join(f"{metrics[name]:,.0f} {name.replace('_per_second', '')}/s" for name in rates) + (
        f" · behind at most {metrics['max_handler_lag']:,.0f} commands, {metrics['max_view_lag']:,.0f} events"
        f" · drained {metrics['drain_s']:,.1f} s after the last command"
    )
    spent = {"generator": metrics["generator_cpu_us"], **summary.cpu_us}
    yield "CPU a command, µs: " + " · ".join(
        f"{name.replace('_', ' ')} {number(value)}" for name, value in spent.items()
    )


def verdicts(summary: Summary) -> Iterator[tuple[bool, str]]:
    """Thresholds, then what the verifier found, each with whether it is as wanted."""
    for judged in summary.thresholds:
        yield judged.ok, f"{judged.threshold}: {number(judged.measured)}"
    found = summary.verification
    for name, one in found["named"].items():
        yield one["ok"], f"{name}: {one['says']}"
    wrong = [check for check in found["checks"] if not check["ok"]]
    looked = sum(check["looked"] for check in found["checks"])
    yield not wrong, f"verified: {looked - len(wrong)} of {looked} checks passed"
    for check in wrong:
        yield False, f"{check['name']} ({check['problems_total']}): {check['problems'][0]}"


def compare(first: Summary, second: Summary, console: Console) -> None:
    """Print two runs' metrics side by side, and the second's as a multiple of the first's."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    for column in (label(first), label(second), "x"):
        table.add_column(column, justify="right")
    for name, one, other, factor in compared(first, second):
        table.add_row(name, number(one), number(other), factor)
    console.print(table)


def compared(first: Summary, second: Summary) -> Iterator[tuple[str, float | None, float | None, str]]:
    """Each metric of both, and the second's as a multiple of the first's."""
    for name in COMPARED:
        one, other = first.metrics.get(name), second.metrics.get(name)
        yield name, one, other, f"{other / one:.2f}" if one and other is not None else ""


def label(summary: Summary) -> str:
    """What a run is called beside another."""
    return f"{summary.name} {summary.started_at}"


def number(value: float | None) -> str:
    """Three digits, or all before the point; nothing measured is a dash."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"  # noqa: PLR2004
