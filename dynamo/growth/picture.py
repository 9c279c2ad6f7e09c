"""What the pictures of this room are drawn with: SVG files that stand alone, light and dark."""

from __future__ import annotations

from collections.abc import Iterable

from dynamo.report.svg import document

SHADE = "var(--shade)"
TONES = ("var(--one)", "var(--two)", "var(--three)")
"""Of the curves of one panel: blue, orange, green."""
_STYLE = """<style>svg{--paper:#fff;--ink:#15181d;--soft:#69727f;--grid:#e3e6ea;--bad:#b42318;--shade:#f1f4f0;
--one:#1f6feb;--two:#d9730d;--three:#1a8a4a;background:var(--paper)}@media(prefers-color-scheme:dark){svg{
--paper:#14171c;--ink:#e6e9ee;--soft:#98a2b0;--grid:#2c323b;--bad:#ff8a7a;--shade:#1c2420;--one:#6cb0ff;--two:#f59e42;
--three:#55c98a}}text{fill:var(--ink);font:12px system-ui,sans-serif}.tick{fill:var(--soft);font-size:11px}
.strong{font-weight:600}.bad{fill:var(--bad)}</style>"""


def standalone(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    """A whole file."""
    return document(width, height, title, [_STYLE, *parts]) + "\n"
