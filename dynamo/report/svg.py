"""Shapes of a chart as inline SVG. Colours are names of the page's style sheet: light and dark are one document.

A frame is the part of a picture that the data lies in, with its two scales; all places outside of it are its margins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from dynamo.report.axes import Scale, Tick

LEVEL_COLOURS = {"one": "one", "quorum": "quorum", "all": "all", "linearizable": "linearizable"}
"""The same level has the same colour in every chart: orange, blue, green, purple."""
_OTHERS = ("other1", "other2", "other3", "other4")


def colour(level: str) -> str:
    """The style sheet's name of a level's colour; numbers of replicas take turns over some more."""
    name = LEVEL_COLOURS.get(level) or _OTHERS[int(level) % len(_OTHERS)]
    return f"var(--{name})"


def document(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    """A picture, with the title that a screen reader says."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title, quote=True)}">{"".join(parts)}</svg>'
    )


def text(x: float, y: float, words: str, anchor: str = "start", kind: str = "label") -> str:
    """`kind` is a class of the style sheet: label, tick, strong."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, stroke: str = "var(--grid)", more: str = "") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}"{more}/>'


def path(points: Sequence[tuple[float, float]], stroke: str, more: str = "") -> str:
    """A line through points."""
    steps = " ".join(f"{'L' if number else 'M'}{x:.1f} {y:.1f}" for number, (x, y) in enumerate(points))
    return f'<path d="{steps}" fill="none" stroke="{stroke}" stroke-width="1.8"{more}/>' if points else ""


def area(points: Sequence[tuple[float, float]], base: Sequence[tuple[float, float]], fill: str) -> str:
    """What lies between two lines of as many points."""
    whole = [*points, *reversed(base)]
    steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in whole)
    return f'<polygon points="{steps}" fill="{fill}" fill-opacity="0.45"/>' if points else ""


def rect(x: float, y: float, width: float, height: float, fill: str, more: str = "") -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"{more}/>'


def dot(x: float, y: float, radius: float, tone: str, *, hollow: bool = False, words: str = "") -> str:
    """A dot; `words` are shown when the mouse rests on it."""
    fill = "var(--paper)" if hollow else tone
    hint = f"<title>{escape(words)}</title>" if words else ""
    place = f'cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"'
    return f'<circle {place} fill="{fill}" stroke="{tone}" stroke-width="2">{hint}</circle>'


def legend(x: float, y: float, entries: Sequence[tuple[str, str]]) -> str:
    """Colours and what they mean, in one line."""
    parts = []
    for tone, words in entries:
        parts.append(rect(x, y - 8, 14, 8, tone) + text(x + 19, y, words))
        x += 34 + 6.6 * len(words)
    return "".join(parts)


class Frame:
    """The part of a picture that data lies in."""

    def __init__(self, left: float, top: float, width: float, height: float, across: Scale, up: Scale) -> None:
        self.left, self.top, self.width, self.height = left, top, width, height
        self._across, self._up = across, up

    @property
    def bottom(self) -> float:
        return self.top + self.height

    @property
    def right(self) -> float:
        return self.left + self.width

    def x(self, value: float) -> float:
        return self.left + self._across.place(value) * self.width

    def y(self, value: float) -> float:
        return self.bottom - self._up.place(value) * self.height

    def at(self, across: float, up: float) -> tuple[float, float]:
        return self.x(across), self.y(up)

    def across_ticks(self) -> list[Tick]:
        """For a picture that shows them somewhere else."""
        return self._across.ticks()

    def grid(self, across_title: str = "", up_title: str = "", *, across: bool = True) -> str:
        """Grid, ticks and titles. `across` false: another frame below shows the ticks of the shared axis."""
        parts = [rect(self.left, self.top, self.width, self.height, "none", ' stroke="var(--grid)"')]
        for tick in self._up.ticks():
            y = self.bottom - tick.place * self.height
            parts += [line(self.left, y, self.right, y), text(self.left - 6, y + 4, tick.text, "end", "tick")]
        for tick in self._across.ticks():
            x = self.left + tick.place * self.width
            parts.append(line(x, self.top, x, self.bottom))
            if across:
                parts.append(text(x, self.bottom + 15, tick.text, "middle", "tick"))
        if across_title:
            parts.append(text(self.left + self.width / 2, self.bottom + 33, across_title, "middle"))
        if up_title:
            parts.append(text(self.left, self.top - 8, up_title))
        return "".join(parts)
