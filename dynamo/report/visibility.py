"""Chart 2: how sure a read is to see a write, t after it was acknowledged; and how many writes stale reads missed."""

from __future__ import annotations

from dynamo.report.axes import Even, Log, Nines
from dynamo.report.certainty import wilson
from dynamo.report.chart import Chart, Table, pairs
from dynamo.report.counts import Probed
from dynamo.report.result import Predicted, Result
from dynamo.report.svg import Frame, colour, document, dot, legend, line, path, text
from dynamo.report.words import percent, share

WIDTH, HEIGHT = 860, 400
LEAST_MS = 0.1
"""Where the axis begins; what was read sooner is drawn there."""
VERSIONS_SHOWN = 8
HOW = (
    "The probe writes a key, waits t from the acknowledgement, and reads through another node. Upwards every step is "
    "ten times fewer stale reads; at the top none was seen, and the whisker says how bad it may be all the same (95 "
    "%). A pair of levels reaches a line where enough of its reads are fresh. Dotted: what the nodes predict for such "
    "reads from what their messages take (PBS), on the average over the nodes. On the right: stale reads of the "
    "background load by how many acknowledged writes they missed."
)


def visibility(result: Result) -> Chart:
    """The chart, of the probes and, for k, of the background load."""
    curves = {pair: points for pair in pairs(result.reads, result.writes) if (points := _points(result, *pair))}
    rows = [
        [
            read,
            write,
            f"{delay:g} ms",
            f"{_waited_ms(each):.2f} ms",
            share(*_stale(each)),
            _predicted_words(result, read, write, _waited_ms(each) / 1000),
        ]
        for (read, write), points in curves.items()
        for delay, each in points
    ]
    table = Table(
        ["reads at", "writes at", "delay", "delay as it was", "stale", "stale, predicted"],
        [*rows, *_version_rows(result)],
    )
    if not curves:
        says = "No probe was made; --probe-rate makes some."
        return Chart("visibility", "How soon a write is seen", says, "", table, HOW)
    return Chart("visibility", "How soon a write is seen", _sentence(curves), _picture(curves, result), table, HOW)


_Curves = dict[tuple[str, str], list[tuple[float, Probed]]]


def _points(result: Result, read: str, write: str) -> list[tuple[float, Probed]]:
    found = []
    for words, each in result.totals.probes.items():
        its_read, its_write, delay = words.split(" ")
        if (its_read, its_write) == (read, write) and any(each.verdicts[:3]):
            found.append((float(delay), each))
    return sorted(found, key=lambda point: point[0])


def _waited_ms(each: Probed) -> float:
    """The delay as it was, on the average."""
    probes = sum(each.verdicts)
    return 1000 * each.waited_s / probes if probes else 0.0


def _stale(each: Probed) -> tuple[int, int]:
    return each.verdicts[1], sum(each.verdicts[:3])


def _predicted_words(result: Result, read: str, write: str, after_s: float) -> str:
    if result.is_strict(read, write):
        return "none, R + W > N"
    predicted = result.prediction(read, write)
    return "unknown" if predicted is None else percent(1 - predicted.fresh(after_s))


def _sentence(curves: _Curves) -> str:
    parts = []
    for (read, write), points in curves.items():
        stale = [delay for delay, each in points if each.verdicts[1]]
        probes = sum(sum(each.verdicts[:3]) for _, each in points)
        last = f"stale reads up to {max(stale):g} ms" if stale else f"no stale read in {probes:,} probes"
        parts.append(f"reads at {read} after writes at {write}: {last}")
    return "; ".join(parts) + "."


def _picture(curves: _Curves, result: Result) -> str:
    longest = max(10.0, *(delay for points in curves.values() for delay, _ in points))
    frame = Frame(70, 34, 520, HEIGHT - 110, Log(LEAST_MS, longest, " ms"), Nines(4.0))
    parts = [frame.grid("time since the write was acknowledged", "reads that are fresh")]
    for number, ((read, write), points) in enumerate(curves.items()):
        tone = colour(read)
        dashes = (
            f' stroke-dasharray="{4 + 3 * (number // max(1, len(result.reads)))} 3"'
            if write != result.writes[0]
            else ""
        )
        places = [frame.at(max(delay, LEAST_MS), 1 - _stale(each)[0] / _stale(each)[1]) for delay, each in points]
        parts.append(path(places, tone, dashes))
        parts.append(_predicted_line(frame, longest, result.prediction(read, write), tone))
        for (delay, each), (x, y) in zip(points, places, strict=True):
            stale = wilson(*_stale(each))
            parts.append(line(x, frame.y(1 - stale.high), x, frame.y(1 - stale.low), tone, ' opacity="0.5"'))
            words = f"R={read} W={write}, {delay:g} ms: stale {share(*_stale(each))}"
            parts.append(dot(x, y, 3.5, tone, hollow=result.is_strict(read, write), words=words))
    parts += _versions(result)
    entries = [(colour(read), f"reads at {read}") for read in result.reads]
    if any(result.prediction(*pair) for pair in curves):
        entries.append(("var(--soft)", "dotted: predicted by the nodes"))
    parts.append(legend(frame.left, HEIGHT - 8, entries))
    return document(WIDTH, HEIGHT, "Probability that a read is fresh against the time since the write", parts)


def _predicted_line(frame: Frame, longest_ms: float, predicted: Predicted | None, tone: str) -> str:
    """As far as the axis goes; nothing where nothing is predicted."""
    if predicted is None:
        return ""
    shown = [(1000 * after_s, fresh) for after_s, fresh in predicted.curve if 1000 * after_s <= longest_ms]
    places = [frame.at(max(after_ms, LEAST_MS), fresh) for after_ms, fresh in shown]
    return path(places, tone, ' stroke-dasharray="1 4" stroke-linecap="round"')


def _version_rows(result: Result) -> list[list[str]]:
    rows = []
    for read, write in pairs(result.reads, result.writes):
        checks = result.totals.checks.get(f"{read} {write}")
        for missed, count in sorted(checks.versions.items()) if checks is not None else ():
            of = checks.judged if checks is not None else 0
            rows.append([read, write, "background", f"missed {missed} writes", f"{count:,} of {of:,}", ""])
    return rows


def _versions(result: Result) -> list[str]:
    """For each level of reads, towards the first level of writes: share of reads that missed at least k."""
    frame = Frame(650, 34, 190, HEIGHT - 110, Even(1, VERSIONS_SHOWN), Log(0.001, 100, " %"))
    parts = [frame.grid("missed at least k", "reads")]
    for read in result.reads:
        checks = result.totals.checks.get(f"{read} {result.writes[0]}")
        if checks is None or not checks.stale:
            continue
        shares = [
            100 * sum(count for missed, count in checks.versions.items() if missed >= k) / checks.judged
            for k in range(1, VERSIONS_SHOWN + 1)
        ]
        places = [frame.at(k, value) for k, value in enumerate(shares, 1) if value]
        parts.append(path(places, colour(read)))
        parts += [dot(x, y, 2.5, colour(read)) for x, y in places]
    if len(parts) == 1:
        parts.append(text(frame.left + frame.width / 2, frame.top + 30, "none stale", "middle"))
    return parts
