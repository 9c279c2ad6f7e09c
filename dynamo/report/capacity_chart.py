"""The capacity model as one still picture: how far its predictions were off, and what it says of many machines.

It stands in a document by itself, so it brings its colours with it, for light and for dark.
"""

from __future__ import annotations

from collections.abc import Sequence

from dynamo.report.axes import Even, Log, log_around
from dynamo.report.svg import Frame, document, dot, legend, path
from dynamo.workload.capacity import KINDS
from dynamo.workload.capacity_run import Checked
from dynamo.workload.capacity_table import Line

WIDTH, HEIGHT, PANEL, TOP = 900, 360, 350, 40
TONES = ("var(--one)", "var(--quorum)", "var(--all)", "var(--linearizable)")
STYLE = (
    "<style>svg{--paper:#fff;--ink:#15181d;--soft:#69727f;--grid:#e3e6ea;--one:#d9730d;--quorum:#1f6feb;--all:#1a8a4a;"
    "--linearizable:#8250df;background:var(--paper)}text{fill:var(--ink);font:12px system-ui,sans-serif}"
    ".tick{fill:var(--soft);font-size:11px}@media(prefers-color-scheme:dark){svg{--paper:#14171c;--ink:#e6e9ee;"
    "--soft:#98a2b0;--grid:#2c323b;--one:#f59e42;--quorum:#6cb0ff;--all:#55c98a;--linearizable:#b794f6}}</style>"
)


def capacity_chart(checked: Sequence[Checked], lines: Sequence[Line]) -> str:
    """The picture: to the left lines are predictions and dots are measurements, to the right all is predicted."""
    parts = [STYLE, _check(checked), _machines(lines)]
    parts.append(legend(64, HEIGHT - 8, [(tone, kind.name) for tone, kind in zip(TONES, KINDS, strict=True)]))
    return document(
        WIDTH, HEIGHT, "Operations a second: predicted and measured on one machine, predicted for many", parts
    )


def _check(checked: Sequence[Checked]) -> str:
    if not checked:
        return ""
    rates = [rate for each in checked for rate in (each.predicted_rate, each.measured_rate)]
    sizes = [each.nodes for each in checked]
    frame = Frame(64, TOP, PANEL, 240, Even(min(sizes) - 1, max(sizes) + 1), log_around(rates, "/s"))
    parts = [frame.grid("nodes on this machine", "One machine: lines predicted, dots measured")]
    for tone, kind in zip(TONES, KINDS, strict=True):
        mine = [each for each in checked if each.kind == kind.name]
        parts.append(path([frame.at(each.nodes, each.predicted_rate) for each in mine], tone))
        parts += [
            dot(*frame.at(each.nodes, each.measured_rate), 4, tone, words=f"{each.measured_rate:,.0f}/s")
            for each in mine
        ]
    return "".join(parts)


def _machines(lines: Sequence[Line]) -> str:
    if not lines:
        return ""
    rates = [each.rates[kind.name] for each in lines for kind in KINDS]
    machines = [each.machines for each in lines]
    ends = Log(min(machines), max(*machines, min(machines) + 1))
    frame = Frame(WIDTH - PANEL - 16, TOP, PANEL, 240, ends, log_around(rates, "/s"))
    parts = [frame.grid("machines", f"Many machines, {lines[0].nodes // lines[0].machines} nodes each: predicted")]
    for tone, kind in zip(TONES, KINDS, strict=True):
        parts.append(path([frame.at(each.machines, each.rates[kind.name]) for each in lines], tone))
    return "".join(parts)
