"""One chart, described: what it shows, in which unit, from which queries. Knows nothing of Grafana's JSON.

In a query `{S` stands for the matcher of the chosen clusters, which every selector begins with, and `[R]` for the range
that fits the resolution. `{S}` alone is the whole selector.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SELECTED = '{cluster=~"$cluster"'
RATE = "[$__rate_interval]"

RATIO = "percentunit"
SECONDS = "s"
RATE_UNIT = "ops"
READS = "reqps"
COUNT = "short"
BYTES = "bytes"


class Kind(StrEnum):
    """How a chart is drawn."""

    LINES = "timeseries"
    NOW = "stat"
    BARS = "bargauge"
    COLUMNS = "barchart"
    HEAT = "heatmap"
    STATES = "state-timeline"
    TABLE = "table"
    POINTS = "xychart"


@dataclass(frozen=True)
class Query:
    """One query and how its series are called: `{{label}}` is replaced by the label's value."""

    expr: str
    legend: str
    unit: str = ""
    """Of its column in a table or a plot of points, where that is not the chart's."""

    @property
    def promql(self) -> str:
        """As Grafana gets it."""
        return self.expr.replace("{S", SELECTED).replace("[R]", RATE)


@dataclass(frozen=True)
class Chart:
    """A title and one sentence say what is seen; `none` is shown where there is nothing to see, and why that is so."""

    title: str
    says: str
    unit: str
    queries: tuple[Query, ...]
    kind: Kind = Kind.LINES
    width: int = 12
    height: int = 8
    least: float | None = 0
    most: float | None = None
    none: str = "no data"
    log: bool = False


@dataclass(frozen=True)
class Section:
    """Charts under a heading."""

    title: str
    charts: tuple[Chart, ...]


@dataclass(frozen=True)
class Board:
    """A dashboard. `uid` is its address, and never changes."""

    uid: str
    title: str
    says: str
    sections: tuple[Section, ...]

    @property
    def charts(self) -> tuple[Chart, ...]:
        return tuple(chart for section in self.sections for chart in section.charts)


def share(part: str, whole: str, by: str) -> str:
    """A ratio of sums by some labels; nothing where nothing was counted, since 0 of 0 says nothing."""
    return f"sum by ({by}) (rate({part}[R])) / (sum by ({by}) (rate({whole}[R])) > 0)"


def quantile(q: float, family: str, by: str) -> str:
    """A quantile of a histogram, by some labels. `family` has its matchers: `dynamo_x{S,op="get"}`.

    Nothing where nothing was measured: of nothing it is not a number, and that is not above 0.
    """
    name, brace, matchers = family.partition("{")
    labels = f"{by}, le" if by else "le"
    return f"(histogram_quantile({q}, sum by ({labels}) (rate({name}_bucket{brace}{matchers}[R]))) >= 0)"
