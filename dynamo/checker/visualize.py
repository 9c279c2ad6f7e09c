"""The page: one HTML file with everything in it, to be opened anywhere, without a network.

Its parts (markup, style, scripts) lie in `page/`. They arrive as arguments, because this room reads no files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from string import Template

import msgspec

from dynamo.checker import figure, plain_picture
from dynamo.checker.lanes import of_asides
from dynamo.checker.picture import BARS_MAX, Judged, Picture, draw_key, starts_s
from dynamo.checker.recorded import Aside

SCRIPTS = ("scale.js", "view.js", "stage.js", "page.js")
PARTS = ("page.html", "style.css", *SCRIPTS)
"""Names of the files that `page` needs."""
OPERATIONS_MAX = 200_000
"""Bars on one page; legal keys beyond it are left out, and the page says so."""
WORST_FIRST = ("illegal", "undecided", "legal")


def draw(title: str, keys: Sequence[Judged], asides: Iterable[Aside] = (), initial: str = "nothing") -> Picture:
    """The picture of a checked history. `initial` is the state of a key before its first operation, in words."""
    worst = sorted(keys, key=lambda judged: WORST_FIRST.index(judged.verdict.result))
    since_s = starts_s(worst)
    happenings = of_asides(asides)
    for happening in happenings:
        happening.at -= since_s
        happening.until = None if happening.until is None else happening.until - since_s
    kept = _kept(worst)
    verdict = worst[0].core_verdict or worst[0].verdict if worst else None
    reason = "" if verdict is None or verdict.result == "legal" else f"{verdict.key or 'the key'}: {verdict.reason}"
    pictures = [draw_key(judged, since_s, initial) for judged in kept]
    facts = _facts(worst, len(worst) - len(kept))
    return Picture(title, "legal" if verdict is None else verdict.result, reason, facts, pictures, happenings)


def _kept(worst: Sequence[Judged]) -> list[Judged]:
    """As many as there is room for, the first in any case."""
    kept = list(worst[:1])
    room = OPERATIONS_MAX - sum(min(len(judged.ops), BARS_MAX) for judged in kept)
    for judged in worst[1:]:
        room -= min(len(judged.ops), BARS_MAX)
        if room < 0:
            break
        kept.append(judged)
    return kept


def _facts(keys: Sequence[Judged], left_out: int) -> list[str]:
    operations = sum(len(judged.ops) for judged in keys)
    facts = [f"{operations:,} operations on {len(keys):,} {'key' if len(keys) == 1 else 'keys'}"]
    for result in WORST_FIRST:
        count = sum(judged.verdict.result == result for judged in keys)
        if count:
            facts.append(f"{count:,} {result}")
    if left_out:
        facts.append(f"{left_out:,} keys are not drawn, there are too many operations")
    return facts


def page(picture: Picture, parts: Mapping[str, str]) -> str:
    """The whole file. `parts` are the texts of `PARTS` by name."""
    worst = picture.keys[0] if picture.keys else None
    still = figure.draw(worst, worst.views[0]) if worst is not None and worst.verdict == "illegal" else ""
    return Template(parts["page.html"]).substitute(
        title=escape(picture.title),
        style=parts["style.css"],
        verdict=picture.verdict,
        facts=escape("; ".join(picture.facts)),
        reason=escape(picture.reason),
        figure=still,
        text=escape(plain_picture.picture(picture)),
        # Inside a script element only `<` could be taken for something else.
        data=msgspec.json.encode(picture).decode().replace("<", "\\u003c"),
        script="\n".join(parts[name] for name in SCRIPTS),
    )
