"""A result in a few lines: the facts that a reader wants first, what to beware of, and the tables of a terminal."""

from __future__ import annotations

from dynamo.report.chart import Table, pairs
from dynamo.report.counts import OUTCOMES
from dynamo.report.quantiles import percentile_ns, percentiles_ns
from dynamo.report.result import Result
from dynamo.report.tradeoff import tradeoff
from dynamo.report.words import milliseconds, operation, share

PERCENTILES = (50.0, 90.0, 99.0, 99.9, 100.0)


def facts(result: Result) -> list[tuple[str, str]]:
    """What was run, on what, and what the generator itself took."""
    totals, plan = result.totals, result.plan
    rate = totals.done / result.seconds if result.seconds else 0.0
    kind = "closed loop" if plan.get("closed") else f"open loop, {plan.get('spacing')} arrivals"
    found = [
        ("Operations", f"{totals.done:,} in {result.seconds:g} s, {rate:,.0f} a second, {kind}"),
        ("Cluster", f"{len(result.nodes)} nodes, bucket {plan.get('bucket')} ({plan.get('mode')}, N = {result.n})"),
        ("Send delay", _delays(result)),
        ("Dropped", f"{totals.dropped:,} of {totals.arrived:,} arrivals"),
        ("Generator", f"{result.workers} processes, {result.client_us:.0f} us of processor time for each operation"),
    ]
    if result.nodes_s is not None and totals.done:
        used_us = result.nodes_s * 1e6 / totals.done
        part = totals.client_s / (totals.client_s + result.nodes_s) if totals.client_s + result.nodes_s else 0.0
        found.append(("Nodes", f"{used_us:.0f} us for each operation; the generator used {part:.0%} of what both used"))
    found.append(("Unknown outcomes", f"{result.unsettled:,} writes"))
    if totals.retried:
        found.append(("Retried", f"{totals.retried:,} operations"))
    if result.first_failure:
        found.append(("First failure", result.first_failure))
    return [*found, *result.machine.items()]


def warnings(result: Result, delay_max: float) -> list[str]:
    """What a reader should know before believing the figures."""
    found = []
    p99 = percentile_ns(_together(result), 99)
    delay = percentile_ns(result.totals.send_delay, 99)
    if not result.plan.get("closed") and p99 and delay > delay_max * p99:
        found.append(
            f"The generator was late: p99 of the send delay is {milliseconds(delay)}, {delay / p99:.0%} of the p99 "
            "response time. Part of what is measured is the generator."
        )
    strict = [(read, write) for read in result.reads for write in result.writes if result.is_strict(read, write)]
    checks = [result.totals.checks.get(f"{read} {write}") for read, write in strict]
    if any(each is not None and each.stale for each in checks):
        found.append("A strict pair of levels (R + W > N) has stale reads: sloppy quorums with nodes away, or a bug.")
    return found


def _together(result: Result) -> dict[int, int]:
    whole: dict[int, int] = {}
    for each in result.totals.requests.values():
        for bucket, count in each.response.items():
            whole[bucket] = whole.get(bucket, 0) + count
    return whole


def _delays(result: Result) -> str:
    half, most = percentiles_ns(result.totals.send_delay, (50, 99))
    return f"p50 {milliseconds(half)}, p99 {milliseconds(most)}"


def requests_table(result: Result) -> Table:
    """Each kind of operation at each level: how many, what became of them, response times."""
    rows = []
    for words, each in sorted(result.totals.requests.items()):
        failed = [f"{name} {count:,}" for name, count in zip(OUTCOMES[1:], each.outcomes[1:], strict=True) if count]
        times = [milliseconds(value) for value in percentiles_ns(each.response, PERCENTILES)]
        service = milliseconds(percentile_ns(each.service, 99))
        rows.append([operation(words), f"{each.count:,}", *times, service, ", ".join(failed) or "all good"])
    heads = ["operation", "count", "p50", "p90", "p99", "p99.9", "greatest", "p99 service", "outcomes"]
    return Table(heads, rows)


def probes_table(result: Result) -> Table:
    """What the probes saw: stale reads by how long after a write's acknowledgement; empty if there were none."""
    delays = sorted({float(words.split(" ")[2]) for words in result.totals.probes})
    rows = []
    for read, write in pairs(result.reads, result.writes):
        found = [result.totals.probes.get(f"{read} {write} {delay:g}") for delay in delays]
        cells = [f"{each.verdicts[1]} of {sum(each.verdicts[:3])}" if each is not None else "-" for each in found]
        rows.append([f"reads at {read}, writes at {write}", *cells])
    return Table(["stale, so long after a write", *(f"{delay:g} ms" for delay in delays)], rows if delays else [])


def staleness_table(result: Result) -> Table:
    """How stale reads were, by pairs of levels; and the sessions' promises."""
    rows = [[f"reads at {row[0]}, writes at {row[1]}", row[4]] for row in tradeoff(result).table.rows]
    for words, each in sorted(result.totals.promises.items()):
        level, guarantee = words.split(" ")
        rows.append([f"{guarantee.replace('_', ' ')} broken at {level}", share(each.broken, each.checked)])
    return Table(["", "stale, or broken"], rows)
