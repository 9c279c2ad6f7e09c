"""A counterexample as one still picture: SVG that needs no script, for documents and for the head of the page.

Calls and returns get the same room each, whatever time was between them: a counterexample is about their order.
"""

from __future__ import annotations

from bisect import bisect_right
from html import escape

from dynamo.checker.picture import Bar, KeyPicture, Step, View

WIDTH, LEFT, RIGHT, TOP, ROW = 1120, 110, 24, 8, 46
LETTER = 6.4
BARS_MAX = 40
"""Above so many bars nobody could read it."""
FILL = {"write": "#2563eb", "read": "#0d9488", "cas": "#7c3aed"}
FAILED, OPEN, BAD, INK, SOFT, PAPER = "#9ca3af", "#b45309", "#b91c1c", "#111827", "#6b7280", "#ffffff"
STYLE = "font:12px system-ui,sans-serif"


def draw(key: KeyPicture, view: View) -> str:
    """The picture of one view of a key; empty where there are too many bars."""
    places = range(len(key.bars)) if view.bars is None else view.bars
    if not 0 < len(places) <= BARS_MAX:
        return ""
    return _Figure(key, view, list(places)).text()


class _Figure:
    """Rows are the lanes that the view needs, in their order."""

    def __init__(self, key: KeyPicture, view: View, places: list[int]) -> None:
        self.key, self.view, self.places = key, view, places
        self.rows = sorted(dict.fromkeys(key.bars[place].lane for place in places))
        bars = [key.bars[place] for place in places]
        times = [bar.called for bar in bars] + [bar.returned for bar in bars if bar.returned is not None]
        self.times = sorted(dict.fromkeys(times))
        self.height = TOP + ROW * len(self.rows) + 34

    def text(self) -> str:
        """All of it."""
        parts = [self._lane(row, lane) for row, lane in enumerate(self.rows)]
        parts += [self._bar(self.key.bars[place], is_culprit=place in self.view.culprits) for place in self.places]
        parts += [self._line(steps, chosen=False) for steps in self.view.orders[1:]]
        parts += [self._line(steps, chosen=True) for steps in self.view.orders[:1]]
        parts += self._trials()
        title = escape(f"{self.key.name}: {self.view.reason}")
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" width="{WIDTH}" '
            f'height="{self.height}" role="img" style="{STYLE}"><title>{title}</title>'
            f'<rect width="{WIDTH}" height="{self.height}" fill="{PAPER}"/>{"".join(parts)}{self._legend()}</svg>'
        )

    def _x(self, at: float) -> float:
        """Times between two events lie between their places."""
        room = (WIDTH - LEFT - RIGHT) / (len(self.times) + 1)
        below = bisect_right(self.times, at) - 1
        if below < 0:
            return LEFT
        share = 0.5
        if below + 1 < len(self.times):
            share = (at - self.times[below]) / (self.times[below + 1] - self.times[below])
        elif at == self.times[below]:
            share = 0.0
        return round(LEFT + room * (below + 0.5 + share), 1)

    def _y(self, place: int) -> float:
        """Where the points of a bar are."""
        return TOP + ROW * self.rows.index(self.key.bars[place].lane) + 30

    def _lane(self, row: int, lane: int) -> str:
        y = TOP + ROW * row
        shade = f'<rect x="0" y="{y}" width="{WIDTH}" height="{ROW}" fill="#f6f7f9"/>' if row % 2 == 0 else ""
        seen = dict.fromkeys(bar.process for bar in map(self.key.bars.__getitem__, self.places) if bar.lane == lane)
        is_shared = ", " in self.key.lanes[lane]
        name = escape(_cut(", ".join(seen) if is_shared else self.key.lanes[lane], LEFT - 14))
        return f'{shade}<text x="10" y="{y + 27}" fill="{INK}">{name}</text>'

    def _bar(self, bar: Bar, *, is_culprit: bool) -> str:
        x, y = self._x(bar.called), TOP + ROW * self.rows.index(bar.lane) + 6
        end = WIDTH - RIGHT if bar.returned is None else self._x(bar.returned)
        fill = OPEN if bar.returned is None else FAILED if bar.outcome == "fail" else FILL.get(bar.colour, SOFT)
        edge = f' stroke="{BAD}" stroke-width="3"' if is_culprit else ""
        shape = f'<rect x="{x}" y="{y}" width="{max(end - x, 3):.1f}" height="32" rx="4" fill="{fill}"{edge}/>'
        if bar.returned is None:
            # No end: the bar runs out of the picture in a point.
            shape = (
                f'<path d="M{x} {y}H{end - 14}L{end} {y + 16}L{end - 14} {y + 32}H{x}Z" fill="{fill}" '
                f'fill-opacity="0.75"{edge}/>'
            )
        words = escape(_cut(bar.what, end - x - 10))
        return (
            f'<g><title>{escape(bar.what)}</title>{shape}<text x="{x + 6}" y="{y + 13}" fill="#fff">{words}</text></g>'
        )

    def _line(self, steps: list[Step], *, chosen: bool) -> str:
        colour = INK if chosen else "#cbd5e1"
        points = [(self._x(step.at), self._y(step.bar)) for step in steps if step.bar in self.places]
        path = " ".join(f"{x},{y}" for x, y in points)
        dots = "".join(f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}" stroke="#fff"/>' for x, y in points)
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>{dots}'

    def _trials(self) -> list[str]:
        found = []
        for trial in self.view.trials:
            if trial.order == 0 and trial.stuck and trial.bar in self.places:
                x, y = self._x(trial.at), self._y(trial.bar)
                last = self.view.orders[0][-1:]
                found += [
                    f'<line x1="{self._x(step.at)}" y1="{self._y(step.bar)}" x2="{x}" y2="{y}" stroke="{BAD}" '
                    f'stroke-width="1.5" stroke-dasharray="4 3"/>'
                    for step in last
                ]
                cross = f"M{x - 4} {y - 4}L{x + 4} {y + 4}M{x + 4} {y - 4}L{x - 4} {y + 4}"
                found.append(
                    f'<g stroke="{BAD}" stroke-width="2"><title>{escape(trial.why)}</title>'
                    f'<circle cx="{x}" cy="{y}" r="8" fill="#fff"/><path d="{cross}"/></g>'
                )
        return found

    def _legend(self) -> str:
        words = "bars: from call to return. Points: the longest legal order. Red cross: tried here, does not fit."
        return f'<text x="{LEFT}" y="{self.height - 12}" fill="{SOFT}">{words}</text>'


def _cut(text: str, width: float) -> str:
    letters = int(width / LETTER)
    if len(text) <= letters:
        return text
    return f"{text[: letters - 1]}…" if letters > 1 else ""
