"""`dynamo pbs`: how fresh reads would be, so long after a write, as each node predicts from what its messages take.

Drawn is the least fresh node at each time; the table has a line for each node and quorum.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from dynamo.cli.connect import cluster_options
from dynamo.cli.curve_plot import Curve, plot, time_text
from dynamo.cli.operations import ask_all, complain, listeners, ops_option, told_apart
from dynamo.cli.output import OK, UNHEALTHY, emit, note, span, table

_PATH = "/admin/v1/pbs"
_MARKS = "abcdefghij"
_SHOWN_S = (0.0, 0.001, 0.01, 0.1)

Quorum = tuple[int, int]


@click.command()
@ops_option
@cluster_options
def pbs(ops: str | None, endpoints: str, timeout_s: float, as_json: bool) -> int:
    """Print how fresh reads would be. Ends with 3 if a node does not answer; a node may have no prediction yet."""
    answers, failed = told_apart(ask_all(listeners(ops, endpoints, timeout_s), _PATH, timeout_s), 200)
    if as_json:
        emit({"nodes": list(answers.values()), "failed": failed})
    else:
        _show(answers)
        complain(failed)
    return UNHEALTHY if failed else OK


def _show(answers: dict[str, dict[str, Any]]) -> None:
    known = {node: answer for node, answer in answers.items() if answer["prediction"] is not None}
    if known:
        curves = least_fresh([answer["prediction"] for answer in known.values()])
        marks = dict(zip(curves, _MARKS, strict=False))
        click.echo("Share of reads that are fresh, by the time since the write was acknowledged:")
        click.echo("\n".join(plot({marks[quorum]: curve for quorum, curve in reversed(curves.items())})))
        click.echo("  ".join(f"{mark}: R={r} W={w}" for (r, w), mark in marks.items()) + "  R+W>N: always 100%\n")
        heads = ("node", "R", "W", *(f"after {time_text(each)}" if each else "at once" for each in _SHOWN_S))
        table((*heads, "99% after", "99.9% after", "made"), [row for answer in known.values() for row in _rows(answer)])
        click.echo("\nThis assumes:\n" + "\n".join(f"- {limit}" for limit in next(iter(known.values()))["limits"]))
    for node, answer in answers.items():
        if node not in known:
            note(f"{node}: no prediction: {answer['why_not'] or 'it is being made'}")


def least_fresh(predictions: list[dict[str, Any]]) -> dict[Quorum, Curve]:
    """For each quorum the lowest of the curves, time by time."""
    found: dict[Quorum, Curve] = {}
    for prediction in predictions:
        for each in prediction["quorums"]:
            quorum = each["read_replies"], each["write_acks"]
            others = found.get(quorum, each["curve"])
            found[quorum] = [(t, min(p, q)) for (t, p), (_, q) in zip(each["curve"], others, strict=True)]
    return found


def _rows(answer: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    for each in answer["prediction"]["quorums"]:
        shares = [f"{_nearest(each['curve'], time_s):.1%}" for time_s in _SHOWN_S]
        bounds = [_bound(bound) for bound in each["bounds"] if bound["probability"] > 0.9]
        age = f"{span(answer['age_s'])} ago"
        yield answer["node"], each["read_replies"], each["write_acks"], *shares, *bounds, age


def _nearest(curve: Curve, time_s: float) -> float:
    return min(curve, key=lambda point: abs(point[0] - time_s))[1]


def _bound(bound: dict[str, float]) -> str:
    """With what the number of trials leaves open, where that can be seen."""
    low, middle, high = (time_text(bound[name]) for name in ("low_s", "seconds", "high_s"))
    return middle if low == high else f"{middle} ({low} to {high})"
