"""Chart 1, the front page: what each level costs (p99 of reads) against how stale it reads, one dot for each pair."""

from __future__ import annotations

from typing import NamedTuple

from dynamo.report.axes import Log, log_around
from dynamo.report.certainty import Interval, wilson
from dynamo.report.chart import Chart, Table, pairs
from dynamo.report.quantiles import percentile_ns
from dynamo.report.result import Result
from dynamo.report.svg import Frame, colour, document, dot, legend, line, path, rect, text
from dynamo.report.words import milliseconds, one_in, share

WIDTH, HEIGHT = 860, 420
_BAND = 84
"""Height of the band in which no stale read was seen."""
HOW = (
    "Further left is faster, further down is fresher. A dot in the band at the bottom has seen no stale read; what it "
    "may be at most stands in the table. Hollow dots are strict pairs (R + W > N), which must lie in that band. The "
    "larger a dot, the more of the reads were answered. Whiskers are 95 % intervals; lines join the levels of reads "
    "for the same level of writes."
)


class _Spot(NamedTuple):
    read: str
    write: str
    p99_ns: int
    stale: int
    judged: int
    share: Interval
    success: float
    strict: bool


def tradeoff(result: Result) -> Chart:
    """The chart, of the background load."""
    spots = _spots(result)
    table = Table(
        ["reads at", "writes at", "R + W > N", "p99 of reads", "stale", "reads answered"],
        [
            [
                s.read,
                s.write,
                "yes" if s.strict else "no",
                milliseconds(s.p99_ns),
                share(s.stale, s.judged),
                f"{s.success:.2%}",
            ]
            for s in spots
        ],
    )
    says = _sentence(spots)
    return Chart("tradeoff", "What freshness costs", says, _picture(spots) if spots else "", table, HOW)


def _spots(result: Result) -> list[_Spot]:
    found = []
    for read, write in pairs(result.reads, result.writes):
        requests = result.totals.requests.get(f"get {read}")
        checks = result.totals.checks.get(f"{read} {write}")
        if requests is None or checks is None or not checks.judged:
            continue
        found.append(
            _Spot(
                read,
                write,
                percentile_ns(requests.response, 99),
                checks.stale,
                checks.judged,
                wilson(checks.stale, checks.judged),
                requests.good / requests.count,
                result.is_strict(read, write),
            )
        )
    return found


def _sentence(spots: list[_Spot]) -> str:
    if not spots:
        return "No read was judged: the mix has no gets, or nothing was written."
    weakest = max(spots, key=lambda spot: spot.share.value)
    slowest = max(spots, key=lambda spot: spot.p99_ns)
    missed = (
        f"At {weakest.read}, {one_in(weakest.stale, weakest.judged)} misses a write acknowledged at {weakest.write}"
    )
    if slowest.read == weakest.read or not weakest.p99_ns:
        return f"{missed}."
    times = slowest.p99_ns / weakest.p99_ns
    return f"{missed}; its p99 is {milliseconds(weakest.p99_ns)}, {times:.1f} times lower than at {slowest.read}."


def _picture(spots: list[_Spot]) -> str:
    # Room at both sides, for dots and their names.
    times = [spot.p99_ns / 1e6 for spot in spots]
    across = log_around([min(times) / 2, max(times) * 1.5], " ms")
    seen = [spot.share.value for spot in spots if spot.stale]
    up = log_around([100 * each for each in seen] or [1.0], " %", least=0.001)
    frame = Frame(70, 34, WIDTH - 100, HEIGHT - 90 - _BAND, across, Log(up.begin, max(up.end, up.begin * 10), " %"))
    parts = [frame.grid(up_title="stale share of judged reads", across=False)]
    parts.append(rect(frame.left, frame.bottom, frame.width, _BAND, "var(--band)"))
    parts.append(text(frame.left + 8, frame.bottom + _BAND - 8, "no stale read seen"))
    parts += [
        text(frame.left + tick.place * frame.width, frame.bottom + _BAND + 14, tick.text, "middle", "tick")
        for tick in frame.across_ticks()
    ]
    parts.append(text(frame.right, frame.bottom + _BAND + 30, "p99 of reads, from the intended start", "end"))
    places = [_place(frame, spot, number) for number, spot in enumerate(spots)]
    for write in dict.fromkeys(spot.write for spot in spots):
        along = [places[number] for number, spot in enumerate(spots) if spot.write == write]
        parts.append(path(along, "var(--soft)", ' stroke-dasharray="2 4"'))
    parts += [_mark(frame, spot, place, number) for number, (spot, place) in enumerate(zip(spots, places, strict=True))]
    levels = list(dict.fromkeys(spot.read for spot in spots))
    parts.append(legend(frame.left, HEIGHT - 6, [(colour(level), f"reads at {level}") for level in levels]))
    return document(WIDTH, HEIGHT, "Stale share against p99 latency of reads, by levels of reads and writes", parts)


def _place(frame: Frame, spot: _Spot, number: int) -> tuple[float, float]:
    """In the band heights mean nothing, so neighbours are put on different ones."""
    x = frame.x(spot.p99_ns / 1e6)
    return (x, frame.y(100 * spot.share.value)) if spot.stale else (x, frame.bottom + 14 + 15 * (number % 4))


def _mark(frame: Frame, spot: _Spot, place: tuple[float, float], number: int) -> str:
    x, y = place
    tone = colour(spot.read)
    whisker = ""
    if spot.stale:
        whisker = line(x, frame.y(100 * spot.share.low), x, frame.y(100 * spot.share.high), tone)
    words = f"R={spot.read} W={spot.write}: p99 {milliseconds(spot.p99_ns)}, stale {share(spot.stale, spot.judged)}"
    radius = 4 + 4 * spot.success
    to_left = number % 2 == 1
    at = x - radius - 4 if to_left else x + radius + 4
    label = text(at, y + 4, f"{spot.read}/{spot.write}", "end" if to_left else "start", "tick")
    return whisker + dot(x, y, radius, tone, hollow=spot.strict, words=words) + label
