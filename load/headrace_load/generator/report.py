"""A run, or two beside each other, as one HTML file that needs nothing else: no network, no server, no other file."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from headrace_load.generator.run import Moment
from headrace_load.generator.show import compared, headline, label, number, verdicts
from headrace_load.generator.summary import Summary

FILE: Final = "report.html"
COMPARISON: Final = "comparison.html"
PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<link rel="icon" href="data:,">
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1100px; padding: 0 1rem; color: #1a2433 }}
h1 {{ font-size: 1.5rem; margin-bottom: 0 }} h2 {{ font-size: 1.1rem; margin: 2rem 0 .5rem }}
table {{ border-collapse: collapse }} td, th {{ padding: .15rem .8rem .15rem 0; text-align: left; vertical-align: top }}
td.n, th.n {{ text-align: right; font-variant-numeric: tabular-nums }}
.ok::before {{ content: "✓ "; color: #1a7f37 }} .wrong::before {{ content: "✗ "; color: #cf222e }}
.wrong {{ font-weight: 600 }} .remark {{ background: #fff8c5; padding: .4rem .8rem }} .dim {{ color: #67707d }}
</style>
<script>{plotly}</script></head><body>
{body}
</body></html>
"""
LINES: Final = ("solid", "dash")


def write_report(summary: Summary, path: Path) -> None:
    """Write the report of one run."""
    body = [
        f"<h1>{escape(summary.name)}</h1>",
        f"<p class=dim>{escape(summary.scenario['description'])}, {escape(summary.started_at)}</p>",
        *(f"<p>{escape(line)}</p>" for line in headline(summary)),
        *(f"<p class=remark>{escape(remark)}</p>" for remark in summary.remarks),
        "<h2>Checks</h2>",
        *(f"<div class={'ok' if ok else 'wrong'}>{escape(text)}</div>" for ok, text in verdicts(summary)),
        *_figures([summary]),
        "<h2>What the verifier counted</h2>",
        _table(
            ("check", "claim", "counted", "problems"),
            [
                (check["name"], check["claim"], _pairs(check["counted"]), str(check["problems_total"]))
                for check in summary.verification["checks"]
            ],
        ),
        "<h2>Configuration</h2>",
        _table(("", ""), [*_flat("scenario", summary.scenario), *_flat("settings", summary.settings)]),
        "<h2>Environment</h2>",
        _table(("", ""), [(name, str(value)) for name, value in summary.environment.items()]),
    ]
    _write(path, f"Headrace load: {summary.name}", body)


def write_comparison(first: Summary, second: Summary, path: Path) -> None:
    """Write two runs beside each other."""
    rows = [(name, number(one), number(other), factor) for name, one, other, factor in compared(first, second)]
    body = [
        f"<h1>{escape(label(first))} against {escape(label(second))}</h1>",
        _table(("", label(first), label(second), "x"), rows, numbers=True),
        *_figures([first, second]),
        "<h2>Configuration that differs</h2>",
        _table(("", label(first), label(second)), _differences(first, second)),
    ]
    _write(path, "Headrace load: two runs", body)


def _figures(summaries: Sequence[Summary]) -> list[str]:
    return [
        "<h2>Rate</h2>",
        _over_time(summaries, "a second", {
            "sent": lambda moment: moment.sent,
            "outcomes": lambda moment: moment.outcomes,
            "events in the read model": lambda moment: moment.rows,
        }),
        "<h2>Latency, from when a command was due</h2>",
        _over_time(summaries, "ms", {
            f"{name} {percentile}": _latency(percentile, name)
            for name in ("event", "row")
            for percentile in ("p50", "p99")
        }),
        "<h2>Lag</h2>",
        _over_time(summaries, "records", {
            "handlers": lambda moment: moment.handler_lag,
            "view": lambda moment: moment.view_lag,
        }),
        "<h2>Percentiles</h2>",
        _percentiles(summaries),
    ]  # fmt: skip


