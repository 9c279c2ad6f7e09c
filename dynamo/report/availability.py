"""Chart 5: what share of the operations was answered as asked, by level and by how many nodes were away."""

from __future__ import annotations

from dynamo.report.chart import Chart, Table
from dynamo.report.result import Result, Slice, waits_for
from dynamo.report.svg import document, rect, text
from dynamo.report.timelines import away
from dynamo.report.words import operation, percent, share

WIDTH, ROW, LEFT = 860, 34, 190
HOW = (
    "A row is a kind of operation at a level, a column a number of nodes away. Measured cells have a colour and a "
    "number. The small word is what must be so: a level works as long as as many of a key's replicas are up as it "
    "waits for; 'fallbacks' where more nodes than replicas exist and others may stand in. Seconds in which a fault "
    "began or ended are left out."
)
_Cell = tuple[int, int]
"""Good ones, and all."""


def availability(result: Result) -> Chart:
    """The chart. Nodes, not replicas of each key: in a cluster larger than N a key may have fewer away."""
    cells = _cells(result)
    nodes = max(len(result.nodes), 1)
    columns = list(range(min(nodes, result.n) + 1))
    rows = sorted(result.totals.requests)
    table = Table(
        ["operation", *(f"{down} away" for down in columns)],
        [
            [operation(words)]
            + [
                f"{share(*cells.get((words, down), (0, 0)))}; expected: {expected(result, words, down)}"
                for down in columns
            ]
            for words in rows
        ],
    )
    picture = _picture(result, rows, columns, cells) if rows else ""
    return Chart("availability", "What works with nodes away", _sentence(cells), picture, table, HOW)


def _cells(result: Result) -> dict[tuple[str, int], _Cell]:
    end_s = result.warm_up_s + result.seconds
    bands = away(result.moments, end_s)
    found: dict[tuple[str, int], _Cell] = {}
    for each in result.slices:
        down = _down(each, bands)
        if down is None:
            continue
        for words, requests in each.counts.requests.items():
            good, count = found.get((words, down), (0, 0))
            found[words, down] = (good + requests.good, count + requests.count)
    return found


def _down(each: Slice, bands: list[tuple[str, str, float, float]]) -> int | None:
    """How many nodes were away all through a slice; None if that changed within it."""
    begin, end = each.at_s, each.at_s + each.seconds
    if any(begin < edge < end for _, _, since, until in bands for edge in (since, until)):
        return None
    return sum(since <= begin and end <= until for _, _, since, until in bands)


def expected(result: Result, words: str, down: int) -> str:
    """What must be so with that many nodes away, each of them a replica of the key."""
    kind, level = words.split(" ")
    waits = waits_for(level, result.n)
    if kind == "rmw":
        waits = max(waits, *(waits_for(each, result.n) for each in result.writes))
    if result.n - down >= waits:
        return "works"
    is_sloppy = str(result.plan.get("mode")) != "linearizable" and len(result.nodes) - down >= waits
    return "fallbacks" if is_sloppy else "fails"


def _sentence(cells: dict[tuple[str, int], _Cell]) -> str:
    worst: dict[int, tuple[float, str]] = {}
    for (words, down), (good, count) in sorted(cells.items()):
        if count:
            worst[down] = min(worst.get(down, (2.0, "")), (good / count, words))
    parts = [
        f"with {down} away the worst is {operation(words)}, {percent(value)} answered"
        for down, (value, words) in sorted(worst.items())
    ]
    return ("; ".join(parts) or "Nothing was asked") + "."


def _picture(result: Result, rows: list[str], columns: list[int], cells: dict[tuple[str, int], _Cell]) -> str:
    width = (WIDTH - LEFT - 20) / len(columns)
    parts = [text(LEFT + width * (at + 0.5), 20, f"{down} away", "middle") for at, down in enumerate(columns)]
    for number, words in enumerate(rows):
        y = 30 + number * ROW
        parts.append(text(LEFT - 12, y + 20, operation(words), "end"))
        for at, down in enumerate(columns):
            x = LEFT + at * width
            good, count = cells.get((words, down), (0, 0))
            fill, more = "none", ' stroke="var(--grid)"'
            shown = "not measured"
            if count:
                fill, more = (
                    "var(--good)",
                    f' fill-opacity="{0.08 + 0.72 * (good / count) ** 4:.2f}" stroke="var(--grid)"',
                )
                shown = percent(good / count)
            parts.append(rect(x + 2, y, width - 4, ROW - 4, fill, more))
            parts.append(text(x + width / 2, y + 14, shown, "middle", "strong" if count else "tick"))
            # A tick's grey cannot be read on a cell that is full of colour.
            parts.append(
                text(x + width / 2, y + 26, expected(result, words, down), "middle", "label" if count else "tick")
            )
    return document(WIDTH, 40 + ROW * len(rows), "Share of operations answered by level and nodes away", parts)
