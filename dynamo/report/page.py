"""The report as one HTML file: no script, nothing from elsewhere, light and dark, six charts and their tables.

Each table can be opened under its chart and saved as CSV from an address that holds the data itself.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape

from dynamo.report.availability import availability
from dynamo.report.chart import Chart, Table, csv
from dynamo.report.convergence import convergence
from dynamo.report.latency import latency
from dynamo.report.result import SEND_DELAY_MAX, Result
from dynamo.report.summary import facts, warnings
from dynamo.report.timelines import timelines
from dynamo.report.tradeoff import tradeoff
from dynamo.report.visibility import visibility

CHARTS = (tradeoff, visibility, timelines, latency, availability, convergence)
STYLE = """
:root{color-scheme:light dark;--paper:#fff;--ink:#15181d;--soft:#69727f;--grid:#e3e6ea;--band:#f1f4f0;--fault:#f7d9d4;
--one:#d9730d;--quorum:#1f6feb;--all:#1a8a4a;--linearizable:#8250df;--other1:#0b7285;--other2:#a8327e;--other3:#7a6a00;
--other4:#57606a;--good:#1a8a4a;--bad:#b42318;--card:#f7f8fa}
@media(prefers-color-scheme:dark){:root{--paper:#14171c;--ink:#e6e9ee;--soft:#98a2b0;--grid:#2c323b;--band:#1c2420;
--fault:#4a2420;--one:#f59e42;--quorum:#6cb0ff;--all:#55c98a;--linearizable:#b794f6;--other1:#5cc5d8;--other2:#e58bc5;
--other3:#d9c74a;--other4:#aeb6c0;--good:#3fae73;--bad:#ff8a7a;--card:#1b1f26}}
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:920px;padding:24px 16px 64px;
background:var(--paper);color:var(--ink)}
h1{font-size:24px;margin:0 0 4px}h2{font-size:19px;margin:40px 0 4px}p{margin:4px 0 10px}.soft{color:var(--soft)}
svg{width:100%;height:auto;display:block}svg text{fill:var(--ink);font:12px system-ui,sans-serif}
svg .tick{fill:var(--soft);font-size:11px}svg .strong{font-weight:600}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:3px 12px 3px 0;text-align:left;border-bottom:1px solid var(--grid)}
.scroll{overflow-x:auto}summary{cursor:pointer;color:var(--soft)}a{color:var(--quorum)}
.bad{border-left:4px solid var(--bad);padding:6px 12px;background:var(--card)}
.warn{border-left:4px solid var(--one);padding:6px 12px;background:var(--card)}
.ok{color:var(--good)}.failed{color:var(--bad)}
"""


def page(result: Result) -> str:
    """The whole document."""
    parts = [_head(result), *(figure(draw(result)) for draw in CHARTS), _plan(result)]
    return document(f"Load run {result.taken}", parts)


def document(title: str, parts: Iterable[str]) -> str:
    """A page of these parts, with the style sheet that charts and tables need."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _head(result: Result) -> str:
    parts = [f"<h1>Load run</h1><p class=soft>{escape(result.taken)}</p>"]
    parts += [f"<p class=bad><b>Not to be believed:</b> {escape(each)}</p>" for each in result.problems]
    parts += [f"<p class=warn>{escape(each)}</p>" for each in warnings(result, SEND_DELAY_MAX)]
    parts.append(html_table(Table(["", ""], [list(each) for each in facts(result)])))
    if result.thresholds:
        rows = [
            [
                each.text,
                "not measured" if each.value is None else f"{each.value:.6g}",
                "FAILED" if each.failed else "kept",
            ]
            for each in result.thresholds
        ]
        parts.append("<h2>Thresholds</h2>" + html_table(Table(["fails if", "measured (s, or share)", ""], rows)))
    return "".join(parts)


def figure(chart: Chart) -> str:
    """A chart with how to read it, and its figures to open and to save."""
    data = "data:text/csv;charset=utf-8;base64," + b64encode(csv(chart.table).encode()).decode()
    picture = f'<div class="scroll">{chart.picture}</div>' if chart.picture else ""
    return (
        f'<section id="{chart.name}"><h2>{escape(chart.title)}</h2><p>{escape(chart.says)}</p>{picture}'
        f"<details><summary>How to read this</summary><p>{escape(chart.how_to_read)}</p></details>"
        f"<details><summary>The figures</summary>{html_table(chart.table)}"
        f'<p><a download="{chart.name}.csv" href="{data}">Save as CSV</a></p></details></section>'
    )


def html_table(content: Table) -> str:
    """A table, without headings where all of them are empty."""
    head = "".join(f"<th>{escape(each)}</th>" for each in content.heads) if any(content.heads) else ""
    rows = "".join(f"<tr>{_cells(row)}</tr>" for row in content.rows)
    above = f"<thead><tr>{head}</tr></thead>" if head else ""
    return f'<div class="scroll"><table>{above}<tbody>{rows}</tbody></table></div>'


def _cells(row: Sequence[str]) -> str:
    return "".join(f"<td>{escape(each)}</td>" for each in row)


def _plan(result: Result) -> str:
    rows = [[name, str(value)] for name, value in sorted(result.plan.items())]
    return (
        "<section><h2>What was asked</h2><p>With these the run can be made again.</p>"
        f"<details><summary>The plan</summary>{html_table(Table(['', ''], rows))}</details></section>"
    )
