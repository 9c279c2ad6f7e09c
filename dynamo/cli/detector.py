"""`dynamo simulate detector`: how fast paused nodes are found, and how often nodes that work are accused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dynamo.cli.output import FAILED, OK, as_json_option, emit, note, table

if TYPE_CHECKING:
    from dynamo.simulation.detection import Detection, Spread

NODES_MAX = 63


class Numbers(click.ParamType[list[float]]):
    """A list of numbers with commas between them, each within bounds."""

    name = "numbers"

    def __init__(self, low: float, high: float) -> None:
        self._low = low
        self._high = high

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> list[float]:
        """The numbers; a usage error for anything else."""
        try:
            numbers = [float(word) for word in str(value).split(",")]
        except ValueError:
            self.fail(f"{value!r} is no list of numbers", param, ctx)
        if not all(self._low <= number <= self._high for number in numbers):
            self.fail(f"each must be from {self._low:g} to {self._high:g}", param, ctx)
        return numbers


@click.command()
@click.option("--nodes", type=Numbers(2, NODES_MAX), default="3,5,9,15,31", show_default=True, help="Cluster sizes.")
@click.option("--loss", type=Numbers(0, 50), default="0,1,5,10", show_default=True, help="Messages lost, in percent.")
@click.option("--pauses", type=click.IntRange(1, 10_000), default=30, show_default=True, help="A row of the table.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--processes", type=click.IntRange(1, 256), help="At the same time; by default as many as processors.")
@as_json_option
def detector(
    nodes: list[float], loss: list[float], pauses: int, seed: int, processes: int | None, as_json: bool
) -> int:
    """Measure the failure detector on virtual time.

    Nodes are paused, as by SIGSTOP, on networks that lose messages. The table shows how long it took until the others
    held them dead, and alive again afterwards, and how often a node that works was held dead or suspect in an hour.
    Ends with 1 if a pause went unnoticed.
    """
    from dynamo.simulation.detection import Case, measure
    from dynamo.simulation.swarm import processes_at_hand, shared

    cases = [Case(int(size), percent / 100, pauses, seed) for size in nodes for percent in loss]
    found: list[Detection] = []
    # The large clusters take longest, so they go first.
    for detection in shared(measure, cases[::-1], processes or processes_at_hand()):
        found.append(detection)
        note(f"{len(found)} of {len(cases)} measured")
    found.sort(key=lambda each: (each.nodes, each.loss))
    if as_json:
        import msgspec

        emit({"pauses": pauses, "seed": seed, "rows": msgspec.to_builtins(found)})
    else:
        _print(found)
    return FAILED if any(each.missed for each in found) else OK


def _print(found: list[Detection]) -> None:
    heads = ("nodes", "loss", "dead after s", "first after s", "alive after s", "false deaths", "false suspicions")
    rows = [
        (
            each.nodes,
            f"{each.loss:.0%}",
            _spread(each.detection_s),
            _spread(each.first_s),
            _spread(each.recovery_s),
            f"{each.false_deaths_per_node_hour:g}",
            f"{each.false_suspicions_per_node_hour:g}",
        )
        for each in found
    ]
    table(heads, rows)
    missed = sum(each.missed for each in found)
    note(f"times as median/p99/max; false ones per node and hour of {sum(each.node_hours for each in found):.0f}")
    if missed:
        note(f"{missed} times a node did not notice that another one was paused")


def _spread(times: Spread) -> str:
    return "-" if times.median is None else f"{times.median:.1f}/{times.p99:.1f}/{times.max:.1f}"
