"""The report of a run: one page that needs nothing from elsewhere. How to read it: docs/chaos.md."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from dynamo.checker.history import Operation
from tests.chaos import timeline
from tests.chaos.faults import Band
from tests.chaos.run import NODES, Outcome
from tests.chaos.timeline import Bar, Mark, Panel, Series
from tests.chaos.watch import REPAIRERS, Sample

GREEN, RED, AMBER = "#15803d", "#b91c1c", "#f59e0b"
REPAIRER_COLOURS = ("#0d9488", "#2563eb", "#9333ea")
SHOWN_MAX = 40
STYLE = """
body{font:14px/1.5 system-ui,sans-serif;color:#111827;max-width:1180px;margin:28px auto;padding:0 20px}
h1{font-size:22px;margin:0 0 2px}h2{font-size:15px;margin:30px 0 8px}p{margin:4px 0;color:#374151}
.verdict{display:inline-block;color:#fff;border-radius:4px;padding:2px 10px;font-weight:600}
.facts{display:flex;flex-wrap:wrap;gap:10px;margin:16px 0}
.facts div{border:1px solid #e5e7eb;border-radius:6px;padding:8px 14px;min-width:112px}
.facts b{display:block;font-size:19px}.facts span{color:#6b7280;font-size:12px}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:5px 10px;border-bottom:1px solid #e5e7eb}
th{color:#6b7280;font-weight:500;font-size:12px}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
code{background:#f3f4f6;padding:1px 5px;border-radius:3px}.bad{color:#b91c1c}.good{color:#15803d}
svg{width:100%;height:auto;margin-top:6px}
"""


def page(outcome: Outcome) -> str:
    """The whole page."""
    colour, words = (GREEN, "all promises were kept") if outcome.passed else (RED, "promises were broken")
    minutes = outcome.ended_s / 60
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>dynamo chaos</title>'
        f"<style>{STYLE}</style><h1>Five nodes, {len(outcome.bands)} faults, {minutes:.1f} minutes of load</h1>"
        f'<p><span class="verdict" style="background:{colour}">{words}</span> &nbsp; '
        f"seed {outcome.seed}; {escape(outcome.where)}</p>"
        f"{_facts(outcome)}<h2>Time line</h2>{picture(outcome)}"
        f"<h2>Promises</h2>{_promises(outcome)}<h2>After the last fault</h2>{_recovery(outcome)}"
        f"<h2>Faults</h2>{_faults(outcome)}"
        f"<h2>Again</h2><p><code>{escape(_again(outcome))}</code></p></html>"
    )


def _again(outcome: Outcome) -> str:
    minutes = round((outcome.ended_s + 60) / 60, 1)
    mode = "" if outcome.mode.name == "mixed" else f"--mode {outcome.mode.name} "
    return (
        f'make chaos CHAOS_ARGS="{mode}--seed {outcome.seed} --minutes {minutes:g} --faults {",".join(outcome.kinds)}"'
    )


def _facts(outcome: Outcome) -> str:
    counts = {**outcome.verdict.checked, "lost": len(outcome.verdict.of("lost"))}
    equal = outcome.recovery.get("replicas equal")
    facts = [(f"{counts[name]:,}", words) for name, words in outcome.mode.facts]
    facts.append(("never" if equal is None else f"{equal:g} s", "until replicas were equal"))
    return '<div class="facts">' + "".join(f"<div><b>{n}</b><span>{w}</span></div>" for n, w in facts) + "</div>"


def picture(outcome: Outcome) -> str:
    """The time line."""
    end_s = max([outcome.ended_s, *(sample.at_s for sample in outcome.samples)])
    marks = [Mark(outcome.healed_s, "last fault ends"), Mark(outcome.ended_s, "load ends")]
    bars = [bar for band in outcome.bands for bar in _bars(band)]
    return timeline.draw(NODES, bars, list(_panels(outcome, end_s)), marks, end_s)


def _bars(band: Band) -> Iterable[Bar]:
    fault = band.fault
    for place, node in enumerate(fault.nodes):
        yield Bar(
            node, fault.kind, _role(fault.kind, place, len(fault.nodes), fault.amount), band.began_s, band.ended_s
        )


def _role(kind: str, place: int, count: int, amount: int) -> str:
    """What the fault means for the node at that place of its list."""
    if kind == "clock":
        return f"clock {amount:+d} s"
    if kind == "one-way":
        return "is not heard" if place == 0 else "hears not all"
    if kind == "halves":
        return f"halves {'A' if place < count // 2 else 'B'}"
    if kind == "bridge":
        return "sees both" if place == 0 else f"bridge {'A' if place <= (count - 1) // 2 else 'B'}"
    return kind


def _panels(outcome: Outcome, end_s: float) -> Iterable[Panel]:
    operations = list(outcome.journal.history.operations.values())
    yield Panel(
        "Answers a second",
        [
            Series("ok", GREEN, _answers(operations, "ok", end_s)),
            Series("refused, nothing applied", AMBER, _answers(operations, "fail", end_s)),
            Series("unknown", RED, _answers(operations, "unknown", end_s)),
        ],
        totals=True,
    )
    samples = outcome.samples
    hints = timeline.sampled([(s.at_s, s.hints) for s in samples], end_s)
    yield Panel("Hints kept", [Series("by all nodes", REPAIRER_COLOURS[0], hints)])
    differing = timeline.sampled([(s.at_s, s.differing) for s in samples], end_s)
    yield Panel("Keys whose replicas differ", [Series("4 s or more after their last write", RED, differing)])
    yield Panel(
        "Repairs a second",
        [
            Series(name, colour, _repairs(samples, name, end_s))
            for name, colour in zip(REPAIRERS, REPAIRER_COLOURS, strict=True)
        ],
        totals=True,
    )


def _answers(operations: Iterable[Operation], outcome: str, end_s: float) -> list[float]:
    moments = [o.last.at for o in operations if o.last is not None and o.outcome == outcome]
    return timeline.per_second(moments, end_s)


def _repairs(samples: Iterable[Sample], name: str, end_s: float) -> list[float]:
    return timeline.growth(timeline.sampled([(s.at_s, s.repaired[name]) for s in samples], end_s))


def _promises(outcome: Outcome) -> str:
    rows = []
    for rule, claim in outcome.mode.promises.items():
        found = outcome.verdict.of(rule)
        told = "".join(f"<br><code>{escape(str(each))}</code>" for each in found[:SHOWN_MAX])
        state = f'<td class="bad">{len(found)} violations</td>' if found else '<td class="good">kept</td>'
        rows.append(f"<tr><td><b>{rule}</b></td><td>{escape(claim)}{told}</td>{state}</tr>")
    return f"<table><tr><th>promise<th>meaning<th>verdict</tr>{''.join(rows)}</table>"


def _recovery(outcome: Outcome) -> str:
    times = "; ".join(
        f"{escape(name)} {'never' if seconds is None else f'{seconds:g} s'} after it"
        for name, seconds in outcome.recovery.items()
    )
    rows = "".join(
        f'<tr><td>{name}<td class="n">{before:,}<td class="n">{after:,}</tr>'
        for name, before, after in repaired_around(outcome.samples, outcome.healed_s)
    )
    head = '<tr><th>who repaired<th class="n">during the faults<th class="n">after the last one</tr>'
    counted = "".join(f'<tr><td>{name}<td class="n">{count:,}</tr>' for name, count in outcome.events.items())
    return (
        f"<p>{times}.</p><table>{head}{rows}</table>"
        f'<h2>What the nodes counted</h2><table><tr><th>event<th class="n">whole run</tr>{counted}</table>'
    )


def repaired_around(samples: list[Sample], moment_s: float) -> list[tuple[str, int, int]]:
    """Repairs by mechanism up to a moment, and after it."""
    before = next((s.repaired for s in reversed(samples) if s.at_s <= moment_s), dict.fromkeys(REPAIRERS, 0))
    last = samples[-1].repaired if samples else before
    return [(name, before[name], last[name] - before[name]) for name in REPAIRERS]


def _faults(outcome: Outcome) -> str:
    operations = list(outcome.journal.history.operations.values())
    rows = []
    for number, band in enumerate(sorted(outcome.bands, key=lambda band: band.began_s), 1):
        during = [o for o in operations if band.began_s <= o.call.at < band.ended_s]
        shares = "".join(f'<td class="n">{share}' for share in _shares(outcome, during))
        rows.append(
            f'<tr><td class="n">{number}'
            f"<td>{band.fault.kind}{f' {band.fault.amount:+d} s' if band.fault.amount else ''}"
            f"<td>{' '.join(band.fault.nodes)}"
            f'<td class="n">{band.began_s:.1f} s<td class="n">{band.ended_s - band.began_s:.1f} s'
            f'<td class="n">{len(during):,}{shares}</tr>'
        )
    numbers = ("began", "lasted", "calls", *outcome.mode.columns)
    head = '<th class="n">no.<th>kind<th>nodes' + "".join(f'<th class="n">{name}' for name in numbers)
    asked = "Calls go to any node, those on the wrong side of a partition included; each is counted by itself."
    return f"<table><tr>{head}</tr>{''.join(rows)}</table><p>{asked}</p>"


def _shares(outcome: Outcome, operations: list[Operation]) -> list[str]:
    """The share that was answered ok, of each part that the mode tells apart."""
    return [_share([o for o in operations if belongs(o)]) for belongs in outcome.mode.columns.values()]


def _share(operations: list[Operation]) -> str:
    answered = sum(operation.outcome == "ok" for operation in operations)
    return f"{100 * answered / len(operations):.0f}%" if operations else "-"
