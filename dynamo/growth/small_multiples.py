"""All axes in one picture: a small panel each, cost over size, both logarithmic, so that a power is a straight line."""

from __future__ import annotations

from collections.abc import Sequence

from dynamo.growth.curve import Curves
from dynamo.growth.picture import TONES, standalone
from dynamo.report.axes import Log, log_around
from dynamo.report.svg import Frame, dot, legend, path, text

COLUMNS, WIDTH = 3, 960
_PANEL_WIDTH, _PANEL_HEIGHT = 236, 150
_LEFT, _TOP, _ACROSS, _DOWN = 66, 74, 310, 256


def small_multiples(all_curves: Sequence[Curves]) -> str:
    """The SVG file."""
    shown = [curves for curves in all_curves if curves.points]
    rows = max(1, -(-len(shown) // COLUMNS))
    title = "Processor time of all nodes per request, in microseconds, as the store grows"
    parts = [text(_LEFT, 22, title, kind="strong")]
    parts.append(legend(_LEFT, 42, [(TONES[0], "PUT"), (TONES[1], "GET")]))
    for place, curves in enumerate(shown):
        row, column = divmod(place, COLUMNS)
        parts += _panel(curves, _LEFT + column * _ACROSS, _TOP + row * _DOWN)
    return standalone(WIDTH, _TOP + rows * _DOWN, "Processor time per request over size, by axis", parts)


def _panel(curves: Curves, left: float, top: float) -> list[str]:
    sizes = [point.size for point in curves.points]
    across = Log(min(sizes), max(sizes)) if min(sizes) < max(sizes) else Log(min(sizes), 10 * min(sizes))
    up = log_around([point.cost_us for point in curves.points], "")
    frame = Frame(left, top + 12, _PANEL_WIDTH, _PANEL_HEIGHT, across, up)
    parts = [frame.grid(up_title=curves.axis.unit)]
    for tone, operation in zip(TONES, curves.operations, strict=False):
        points = curves.of(operation)
        parts.append(path([frame.at(each.size, each.cost_us) for each in points], tone))
        for each in points:
            words = f"{operation}, {each.size:,} {curves.axis.unit}: {each.cost_us:.1f} us, {each.sample.rate:,.0f}/s"
            parts.append(dot(frame.x(each.size), frame.y(each.cost_us), 2.5, tone, words=words))
    for line, said in enumerate(curves.verdicts):
        kind = "tick bad" if said.word == "superlinear" else "tick"
        words = f"{said.operation}: {said.word}, exponent {said.exponent:.2f}, at the end {said.at_the_end:.2f}"
        parts.append(text(left, frame.bottom + 33 + 15 * line, words, kind=kind))
    return parts
