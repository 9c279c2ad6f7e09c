"""Chart 3: side by side over time, with the faults as bands: stale share, p99, success and rate by level, and hints."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dynamo.report.axes import Even, Scale, log_around
from dynamo.report.chart import Chart, Table
from dynamo.report.counts import ANY
from dynamo.report.quantiles import percentile_ns
from dynamo.report.result import Moment, Result, Slice
from dynamo.report.svg import Frame, colour, document, legend, line, path, rect, text

WIDTH, PANEL, GAP, TOP = 860, 96, 40, 44
HOW = (
    "All panels share one time axis; a shaded band is a node that was away, with its name. Look at what each level "
    "does at the moment a fault begins: one stays available and reads stale, all fails, quorum stands in between."
)
_Value = Callable[[Slice, str], float | None]


def timelines(result: Result) -> Chart:
    """The chart. Reads are gets; a level's success is that of its gets."""
    slices = result.slices
    panels = _panels(result)
    heads = [
        "from",
        "operations",
        "hints",
        *(f"{title}, {level}" for title, _, _, _ in panels for level in result.reads),
    ]
    rows = [
        [f"{each.at_s:g} s", f"{each.counts.done:,}", _hints(result, each)]
        + [_cell(value(each, level)) for _, _, value, _ in panels for level in result.reads]
        for each in slices
    ]
    says = _sentence(result)
    picture = _picture(result, panels) if len(slices) > 1 else ""
    return Chart("timelines", "Side by side over time", says, picture, Table(heads, rows), HOW)


def away(moments: Sequence[Moment], end_s: float) -> list[tuple[str, str, float, float]]:
    """Node, fault, from and until: when somebody was away."""
    found, open_ = [], dict[str, tuple[str, float]]()
    for each in moments:
        if each.kind in ("kill", "pause"):
            open_.setdefault(each.node, (each.kind, each.at_s))
        elif each.node in open_:
            kind, began_s = open_.pop(each.node)
            found.append((each.node, kind, began_s, each.at_s))
    found += [(node, kind, began_s, end_s) for node, (kind, began_s) in open_.items()]
    return sorted(found, key=lambda band: band[2])


def _sentence(result: Result) -> str:
    bands = away(result.moments, result.warm_up_s + result.seconds)
    if not bands:
        return "Nothing was done to the cluster during this run."
    return "; ".join(f"{node}: {kind} from {begin:.1f} s to {end:.1f} s" for node, kind, begin, end in bands) + "."


def _panels(result: Result) -> list[tuple[str, Scale, _Value, str]]:
    """Title, scale, value and unit of each panel."""
    p99 = [value for each in result.slices for level in result.reads if (value := _p99(each, level))]
    stale = [value for each in result.slices for level in result.reads if (value := _stale(each, level))]
    rates = [value for each in result.slices for level in result.reads if (value := _rate(each, level))]
    return [
        ("stale share of reads", Even(0, max([*stale, 1.0]), " %"), _stale, "%"),
        ("p99 of reads", log_around(p99, " ms"), _p99, "ms"),
        ("reads answered", Even(0, 100, " %"), _success, "%"),
        ("reads a second", Even(0, max([*rates, 1.0])), _rate, "/s"),
    ]


def _stale(each: Slice, level: str) -> float | None:
    checks = each.counts.checks.get(f"{level} {ANY}")
    return 100 * checks.stale / checks.judged if checks is not None and checks.judged else None


def _p99(each: Slice, level: str) -> float | None:
    requests = each.counts.requests.get(f"get {level}")
    return percentile_ns(requests.response, 99) / 1e6 if requests is not None and requests.count else None


def _success(each: Slice, level: str) -> float | None:
    requests = each.counts.requests.get(f"get {level}")
    return 100 * requests.good / requests.count if requests is not None and requests.count else None


def _rate(each: Slice, level: str) -> float | None:
    requests = each.counts.requests.get(f"get {level}")
    return requests.good / each.seconds if requests is not None and each.seconds else None


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _hints(result: Result, each: Slice) -> str:
    """The last that was seen within the slice."""
    seen = [hints for at_s, hints in result.hints if each.at_s <= at_s < each.at_s + each.seconds]
    return f"{seen[-1]:,.0f}" if seen else ""


def _picture(result: Result, panels: Sequence[tuple[str, Scale, _Value, str]]) -> str:
    slices = result.slices
    end_s = slices[-1].at_s + slices[-1].seconds
    rows = len(panels) + bool(result.hints)
    height = TOP + rows * (PANEL + GAP) + 20
    across = Even(0, end_s, " s")
    parts = []
    bottom = TOP + rows * (PANEL + GAP) - GAP
    scale = Frame(70, TOP, WIDTH - 90, bottom - TOP, across, Even(0, 1))
    for number, (node, kind, begin, until) in enumerate(away(result.moments, end_s)):
        x, width = scale.x(begin), max(scale.x(until) - scale.x(begin), 2)
        parts.append(rect(x, TOP - 6, width, bottom - TOP + 6, "var(--fault)"))
        parts.append(text(x + 3, TOP - 26 + 12 * (number % 2), f"{kind} {node}", kind="tick"))
    if result.warm_up_s:
        parts.append(line(scale.x(result.warm_up_s), TOP - 6, scale.x(result.warm_up_s), bottom, "var(--soft)"))
    for number, (title, up, value, _) in enumerate(panels):
        frame = Frame(70, TOP + number * (PANEL + GAP), WIDTH - 90, PANEL, across, up)
        parts.append(frame.grid(up_title=title, across=number == rows - 1))
        for level in result.reads:
            points = [
                frame.at(each.at_s + each.seconds / 2, found)
                for each in slices
                if (found := value(each, level)) is not None
            ]
            parts.append(path(points, colour(level)))
    if result.hints:
        most = max(hints for _, hints in result.hints)
        frame = Frame(70, TOP + len(panels) * (PANEL + GAP), WIDTH - 90, PANEL, across, Even(0, max(most, 1.0)))
        parts.append(frame.grid(up_title="hints that wait for nodes"))
        parts.append(path([frame.at(at_s, hints) for at_s, hints in result.hints], "var(--ink)"))
    parts.append(legend(70, height - 4, [(colour(level), f"reads at {level}") for level in result.reads]))
    return document(WIDTH, height, "Stale share, p99, success and rate of reads over time, by level", parts)
