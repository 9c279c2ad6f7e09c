"""Stacks as pictures: folded lines, which every flame graph program reads, and one SVG that needs none.

Width is processor time. A box lies below its caller; boxes side by side are in the order of their names, not of time.
The mouse shows which function it is, in which file, and its share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import PurePath
from zlib import crc32

from tests.profile.rooms import CHILD, WHAT, WRITER, of_file
from tests.profile.stacks import Frame, Stack

WIDTH = 1400
ROW = 17
LEAST_PX = 0.3
"""Narrower boxes are left out, with what lies on them."""
_CHAR_PX = 6.6
_DRAWN = [name for name in WHAT if name not in (WRITER, CHILD)]
"""The rooms that samples can be in: those of the loop."""
_HUES = {name: round(360 * number / len(_DRAWN)) for number, name in enumerate(_DRAWN)}


class Box:
    """One function called from one place: its seconds, and what it called."""

    __slots__ = ("called", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.called: dict[Frame, Box] = {}


def folded(stacks: Mapping[Stack, float]) -> str:
    """A line for each stack: its functions, outermost first, and microseconds."""
    lines = (
        f"{';'.join(_label(frame) for frame in stack) or '-'} {seconds * 1e6:.0f}" for stack, seconds in stacks.items()
    )
    return "".join(f"{line}\n" for line in sorted(lines))


def svg(title: str, stacks: Mapping[Stack, float]) -> str:
    """The picture. Colours are rooms; shades only tell neighbours apart."""
    whole = _tree(stacks)
    scale = WIDTH / (whole.seconds or 1.0)
    drawn = list(_drawn(whole, 0.0, 0, scale))
    height = (max((depth for depth, _ in drawn), default=0) + 3) * ROW
    parts = [text for _, text in drawn]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="monospace" font-size="11">'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
        f'<text x="4" y="13">{escape(title)}</text>{_legend()}'
        f'<g transform="translate(0 {2 * ROW})">{"".join(parts)}</g></svg>\n'
    )


def _tree(stacks: Mapping[Stack, float]) -> Box:
    root = Box()
    for stack, seconds in stacks.items():
        box = root
        box.seconds += seconds
        for frame in stack:
            box = box.called.setdefault(frame, Box())
            box.seconds += seconds
    return root


def _drawn(box: Box, x: float, depth: int, scale: float, whole_s: float = 0.0) -> Iterator[tuple[int, str]]:
    """Depth and shapes of what a box called, from left to right."""
    whole_s = whole_s or box.seconds
    for frame, inner in sorted(box.called.items()):
        width = inner.seconds * scale
        if width >= LEAST_PX:
            yield depth, _shape(frame, inner.seconds / whole_s, x, depth * ROW, width)
            yield from _drawn(inner, x, depth + 1, scale, whole_s)
        x += width


def _shape(frame: Frame, share: float, x: float, y: float, width: float) -> str:
    name = frame.name if len(frame.name) * _CHAR_PX < width else frame.name[: max(0, int(width / _CHAR_PX) - 1)]
    words = f'<text x="{x + 2:.1f}" y="{y + 12}">{escape(name)}</text>' if name else ""
    place = f'x="{x:.1f}" y="{y}" width="{max(0.1, width - 0.3):.1f}" height="{ROW - 1}"'
    hint = f"<title>{escape(_label(frame))}: {share:.1%}</title>"
    return f'<g>{hint}<rect {place} fill="{_colour(frame)}"/>{words}</g>'


def _colour(frame: Frame) -> str:
    """The hue of the frame's room, grey where it has none."""
    light = 62 + crc32(frame.name.encode()) % 18
    name = of_file(frame.file)
    return f"hsl({_HUES[name]} 75% {light}%)" if name else f"hsl(0 0% {light + 8}%)"


def _legend() -> str:
    step = WIDTH / len(_HUES)
    return "".join(
        f'<text x="{4 + number * step:.0f}" y="{ROW + 12}" fill="hsl({hue} 75% 35%)">{escape(name)}</text>'
        for number, (name, hue) in enumerate(_HUES.items())
    )


def _label(frame: Frame) -> str:
    """As `node/replica.py:Replica.store`; semicolons and blanks part stacks, so there are none."""
    parts = PurePath(frame.file).parts
    return f"{'/'.join(parts[-2:])}:{frame.name}".replace(";", ",").replace(" ", "_")
