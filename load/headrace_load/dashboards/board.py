"""What a dashboard is here: panels that each ask something, in a unit, with a sentence, and a page where one helps."""

import json
from collections.abc import Sequence
from typing import Any, Final, Literal

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    DataSourceRef,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DashboardLinkType, VariableRefresh
from msgspec import Struct

from headrace_load.dashboards.pages import link_to

SOURCE: Final = DataSourceRef("prometheus", "${datasource}")
TAG: Final = "headrace"
COLUMNS: Final = 24
HEIGHTS: Final = {"stat": 4, "timeseries": 8}
FEW_LINES: Final = 10


class Ask(Struct, frozen=True):
    """A PromQL expression, and what its series are called."""

    expression: str
    legend: str = ""


class Panel(Struct, frozen=True, kw_only=True):
    """One panel: `unit` is Grafana's name of it, `runbooks` are alerts whose pages it leads to."""

    title: str
    text: str
    unit: str
    asks: tuple[Ask, ...]
    kind: Literal["timeseries", "stat"] = "timeseries"
    width: int = 12
    runbooks: tuple[str, ...] = ()


class Choice(Struct, frozen=True):
    """A variable of a dashboard: the values of a metric's label, all of them at first."""

    name: str
    metric: str


class Board(Struct, frozen=True, kw_only=True):
    """A dashboard: rows of panels by the rows' titles."""

    uid: str
    title: str
    text: str
    rows: dict[str, tuple[Panel, ...]]
    choices: tuple[Choice, ...] = ()


def built(board: Board) -> dict[str, Any]:
    """What Grafana reads."""
    made = frame(board.uid, board.title, board.text)
    made.with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    for choice in board.choices:
        made.with_variable(_variable(choice))
    for title, panels in board.rows.items():
        made.with_row(dashboard.Row(title))
        for panel in panels:
            made.with_panel(_panel(panel))
    return as_json(made)


def frame(uid: str, title: str, text: str) -> dashboard.Dashboard:
    """An empty dashboard that leads to the others."""
    others = dashboard.DashboardLink("Headrace").type(DashboardLinkType.DASHBOARDS).tags([TAG])
    return (
        dashboard.Dashboard(f"Headrace: {title}")
        .uid(uid)
        .description(text)
        .tags([TAG])
        .time("now-1h", "now")
        .refresh("10s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(others.as_dropdown(True).keep_time(True))
    )


def as_json(made: dashboard.Dashboard) -> dict[str, Any]:
    """As plain values."""
    found: dict[str, Any] = json.loads(json.dumps(made.build(), cls=JSONEncoder))
    return found


def _variable(choice: Choice) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(choice.name)
        .label(choice.name.capitalize())
        .datasource(SOURCE)
        .query(f"label_values({choice.metric}, {choice.name})")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".+")
    )


def _panel(panel: Panel) -> Any:
    made: Any = stat.Panel() if panel.kind == "stat" else _lines(panel.asks)
    made.title(panel.title).description(panel.text).unit(panel.unit).datasource(SOURCE)
    made.span(panel.width).height(HEIGHTS[panel.kind])
    for letter, ask in zip("ABCDEF", panel.asks, strict=False):
        made.with_target(_target(letter, ask))
    made.links([_link(name) for name in panel.runbooks])
    return made


def _lines(asks: Sequence[Ask]) -> timeseries.Panel:
    legend = common.VizLegendOptions().show_legend(any(ask.legend for ask in asks)).placement(LegendPlacement.BOTTOM)
    tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
    return (
        timeseries.Panel()
        .min(0)
        .fill_opacity(FEW_LINES)
        .show_points(VisibilityMode.NEVER)
        .legend(legend.display_mode(LegendDisplayMode.LIST))
        .tooltip(tooltip)
    )


def _target(letter: str, ask: Ask) -> prometheus.Dataquery:
    return prometheus.Dataquery().ref_id(letter).expr(ask.expression).legend_format(ask.legend).datasource(SOURCE)


def _link(name: str) -> dashboard.DashboardLink:
    return dashboard.DashboardLink(f"What to do: {name}").type(DashboardLinkType.LINK).url(link_to(name))
