"""The same picture as text, for a terminal and for who reads without scripts: one line an operation.

A bar goes from call to return, `|--*--|`, with a star where it takes effect in the longest legal order. One of which
nobody knows that it ended is open, `|--*-->`. A cross, `|--X--|`, is where an operation was tried and did not fit.
"""

from __future__ import annotations

from bisect import bisect_left
from textwrap import wrap

from dynamo.checker.picture import Bar, KeyPicture, Picture, View

WIDTH = 100
LINES_MAX = 60
"""Operations shown of a view: those around the place where it fails."""
KEYS_MAX = 20
WHAT_MAX = 44
BARS_WIDTH_MIN = 24


def picture(whole: Picture) -> str:
    """Every key that is not legal, and how many are."""
    shown = [key for key in whole.keys if key.verdict != "legal"]
    parts = [f"{whole.title}: {whole.verdict}", *whole.facts]
    parts += [key_picture(key) for key in shown[:KEYS_MAX]]
    if len(shown) > KEYS_MAX:
        parts.append(f"and {len(shown) - KEYS_MAX} more keys that are not legal")
    if not shown:
        parts += [key_picture(key) for key in whole.keys[:1]]
    return "\n".join(parts) + "\n"


def key_picture(key: KeyPicture) -> str:
    """The first view of one key: its counterexample, if there is one."""
    return "\n".join([f"\n{key.name}: {key.verdict} ({key.method})", *told(key)])


def told(key: KeyPicture) -> list[str]:
    """The same without its name: the sentence, then the operations."""
    view = key.views[0]
    return [*wrap(view.reason, WIDTH), *_lines(key, view)]


def _lines(key: KeyPicture, view: View) -> list[str]:
    places = _shown(key, view)
    bars = [key.bars[place] for place in places]
    order = view.orders[0] if view.orders else []
    ranks = {step.bar: rank for rank, step in enumerate(order, 1)}
    points = {step.bar: step.at for step in order}
    stuck = {trial.bar: trial.at for trial in view.trials if trial.stuck and trial.order == 0}
    names = max([len(bar.process) for bar in bars] + [6])
    words = min(max(len(bar.what) for bar in bars), WHAT_MAX)
    ruler = _Ruler(bars, max(WIDTH - names - words - 20, BARS_WIDTH_MIN))
    lines = [f"{'op':>6} {'client':<{names}} {'what':<{words}} {'ver':>4} {'no.':>5}"]
    for place, bar in zip(places, bars, strict=True):
        version = "" if bar.version is None else str(bar.version)
        drawn = ruler.draw(bar, points.get(place), stuck.get(place))
        what = bar.what if len(bar.what) <= words else f"{bar.what[: words - 1]}…"
        rank = ranks.get(place, "-")
        lines.append(f"{bar.number:>6} {bar.process:<{names}} {what:<{words}} {version:>4} {rank:>5} {drawn}".rstrip())
    tried = [trial for trial in view.trials if trial.order == 0 and trial.bar in places]
    lines += [f"   operation {key.bars[trial.bar].number}: {trial.why}" for trial in tried]
    count = len(key.bars) if view.bars is None else len(view.bars)
    if count > len(places):
        lines.append(f"   ({len(places)} of {count} operations)")
    return lines


def _shown(key: KeyPicture, view: View) -> list[int]:
    """Places of the bars to show, in the order of their calls."""
    places = list(range(len(key.bars))) if view.bars is None else list(view.bars)
    places.sort(key=lambda place: key.bars[place].called)
    at = next((trial.bar for trial in view.trials if trial.stuck), None)
    at = at if at is not None else next(iter(view.culprits), None)
    middle = places.index(at) if at in places else 0
    first = max(0, min(middle - LINES_MAX * 2 // 3, len(places) - LINES_MAX))
    return places[first : first + LINES_MAX]


class _Ruler:
    """Columns of a line: each call and return has the same room."""

    def __init__(self, bars: list[Bar], width: int) -> None:
        times = [bar.called for bar in bars] + [bar.returned for bar in bars if bar.returned is not None]
        self.times = sorted(dict.fromkeys(times))
        self.width = width

    def column(self, at: float) -> int:
        below = max(bisect_left(self.times, at), 0)
        exact = below < len(self.times) and self.times[below] == at
        share = below if exact else below - 0.5
        return max(0, min(round(share * (self.width - 1) / max(len(self.times) - 1, 1)), self.width - 1))

    def draw(self, bar: Bar, point: float | None, stuck: float | None) -> str:
        first = self.column(bar.called)
        last = self.width - 1 if bar.returned is None else max(self.column(bar.returned), first + 1)
        cells = [" "] * first + ["-"] * (last - first + 1)
        cells[first], cells[last] = "|", ">" if bar.returned is None else "|"
        for at, mark in ((point, "*"), (stuck, "X")):
            if at is not None:
                cells[max(first, min(self.column(at), last))] = mark
        return "".join(cells)