def _latency(percentile: str, name: str) -> Any:
    return lambda moment: getattr(moment, percentile).get(name)


def _over_time(summaries: Sequence[Summary], unit: str, series: dict[str, Any]) -> str:
    figure = go.Figure()
    for summary, dash in zip(summaries, LINES, strict=False):
        whose = f"{label(summary)}: " if len(summaries) > 1 else ""
        moments: list[Moment] = summary.moments
        for colour, (name, value) in zip(COLOURS, series.items(), strict=False):
            line = {"dash": dash, "color": colour}
            figure.add_scatter(
                x=[moment.at for moment in moments],
                y=[value(moment) for moment in moments],
                name=whose + name,
                line=line,
            )
    figure.update_layout(xaxis_title="seconds", yaxis_title=unit, yaxis_rangemode="tozero")
    return _html(figure)


def _percentiles(summaries: Sequence[Summary]) -> str:
    """Latency by percentile, the axis stretched towards the end as HDR's plotter does."""
    figure = go.Figure()
    for summary, dash in zip(summaries, LINES, strict=False):
        whose = f"{label(summary)}: " if len(summaries) > 1 else ""
        for colour, (name, curve) in zip(COLOURS, summary.curves.items(), strict=False):
            points = [(1 / (1 - at / 100), value, at) for at, value in curve if at < 100]  # noqa: PLR2004
            figure.add_scatter(
                x=[x for x, _, _ in points],
                y=[y for _, y, _ in points],
                text=[f"{at:.4f} %" for _, _, at in points],
                name=whose + name.replace("_", " "),
                line={"dash": dash, "color": colour},
            )
    ticks = {"tickvals": [1, 2, 10, 100, 1000, 10_000], "ticktext": ["0", "50", "90", "99", "99.9", "99.99"]}
    figure.update_layout(xaxis={"type": "log", "title": "percentile", **ticks}, yaxis_title="ms")
    return _html(figure)


COLOURS: Final = ("#0969da", "#8250df", "#1a7f37", "#bf8700")


def _html(figure: go.Figure) -> str:
    figure.update_layout(
        template="plotly_white",
        height=320,
        margin={"l": 60, "r": 10, "t": 10, "b": 40},
        legend={"orientation": "h", "y": 1.15},
    )
    shown: str = figure.to_html(
        full_html=False, include_plotlyjs=False, config={"displayModeBar": False, "responsive": True}
    )
    return shown


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = False) -> str:
    kind = " class=n" if numbers else ""
    top = "".join(f"<th{kind if at else ''}>{escape(text)}</th>" for at, text in enumerate(head))
    lines = (
        "<tr>" + "".join(f"<td{kind if at else ''}>{escape(cell)}</td>" for at, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{top}</tr>{''.join(lines)}</table>"


def _flat(name: str, value: Any) -> list[tuple[str, str]]:
    """A nested value as one line for each thing that it says."""
    if isinstance(value, dict):
        return [line for key, inner in value.items() for line in _flat(f"{name}.{key}", inner)]
    return [(name, str(value))]


def _differences(first: Summary, second: Summary) -> list[tuple[str, str, str]]:
    sides = [
        dict(_flat("scenario", one.scenario) + _flat("settings", one.settings) + _flat("environment", one.environment))
        for one in (first, second)
    ]
    names = dict.fromkeys([*sides[0], *sides[1]])
    pairs = ((name, sides[0].get(name, "-"), sides[1].get(name, "-")) for name in names)
    return [(name, one, other) for name, one, other in pairs if one != other]


def _pairs(counted: dict[str, Any]) -> str:
    return ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in counted.items())


def _write(path: Path, title: str, body: Sequence[str]) -> None:
    path.write_text(PAGE.format(title=escape(title), plotly=get_plotlyjs(), body="\n".join(body)), encoding="utf-8")
