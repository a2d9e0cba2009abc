"""How a run looks while it runs: a table that stays in place on a terminal, a line every few seconds elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.table import Table

from headrace_load.generator.run import Moment, Watcher
from headrace_load.generator.sender import Counts

LINE_EVERY_S: Final = 5.0


@contextmanager
def watching(console: Console, name: str) -> Iterator[Watcher]:
    """Something to tell of each moment; the table goes when the run is over."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            yield lambda moment, counts: live.update(_table(name, moment, counts))
        return
    told = time.monotonic()

    def line(moment: Moment, counts: Counts) -> None:
        nonlocal told
        if time.monotonic() - told >= LINE_EVERY_S:
            told = time.monotonic()
            console.print(_line(name, moment, counts), soft_wrap=True, highlight=False, markup=False)

    yield line


def _table(name: str, moment: Moment, counts: Counts) -> Table:
    table = Table(title=f"{name}, second {moment.at}", title_justify="left", box=None, header_style="dim")
    for column in ("", "last second", "in all"):
        table.add_column(column, justify="right" if column else "left")
    rows = (
        ("commands sent", f"{moment.sent:,}", f"{counts.sent:,}"),
        ("confirmed", f"{moment.acked:,}", f"{counts.acked:,}"),
        ("dropped", f"{moment.dropped:,}", f"{counts.dropped:,}"),
        ("failed, unknown", "", f"{counts.failed:,}, {counts.unknown:,}"),
        ("outcomes", f"{moment.outcomes:,}", ""),
        ("events in the read model", f"{moment.rows:,}", ""),
        ("behind: handlers, view", f"{moment.handler_lag:,}, {moment.view_lag:,}", ""),
        *(
            (f"command to {what}, p50 and p99 ms", f"{moment.p50[what]:,.0f}, {moment.p99[what]:,.0f}", "")
            for what in ("outcome", "event", "row")
            if what in moment.p50
        ),
    )
    for row in rows:
        table.add_row(*row)
    return table


def _line(name: str, moment: Moment, counts: Counts) -> str:
    latency = f", row p99 {moment.p99['row']:,.0f} ms" if "row" in moment.p99 else ""
    return (
        f"{name} {moment.at:>4} s: {counts.sent:,} sent, {counts.acked:,} confirmed, {moment.outcomes:,} outcomes/s, "
        f"{moment.rows:,} rows/s, behind {moment.handler_lag:,} + {moment.view_lag:,}{latency}"
    )
