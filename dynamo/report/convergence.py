"""Chart 6: how fast replicas agree again after a heal, and who mends what."""

from __future__ import annotations

from itertools import accumulate

from dynamo.report.axes import Even
from dynamo.report.chart import Chart, Table
from dynamo.report.result import Agreement, Result
from dynamo.report.svg import Frame, area, document, legend, line, path
from dynamo.report.words import percent

WIDTH, HEIGHT = 860, 440
_LOWER = 90
"""Height of the panel of ages."""
FIXERS = ("read repair", "hints", "anti-entropy")
TONES = {"read repair": "var(--one)", "hints": "var(--quorum)", "anti-entropy": "var(--all)"}
HOW = (
    "After a node came back, a sample of keys is read from every node at R = 1 again and again: the line is the share "
    "of keys on which all of them say the same. A key that is written at that moment may differ for a moment without "
    "being broken. The areas are the repairs that the nodes counted since the heal, by who made them, as a share of "
    "all of them; they are there where the nodes' metrics could be read. Below: for how long the key has differed that "
    "has done so longest, since the heal at the earliest; while it climbs one key waits. A read at R = 1 is answered "
    "by the node that is asked only where that node is a replica: in clusters larger than N the line is an upper bound."
)


def convergence(result: Result) -> Chart:
    """The chart; without a heal there is nothing in it."""
    agreements = result.agreements
    healed_s = heal_s(result)
    table = Table(
        ["seconds since the heal", "keys that agree", *FIXERS, "longest that a key differs"],
        [
            [
                f"{each.at_s - (healed_s or 0.0):.2f}",
                f"{each.agreed} of {each.keys}",
                *(f"{each.fixed.get(name, 0):,.0f}" for name in FIXERS),
                f"{each.oldest_s:.1f} s",
            ]
            for each in agreements
        ],
    )
    if not agreements or healed_s is None:
        says = "Nothing was healed in this run: a time table with --resume or --start makes this chart."
        return Chart("convergence", "After a heal", says, "", table, HOW)
    return Chart(
        "convergence", "After a heal", _sentence(agreements, healed_s), _picture(agreements, healed_s), table, HOW
    )


def heal_s(result: Result) -> float | None:
    """When the last node came back, in seconds of the run; None if none did."""
    return max((each.at_s for each in result.moments if each.kind in ("resume", "start")), default=None)


def _sentence(agreements: list[Agreement], healed_s: float) -> str:
    first, last = agreements[0], agreements[-1]
    when = next((each.at_s for each in agreements if each.agreed == each.keys), None)
    began = f"{percent(first.agreed / first.keys)} of the keys agreed {first.at_s - healed_s:.1f} s after the heal"
    if when is None:
        return f"{began}, {percent(last.agreed / last.keys)} at the end of the run."
    return f"{began}, all of them for the first time {when - healed_s:.1f} s after it."


def _picture(agreements: list[Agreement], healed_s: float) -> str:
    end_s = max(agreements[-1].at_s - healed_s, 1.0)
    across = Even(0, end_s, " s")
    frame = Frame(70, 34, WIDTH - 100, HEIGHT - 140 - _LOWER, across, Even(0, 100, " %"))
    parts = [frame.grid(up_title="keys on which all replicas agree", across=False)]
    most = sum(agreements[-1].fixed.values())
    base = [frame.at(each.at_s - healed_s, 0) for each in agreements]
    for place, name in enumerate(FIXERS):
        if not most:
            break
        upper = [
            frame.at(
                each.at_s - healed_s, 100 * list(accumulate(each.fixed.get(one, 0.0) for one in FIXERS))[place] / most
            )
            for each in agreements
        ]
        parts.append(area(upper, base, TONES[name]))
        base = upper
    points = [frame.at(each.at_s - healed_s, 100 * each.agreed / each.keys) for each in agreements]
    parts.append(path(points, "var(--ink)"))
    parts.append(line(frame.left, frame.top, frame.right, frame.top, "var(--soft)"))
    parts.append(_ages(agreements, healed_s, across, frame.bottom + 40))
    entries = [("var(--ink)", "keys that agree"), *((TONES[name], f"repairs by {name}") for name in FIXERS if most)]
    parts.append(legend(frame.left, HEIGHT - 8, entries))
    return document(WIDTH, HEIGHT, "Share of keys on which all replicas agree after a heal", parts)


def _ages(agreements: list[Agreement], healed_s: float, across: Even, top: float) -> str:
    longest_s = max(1.0, *(each.oldest_s for each in agreements))
    frame = Frame(70, top, WIDTH - 100, _LOWER, across, Even(0, longest_s, " s"))
    points = [frame.at(each.at_s - healed_s, each.oldest_s) for each in agreements]
    return frame.grid("since the heal", "longest that a key has differed") + path(points, "var(--ink)")
