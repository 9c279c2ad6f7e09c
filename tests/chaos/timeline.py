"""The time line of a run as SVG: faults as bands, one row a node, and below them, second by second, what came of it.

Knows numbers and names only. Each panel has its own scale, written at its left; all share one time axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 1160
LEFT, RIGHT = 92, 16
ROW = 22
BANDS = 34
"""Where the bands begin, below the ticks and the numbers of the faults."""
PANEL = 88
GAP = 34
TICKS_S = (5, 10, 15, 30, 60, 120)
COLOURS = {
    "kill": "#7f1d1d",
    "blackout": "#111827",
    "wipe": "#be185d",
    "stop": "#6d28d9",
    "disk": "#92400e",
    "clock": "#0369a1",
    "lossy": "#ca8a04",
}
CUT = "#c2410c"
"""The colour of every kind of partition."""
LETTER = 5.7
"""Width of a letter in a band, in pixels."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A fault on one node."""

    row: str
    kind: str
    words: str
    began_s: float
    ended_s: float


@dataclass(frozen=True, slots=True)
class Series:
    """A named quantity: one value a second, from second 0."""

    name: str
    colour: str
    values: Sequence[float]

    @property
    def total(self) -> float:
        return sum(self.values)


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart. Series are stacked in their order."""

    title: str
    series: Sequence[Series]
    totals: bool = False
    """Whether the legend shows each series' sum."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment that goes through all panels."""

    at_s: float
    words: str


def draw(rows: Sequence[str], bars: Sequence[Bar], panels: Sequence[Panel], marks: Sequence[Mark], end_s: float) -> str:
    """The whole picture."""
    scale = _Scale(max(end_s, 1.0))
    parts = [_bands(scale, rows, bars), _kinds(sorted({bar.kind for bar in bars}), BANDS + ROW * len(rows) + 14)]
    top = BANDS + ROW * len(rows) + 14 + GAP
    for panel in panels:
        parts.append(_panel(scale, panel, top))
        top += PANEL + GAP
    height = top + 4 + 12 * len(marks)
    parts.insert(0, _grid(scale, top - GAP))
    parts.extend(_mark(scale, mark, top - GAP, number) for number, mark in enumerate(marks))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="Time line of the run" font-family="system-ui, sans-serif" font-size="11">'
        f"{''.join(parts)}</svg>"
    )


class _Scale:
    """Seconds to pixels."""

    def __init__(self, end_s: float) -> None:
        self.end_s = end_s
        self._pixels = (WIDTH - LEFT - RIGHT) / end_s

    def x(self, seconds: float) -> float:
        return round(LEFT + min(max(seconds, 0.0), self.end_s) * self._pixels, 1)

    def ticks(self) -> list[int]:
        step = next((each for each in TICKS_S if self.end_s / each <= 14), TICKS_S[-1])
        return list(range(0, int(self.end_s) + 1, step))


def _grid(scale: _Scale, bottom: float) -> str:
    lines = []
    for tick in scale.ticks():
        x = scale.x(tick)
        lines.append(f'<line x1="{x}" x2="{x}" y1="20" y2="{bottom}" stroke="#e5e7eb"/>')
        lines.append(_text(x, 12, f"{tick // 60}:{tick % 60:02d}", anchor="middle", colour="#6b7280"))
    return "".join(lines)


def _bands(scale: _Scale, rows: Sequence[str], bars: Sequence[Bar]) -> str:
    found = []
    for number, row in enumerate(rows):
        y = BANDS + number * ROW
        found.append(_text(LEFT - 8, y + 13, row, anchor="end"))
        found.append(f'<rect x="{LEFT}" y="{y + 1}" width="{WIDTH - LEFT - RIGHT}" height="{ROW - 3}" fill="#ecfdf5"/>')
        for depth, bar in _stacked([bar for bar in bars if bar.row == row]):
            found.append(_bar(scale, bar, y + 1 + depth * 7, ROW - 3 - depth * 7))
    x = 0.0
    for number, began_s in enumerate(sorted({bar.began_s for bar in bars}), 1):
        x = max(scale.x(began_s), x + 13)
        found.append(_text(x, BANDS - 4, str(number), colour="#6b7280", size=9))
    return "".join(found)


def _kinds(kinds: Sequence[str], y: float) -> str:
    """What the colours of the bands mean; all kinds of partition have one."""
    named = {kind: COLOURS[kind] for kind in kinds if kind in COLOURS}
    cuts = [kind for kind in kinds if kind not in COLOURS]
    if cuts:
        named[f"partition ({', '.join(cuts)})"] = CUT
    found, x = [], float(LEFT)
    for words, colour in named.items():
        found.append(f'<rect x="{x:g}" y="{y - 8:g}" width="9" height="9" rx="1.5" fill="{colour}"/>')
        found.append(_text(x + 13, y, words, colour="#374151"))
        x += 32 + len(words) * LETTER
    return "".join(found)


def _stacked(bars: Sequence[Bar]) -> list[tuple[int, Bar]]:
    """Bars of one row, each with how many of those before it still last: these are drawn lower."""
    ordered = sorted(bars, key=lambda bar: bar.began_s)
    return [
        (min(1, sum(other.ended_s > bar.began_s for other in ordered[:number])), bar)
        for number, bar in enumerate(ordered)
    ]


