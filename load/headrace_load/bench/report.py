"""The bench's report: one JSON value for programs, one table for people."""

from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from headrace_load.bench.figures import Figure, as_groups

LEGEND: Final = """CPU is per record, all threads of the process. x raw: beside librdkafka alone on the same bytes.
restart: a takeover after all those commands; restore: of as many aggregates, their newest events only."""


def as_json(figures: Sequence[Figure], circumstances: dict[str, Any]) -> dict[str, Any]:
    """The figures together with what they were measured on and with."""
    return {**circumstances, "figures": as_groups(figures)}


def show(figures: Sequence[Figure], circumstances: dict[str, Any], console: Console) -> None:
    """Print a line on the circumstances, and the figures as a table."""
    machine, settings = circumstances["machine"], circumstances["settings"]
    console.print(
        f"{machine['cores']} cores, {machine['cpu']}, {machine['python']}, librdkafka {machine['librdkafka']}, "
        f"fastavro {machine['fastavro']}, Kafka {machine['kafka']}, PostgreSQL {machine['postgres']}",
        f"{circumstances['commands']:,} commands, {circumstances['repeats']} repeats; "
        f"{', '.join(f'{name} {value}' for name, value in settings.items())}",
        sep="\n",
        highlight=False,
        soft_wrap=True,
    )
    table = Table("", "figure", *(("median", "min", "max") if circumstances["repeats"] > 1 else ("once",)))
    for column in table.columns[2:]:
        column.justify = "right"
    before = ""
    for figure in figures:
        if figure.who != before:
            table.add_section()
        found = figure.as_json()
        shown = [found[name] for name in ("median", "min", "max")[: len(table.columns) - 2]]
        table.add_row(figure.who.replace("_", " ") if figure.who != before else "", figure.unit, *map(_readable, shown))
        before = figure.who
    console.print(table)
    console.print(LEGEND, soft_wrap=True)


def _readable(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits, or all before the point
