"""What a capacity run says: what was measured, predicted beside measured, and the table of machines."""

from __future__ import annotations

from collections.abc import Sequence

from dynamo.workload.capacity import IMBALANCE, KINDS, Fit
from dynamo.workload.capacity_run import Run
from dynamo.workload.capacity_table import LOAD, Assumed, Line
from dynamo.workload.report import Table, table


def inputs_table(run: Run) -> Table:
    """What each kind costs, as the model has it."""
    headings = [
        "us of processor",
        "at its replica",
        "each message",
        "asked elsewhere",
        "generator",
        "cores used",
        "syncs",
    ]
    rows = [
        [
            name,
            _fit(costs.alone),
            _fit(costs.replica),
            _fit(costs.elsewhere),
            f"{costs.client_us:.0f}",
            f"{costs.busy:.0%}",
            f"{costs.syncs:.2f}",
        ]
        for name, costs in run.inputs.costs.items()
    ]
    return Table(headings=headings, lines=rows)


def inputs_words(run: Run) -> str:
    """And what does not belong to a kind."""
    found = run.inputs
    return (
        f"A node that nobody asks uses {found.idle_us_per_s / 1000:.1f} ms of processor a second and "
        f"{found.idle_peer_us_per_s / 1000:.2f} ms more for each peer. A synced write takes {found.sync_us:.0f} us."
    )


def check_table(run: Run) -> Table:
    """Predicted and measured, size by size."""
    headings = ["", "us predicted", "us measured", "req/s predicted", "req/s measured", "error", "others"]
    rows = [
        [
            f"{each.nodes} nodes, {each.kind}",
            f"{each.predicted_us:.0f}",
            f"{each.measured_us:.0f}",
            f"{each.predicted_rate:,.0f}",
            f"{each.measured_rate:,.0f}",
            f"{each.error:+.0%}",
            f"{each.others_cores:.2f}",
        ]
        for each in run.checked
    ]
    return Table(headings=headings, lines=rows)


def check_words(run: Run) -> str:
    """How far off the predictions were."""
    errors = sorted(abs(each.error) for each in run.checked)
    if not errors:
        return "Nothing was checked."
    return (
        f"{run.connections} connections over all nodes, any node asked, {run.cores} cores for all of it. The rate was "
        f"missed by {errors[len(errors) // 2]:.0%} in the median and {errors[-1]:.0%} at most; it knows the "
        "cores that others left, and nothing else of these clusters but what they use when nobody asks."
    )


def machines_table(lines: Sequence[Line]) -> Table:
    """Rates at saturation, thousands a second; latencies at a part of it."""
    names = [kind.name for kind in KINDS]
    headings = ["machines", "nodes", "links", "idle", *(f"{name} k/s" for name in (*names, "mix"))]
    headings += [f"{name} p50/p99 ms" for name in names]
    rows = [
        [
            str(each.machines),
            str(each.nodes),
            str(each.links),
            f"{each.idle:.1%}",
            *(f"{each.rates[name] / 1000:,.0f}" for name in (*names, "mix")),
            *(f"{each.p50_ms[name]:.1f}/{each.p99_ms[name]:.1f}" for name in names),
        ]
        for each in lines
    ]
    return Table(headings=headings, lines=rows)


def machines_words(assumed: Assumed) -> str:
    """What the table takes for granted."""
    mix = ", ".join(f"{share:g} {name}" for name, share in assumed.mix.items())
    asked = "a replica of the key" if assumed.by_token else "any node"
    return (
        f"Assumed: one node on each of {assumed.cores} cores of a machine, N={assumed.n}, {assumed.in_flight:g} "
        f"operations in flight at each node, clients on machines of their own that ask {asked}, "
        f"{assumed.round_trip_us:g} us there and back, keys asked for evenly, the fullest node {IMBALANCE - 1:.0%} "
        f"above the mean. Rates at saturation, latencies at {LOAD:.0%} of it. Mix: {mix}."
    )


def plain(run: Run, lines: Sequence[Line], assumed: Assumed) -> list[str]:
    """All of it for a terminal."""
    return [
        "Measured on three nodes",
        *_plain(inputs_table(run)),
        f"  {inputs_words(run)}",
        "",
        "Predicted and measured",
        *_plain(check_table(run)),
        f"  {check_words(run)}",
        "",
        "Predicted for machines",
        *_plain(machines_table(lines)),
        f"  {machines_words(assumed)}",
    ]


def markdown(run: Run, lines: Sequence[Line], assumed: Assumed) -> str:
    """All of it as a document of its own."""
    parts = [
        "# Capacity: one run",
        "",
        f"Written by `dynamo bench capacity`, taken {run.taken}. What it means: [capacity.md](capacity.md).",
        " ".join(f"{name} {value}." for name, value in run.machine.items()),
        "",
        "## Measured on three nodes",
        "",
        *_markdown(inputs_table(run)),
        "",
        inputs_words(run),
        "",
        "## Predicted and measured",
        "",
        *_markdown(check_table(run)),
        "",
        check_words(run),
        "",
        "## Predicted for machines",
        "",
        *_markdown(machines_table(lines)),
        "",
        machines_words(assumed),
    ]
    return "\n".join(parts) + "\n"


def _plain(of: Table) -> list[str]:
    return table([of.headings, *of.lines])


def _markdown(of: Table) -> list[str]:
    rows = [of.headings, ["---"] * len(of.headings), *of.lines]
    return [f"| {' | '.join(row)} |" for row in rows]


def _fit(of: Fit) -> str:
    return f"{of.fixed_us:.0f} + {of.shared_us:.0f}/x"
