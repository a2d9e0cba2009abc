"""docs/benchmarks.md from a report: the figures as a table, the machine that they are of, and a plot of the ratios."""

from pathlib import Path
from typing import Any, Final

from headrace_load.bench.figures import UNITS
from headrace_load.bench.live import AT_LENGTH

PLOTTED: Final = "cpu_to_raw"
BAR_PX: Final = 420
ROW_PX: Final = 34
LABEL_PX: Final = 170

TEXT: Final = """# Benchmarks

Written by `python -m headrace_load.bench --document docs/benchmarks.md`: real Kafka and PostgreSQL, the services as
processes of their own, {repeats} repeats, median between least and greatest. {commands:,} commands a repeat,
{partitions} partitions; {settings}.

{machine}

CPU is that of all threads of a process, per record. *x raw* sets it beside librdkafka alone on the same bytes in the
same run: these ratios carry over to another machine, rates do not. *restart* is a takeover after all those commands,
*restore* one of as many aggregates of which only the newest events are there. *Live*, commands arrive at that rate
whatever becomes of them, at one handler and the projector of `orders`: a latency counts from when its command was due
to when its event, or the row, is seen, in the second half of {live:.0f} s; generator and observer share the machine.
Services that are *tuned for latency* have a window of 5 ms, those *tuned for throughput* one of 100 ms.
*Everything at once* has all projectors, and commands as fast as the broker takes them, to the last row of all; tuned
for throughput, {at_length} times as many commands. A *handler of … accounts* takes so many over, which is what its
seconds and its memory are of, and is then asked for deposits to any of them; *handlers, … of them* share 12 partitions,
and their CPU is that of all together. *Transfers* are those of a whole bank on the box, in 12 partitions, from the
request to the record of the end, in the thirteenth transaction: in the second half of the time.

{table}

![CPU a record, as a multiple of what raw librdkafka takes for the same bytes]({plot})
"""


def write(report: dict[str, Any], path: Path) -> None:
    """Write the page, and the plot beside it."""
    plot = path.with_suffix(".svg")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_markdown(report, plot.name), encoding="utf-8")
    plot.write_text(as_svg(report), encoding="utf-8")


def as_markdown(report: dict[str, Any], plot: str) -> str:
    """The page."""
    machine = report["machine"]
    known = ("cpu", "cores", "system", "python", "codec", "librdkafka", "msgspec", "psycopg", "kafka", "postgres")
    return TEXT.format(
        repeats=report["repeats"],
        at_length=AT_LENGTH,
        live=report["live_s"],
        commands=report["commands"],
        partitions=report["partitions"],
        settings=", ".join(f"{name} {value}" for name, value in report["settings"].items()),
        machine="Measured on: " + ", ".join(f"{name} {machine[name]}" for name in known) + ".",
        table="\n".join(_rows(report["figures"])),
        plot=plot,
    )


def as_svg(report: dict[str, Any]) -> str:
    """A bar for each service."""
    found = {who: group[PLOTTED]["median"] for who, group in report["figures"].items() if PLOTTED in group}
    most = max(found.values(), default=1.0)
    width, height = LABEL_PX + BAR_PX + 70, ROW_PX * len(found) + 10
    bars = []
    for place, (who, ratio) in enumerate(found.items()):
        top, length = place * ROW_PX + 8, round(BAR_PX * ratio / most)
        bars += [
            f'<text x="{LABEL_PX - 10}" y="{top + 17}" text-anchor="end">{who.replace("_", " ")}</text>',
            f'<rect x="{LABEL_PX}" y="{top}" width="{length}" height="{ROW_PX - 10}" fill="#3572a5"/>',
            f'<text x="{LABEL_PX + length + 8}" y="{top + 17}">{ratio:.3g} x</text>',
        ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="14" fill="#333">\n'
        f'<rect width="{width}" height="{height}" fill="#fff"/>\n' + "\n".join(bars) + "\n</svg>\n"
    )


def _rows(figures: dict[str, dict[str, Any]]) -> list[str]:
    lines = ["| | figure | median | least | greatest |", "| --- | --- | ---: | ---: | ---: |"]
    for who, group in figures.items():
        name = who.replace("_", " ")
        for what, found in group.items():
            shown = " | ".join(_readable(found[each]) for each in ("median", "min", "max"))
            lines.append(f"| {name} | {UNITS[what]} | {shown} |")
            name = ""
    return lines


def _readable(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - as the report shows it