def _bar(scale: _Scale, bar: Bar, y: float, height: float) -> str:
    left, right = scale.x(bar.began_s), scale.x(bar.ended_s)
    width = max(2.0, round(right - left, 1))
    colour = COLOURS.get(bar.kind, CUT)
    told = f"{bar.words}, {bar.began_s:.1f} s to {bar.ended_s:.1f} s"
    shape = (
        f'<rect x="{left}" y="{y}" width="{width}" height="{height}" rx="2" fill="{colour}" fill-opacity="0.88" '
        f'stroke="#fff" stroke-width="0.6"><title>{escape(told)}</title></rect>'
    )
    words = bar.words if len(bar.words) * LETTER < width else bar.kind
    if len(words) * LETTER >= width:
        return shape
    return shape + _text(left + 4, y + height / 2 + 4, words, colour="#fff", size=10)


def _panel(scale: _Scale, panel: Panel, top: float) -> str:
    length = max((len(series.values) for series in panel.series), default=0)
    stack = [0.0] * length
    shapes = []
    highest = max((sum(s.values[i] for s in panel.series if i < len(s.values)) for i in range(length)), default=0.0)
    roof = nice(highest)
    for series in panel.series:
        below = list(stack)
        for i, value in enumerate(series.values):
            stack[i] += value
        shapes.append(_area(scale, series.colour, below, stack[: len(series.values)], roof, top))
    frame = f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{top + PANEL}" y2="{top + PANEL}" stroke="#9ca3af"/>'
    levels = [
        _text(LEFT - 8, top + 4, f"{roof:g}", anchor="end", colour="#6b7280"),
        _text(LEFT - 8, top + PANEL + 3, "0", anchor="end", colour="#6b7280"),
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{top}" y2="{top}" stroke="#f3f4f6"/>',
    ]
    return "".join([*levels, *shapes, frame, _legend(panel, top - 8)])


def _area(scale: _Scale, colour: str, below: Sequence[float], above: Sequence[float], roof: float, top: float) -> str:
    """Steps, one a second, between two lines; nothing where they are the same throughout."""
    if not any(high > low for low, high in zip(below, above, strict=False)):
        return ""

    def y(value: float) -> float:
        return round(top + PANEL - value / roof * PANEL, 1)

    upper = [y(value) for value in above]
    lower = [y(value) for value in below[: len(above)]]
    forward = _steps([scale.x(second) for second in range(len(above) + 1)], upper)
    back = _steps([scale.x(second) for second in range(len(above), -1, -1)], lower[::-1])
    return f'<path d="M{scale.x(0)} {lower[0]}{forward}{back}Z" fill="{colour}"/>'


def _steps(edges: Sequence[float], heights: Sequence[float]) -> str:
    """A line of steps: `heights[i]` from one edge to the next. Equal ones that follow each other are one step."""
    parts: list[str] = []
    for number, height in enumerate(heights):
        if number == 0 or height != heights[number - 1]:
            parts.append(f"V{height:g}")
        if number + 1 == len(heights) or heights[number + 1] != height:
            parts.append(f"H{edges[number + 1]:g}")
    return "".join(parts)


def _legend(panel: Panel, y: float) -> str:
    found = [_text(LEFT, y, panel.title, weight=600)]
    x = LEFT + 16 + len(panel.title) * 6.6
    for series in panel.series:
        words = f"{series.name} {series.total:,.0f}" if panel.totals else series.name
        found.append(f'<rect x="{x}" y="{y - 8}" width="9" height="9" fill="{series.colour}"/>')
        found.append(_text(x + 13, y, words, colour="#374151"))
        x += 30 + len(words) * 6.2
    return "".join(found)


def _mark(scale: _Scale, mark: Mark, bottom: float, number: int) -> str:
    x = scale.x(mark.at_s)
    line = f'<line x1="{x}" x2="{x}" y1="20" y2="{bottom}" stroke="#111827" stroke-dasharray="3 3"/>'
    return line + _text(x - 4, bottom + 14 + 12 * number, mark.words, anchor="end", colour="#111827")


def _text(
    x: float, y: float, words: str, anchor: str = "start", colour: str = "#111827", size: int = 11, weight: int = 400
) -> str:
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}" font-size="{size}" '
        f'font-weight="{weight}">{escape(words)}</text>'
    )


def nice(value: float) -> float:
    """The next number of the form 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power * 10 <= value:
        power *= 10
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


def per_second(moments: Sequence[float], end_s: float) -> list[float]:
    """How many of these moments lie in each second."""
    counts = [0.0] * (int(end_s) + 1)
    for moment in moments:
        counts[min(max(int(moment), 0), len(counts) - 1)] += 1
    return counts


def sampled(points: Sequence[tuple[float, float]], end_s: float) -> list[float]:
    """A value for each second: the last one that was known by its end."""
    values, latest, number = [], 0.0, 0
    for second in range(int(end_s) + 1):
        while number < len(points) and points[number][0] < second + 1:
            latest = points[number][1]
            number += 1
        values.append(latest)
    return values


def growth(values: Sequence[float]) -> list[float]:
    """By how much each value exceeds the one before."""
    return [max(0.0, value - before) for before, value in zip([0.0, *values], values, strict=False)]
