"""A described board with Grafana's own types: the envelope, the variables, and one panel for each chart.

The library's builders leave two things open that Grafana then makes up: ids of panels and reference letters of queries.
Both are set here, so that the same description gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from string import ascii_uppercase
from typing import TypeVar

from grafana_foundation_sdk.builders import (
    barchart,
    bargauge,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
    xychart,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.chart import Board, Chart, Kind, Query

TAG = "dynamo"
SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
LEVELS = {"one": "#E69F00", "quorum": "#0072B2", "all": "#009E73", "linearizable": "#CC79A7"}
"""One colour for each level, everywhere, weakest first; told apart by the colour-blind."""
AT_ONCE = frozenset({Kind.BARS, Kind.COLUMNS, Kind.TABLE, Kind.POINTS})
"""Kinds that show one moment, or the whole range as one number."""
AS_TABLE = frozenset({Kind.COLUMNS, Kind.TABLE, Kind.POINTS})


Panel = (
    barchart.Panel
    | bargauge.Panel
    | heatmap.Panel
    | stat.Panel
    | statetimeline.Panel
    | table.Panel
    | timeseries.Panel
    | xychart.Panel
)
Joined = TypeVar("Joined", table.Panel, xychart.Panel)


def written(board: Board) -> str:
    """The JSON that Grafana is given, the same for the same board."""
    return json.dumps(built(board), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def built(board: Board) -> models.Dashboard:
    """The board in Grafana's types."""
    shell = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.says)
        .tags([TAG])
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .refresh("30s")
        .time("now-1h", "now")
        .timezone("browser")
        .link(_links())
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_clusters())
    )
    number = 0
    for section in board.sections:
        number += 1
        shell.with_row(dashboard.Row(section.title).id(number))
        for chart in section.charts:
            number += 1
            shell.with_panel(_panel(chart, number))
    return shell.build()


def _links() -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink("Dashboards")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    )


def _clusters() -> dashboard.QueryVariable:
    """All clusters at first. `.*` also finds series that were scraped without the label."""
    return (
        dashboard.QueryVariable("cluster")
        .label("Cluster")
        .datasource(SOURCE)
        .query("label_values(dynamo_build_info, cluster)")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
    )


def _panel(chart: Chart, number: int) -> Panel:
    panel = _KINDS[chart.kind](chart)
    panel = panel.id(number).title(chart.title).description(chart.says).datasource(SOURCE)
    panel = panel.span(chart.width).height(chart.height).unit(chart.unit).no_value(chart.none)
    if chart.least is not None:
        panel = panel.min(chart.least)
    if chart.most is not None:
        panel = panel.max(chart.most)
    for letter, query in zip(ascii_uppercase, chart.queries, strict=False):
        panel = panel.with_target(_target(chart, query, letter))
        if query.unit:
            panel = panel.override_by_name(query.legend, [models.DynamicConfigValue("unit", query.unit)])
    for level, colour in LEVELS.items():
        fixed = models.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})
        panel = panel.override_by_regexp(f"/^{level}\\b/", [fixed])
    return panel


def _target(chart: Chart, query: Query, letter: str) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.promql).legend_format(query.legend).ref_id(letter).datasource(SOURCE)
    target = target.instant() if chart.kind in AT_ONCE else target.range()
    if chart.kind is Kind.HEAT:
        return target.format(PromQueryFormat.HEATMAP)
    return target.format(PromQueryFormat.TABLE if chart.kind in AS_TABLE else PromQueryFormat.TIME_SERIES)


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .display_mode(common_models.LegendDisplayMode.LIST)
        .placement(common_models.LegendPlacement.BOTTOM)
        .show_legend(True)
    )


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _lines(chart: Chart) -> timeseries.Panel:
    panel = timeseries.Panel().legend(_legend()).line_width(2).fill_opacity(0)
    panel = panel.show_points(common_models.VisibilityMode.NEVER)
    if chart.log:
        scale = common.ScaleDistributionConfig().type(common_models.ScaleDistribution.LOG).log(10)
        panel = panel.scale_distribution(scale)
    return panel


def _bars(_: Chart) -> bargauge.Panel:
    panel = bargauge.Panel().orientation(common_models.VizOrientation.HORIZONTAL).reduce_options(_last())
    return panel.display_mode(common_models.BarGaugeDisplayMode.BASIC)


def _columns(_: Chart) -> barchart.Panel:
    """One column for each value of the label that the query keeps."""
    return barchart.Panel().legend(_legend()).with_transformation(_without_time())


def _joined(panel: Joined, chart: Chart) -> Joined:
    """One row for each level, with a column for each query, called as its legend says."""
    names = {f"Value #{letter}": query.legend for letter, query in zip(ascii_uppercase, chart.queries, strict=False)}
    join = models.DataTransformerConfig("joinByField", options={"byField": "consistency", "mode": "outer"})
    return panel.with_transformation(join).with_transformation(_without_time(names))


def _without_time(names: dict[str, str] | None = None) -> models.DataTransformerConfig:
    times = dict.fromkeys(("Time", "Time 1", "Time 2", "Time 3", "Time 4"), True)
    return models.DataTransformerConfig("organize", options={"excludeByName": times, "renameByName": names or {}})


def _points(chart: Chart) -> xychart.Panel:
    return _joined(xychart.Panel().legend(_legend()), chart)


_KINDS: dict[Kind, Callable[[Chart], Panel]] = {
    Kind.LINES: _lines,
    Kind.NOW: lambda _: stat.Panel().reduce_options(_last()),
    Kind.BARS: _bars,
    Kind.COLUMNS: _columns,
    Kind.HEAT: lambda _: heatmap.Panel().calculate(False).show_legend(),
    Kind.STATES: lambda _: statetimeline.Panel().legend(_legend()).show_value(common_models.VisibilityMode.NEVER),
    Kind.TABLE: lambda chart: _joined(table.Panel(), chart),
    Kind.POINTS: _points,
}
