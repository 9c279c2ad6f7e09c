"""A soak over time, panels above each other on one axis: times, memory, files, hints. Its second half is shaded."""

from __future__ import annotations

from collections.abc import Sequence

from dynamo.growth.picture import SHADE, TONES, standalone
from dynamo.growth.slope import Point
from dynamo.growth.soak import Soak
from dynamo.report.axes import Even, Scale, log_around
from dynamo.report.svg import Frame, legend, path, rect, text

WIDTH = 900
_LEFT, _TOP, _PANEL, _GAP = 70, 62, 104, 52
_MIB = 2**20


def soak_chart(found: Soak) -> str:
    """The SVG file."""
    panels = _panels(found)
    bottom = _TOP + len(panels) * (_PANEL + _GAP) - _GAP
    across = Even(0, max(found.seconds / 60, 1 / 60), " min")
    frames = [
        Frame(_LEFT, _TOP + number * (_PANEL + _GAP), WIDTH - _LEFT - 20, _PANEL, across, up)
        for number, (_, up, _) in enumerate(panels)
    ]
    title = f"{found.rate:,.0f} requests a second for {found.seconds / 60:g} minutes"
    half = frames[0].x(found.seconds / 120)
    parts = [rect(half, _TOP, frames[0].right - half, bottom - _TOP, SHADE), text(_LEFT, 22, title, kind="strong")]
    for frame, (name, _, curves) in zip(frames, panels, strict=True):
        parts.append(frame.grid(up_title=name, across=frame is frames[-1]))
        parts.append(legend(_LEFT + 250, frame.top - 8, list(zip(TONES, [words for words, _ in curves], strict=False))))
        for tone, (_, points) in zip(TONES, curves, strict=False):
            parts.append(path([frame.at(at_s / 60, value) for at_s, value in points], tone))
    return standalone(WIDTH, int(bottom) + 34, f"{title}: times, memory, files and hints", parts)


def _panels(found: Soak) -> list[tuple[str, Scale, list[tuple[str, list[Point]]]]]:
    """Title, scale and curves of each."""
    times = [(f"p{percent:g}", found.times(percent)) for percent in (50, 99, 99.9)]
    memory = list(found.of_nodes(lambda each: each.own_bytes / _MIB).items())
    files = [
        ("LMDB", found.of_all(lambda each: each.data_bytes / _MIB)),
        ("of it in use", found.of_all(lambda each: each.used_bytes / _MIB)),
        ("log", found.of_all(lambda each: each.log_bytes / _MIB)),
    ]
    hints = [("all nodes", found.of_all(lambda each: each.hints))]
    return [
        ("response time, ms", log_around(_values(times), ""), times),
        ("memory of each node, MiB", _from_nothing(memory), memory),
        ("files of all nodes, MiB", _from_nothing(files), files),
        ("hints that wait", _from_nothing(hints), hints),
    ]


def _values(curves: Sequence[tuple[str, list[Point]]]) -> list[float]:
    return [value for _, points in curves for _, value in points]


def _from_nothing(curves: Sequence[tuple[str, list[Point]]]) -> Even:
    return Even(0, 1.05 * max([*_values(curves), 1.0]))
