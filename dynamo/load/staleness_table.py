"""What each pair of levels gives and costs, on real nodes far from each other: one row for each R and W.

Every node is a replica of every key, so a node that is away is a replica that is away, and all quorums are strict. The
keys that are read are those that were just inserted (`latest`), the worst case for freshness. Four views of each pair:
what the nodes count, what the load generator knows, what its probes see that read at once after a write, and what
PBS predicts for these probes.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from math import isnan
from pathlib import Path
from typing import Any

import msgspec

from dynamo.load.distant_nodes import DistantNodes
from dynamo.load.faults import Fault
from dynamo.load.levels import weighted
from dynamo.load.plan import Plan, Probing
from dynamo.load.run import Nodes, Run
from dynamo.report.counts import OK, Requests
from dynamo.report.quantiles import percentiles_ns
from dynamo.report.result import Result, waits_for
from dynamo.report.words import percent, share
from dynamo.workload.mixes import Keys, Mix, Values
from dynamo.workload.stages import stages
from dynamo.workload.systems import asked

READS = ("one", "quorum", "all")
WRITES = ("one", "quorum")
AWAY_MAX = 2
MIX = Mix(operations={"get": 70, "insert": 30}, keys=Keys("latest"), values=Values("100"))
RATE = "80"
PROBES = Probing(rate=12, delays_ms=(0,))
WARM_UP_S = 1.0
AWAY_S = 4.0
CUT_WARM_UP_S = 12.0
"""Until the nodes of the two sides hold each other dead."""
Told = Callable[[str], None]
Shares = tuple[int, int]
"""Hits and looks."""


class Row(msgspec.Struct, kw_only=True):
    """One pair of levels on one cluster."""

    replicas: int
    read: str
    write: str
    server: Shares
    """Stale, of judged reads, as the nodes count."""
    true: Shares
    """Stale, of the same reads, as the load generator knows: those of the load, and of the probes."""
    probed: Shares
    """Stale, of reads at once after a write's acknowledgement."""
    predicted: float
    """The same by PBS, from the least fresh node; 0 for strict pairs."""
    fresh_after_s: float
    """From when on PBS has 99.9 % of such reads fresh."""
    p50_ms: float
    p99_ms: float
    answered: list[tuple[Shares, Shares]] = []
    """Reads, and writes, that were done as asked, with one and two replicas away."""


class Cut(msgspec.Struct):
    """Reads and writes at quorum while a cut keeps nodes apart."""

    quorums: str
    """strict or sloppy."""
    true: Shares
    reads: Shares
    """Done as asked, of all."""
    writes: Shares


def measure(folder: Path, replicas: int, step_ms: int, seconds: float, told: Told) -> list[Row]:
    """All pairs on a cluster of its own. Raises ServerFailed."""
    nodes = DistantNodes(folder, replicas, replicas, step_ms)
    nodes.settings = f"[buckets]\nn = {replicas}\n[pbs]\nperiod_s = 3.0\n"
    rows = []
    with nodes:
        for write in WRITES:
            told(f"{replicas} replicas, writes at {write}")
            properties = {"n": replicas, "mode": "lww", "sloppy": False, "staleness_sample": 1.0}
            asked(nodes.endpoints[0][1], "PUT", f"/v1/buckets/{write}", properties)
            before = _verdicts(nodes)
            result = _run(_plan(nodes.endpoints, replicas, write, seconds))
            after = _verdicts(nodes)
            judged = {level: _less(after[level], before[level]) for level in READS}
            rows += [row(result, read, write, judged[read], _predictions(nodes)) for read in READS]
        for away in range(1, AWAY_MAX + 1):
            told(f"{replicas} replicas, {away} away")
            nodes.apply(Fault(0.0, "kill", nodes.names[-away]))
            for write in WRITES:
                _add_answered(rows, _run(_plan(nodes.endpoints[:-away], replicas, write, AWAY_S, preload=False)), write)
    return rows


def cut(folder: Path, step_ms: int, seconds: float, told: Told) -> list[Cut]:
    """Two of five nodes are cut from the others, keys have three replicas, all at quorum. Raises ServerFailed."""
    found = []
    with DistantNodes(folder, 5, 3, step_ms) as nodes:
        for name in ("strict", "sloppy"):
            properties = {"n": 3, "mode": "lww", "sloppy": name == "sloppy"}
            asked(nodes.endpoints[0][1], "PUT", f"/v1/buckets/{name}", properties)
        for name in ("strict", "sloppy"):
            told(f"two nodes cut from three, {name} quorums")
            plan = _plan(nodes.endpoints, 3, "quorum", seconds)
            warm_up = stages(RATE, CUT_WARM_UP_S)
            plan = msgspec.structs.replace(
                plan,
                bucket=name,
                reads=weighted("quorum"),
                stages=(*warm_up, *plan.stages),
                warm_up_s=CUT_WARM_UP_S,
                probing=Probing(),
                preload=False,
            )
            nodes.cut()
            try:
                totals = _run(plan).totals
            finally:
                nodes.heal()
            checks = totals.checks["quorum quorum"]
            done = _done(totals.requests["get quorum"]), _done(totals.requests["insert quorum"])
            found.append(Cut(name, (checks.stale, checks.judged), *done))
    return found


def row(result: Result, read: str, write: str, server: Shares, predictions: Sequence[dict[str, Any]]) -> Row:
    """What a run says of one pair. `predictions`: what each node has predicted."""
    checks, probed = result.totals.checks[f"{read} {write}"], result.totals.probes.get(f"{read} {write} 0")
    at_once = (probed.verdicts[1], sum(probed.verdicts[:3])) if probed is not None else (0, 0)
    p50, p99 = percentiles_ns(result.totals.requests[f"get {read}"].response, (50, 99))
    n = result.n
    pair = waits_for(read, n), waits_for(write, n)
    predicted, after_s = (0.0, 0.0) if sum(pair) > n else least_fresh(predictions, *pair)
    return Row(
        replicas=n,
        read=read,
        write=write,
        server=server,
        true=(checks.stale + at_once[0], checks.judged + at_once[1]),
        probed=at_once,
        predicted=predicted,
        fresh_after_s=after_s,
        p50_ms=p50 / 1e6,
        p99_ms=p99 / 1e6,
    )


def least_fresh(predictions: Sequence[dict[str, Any]], r: int, w: int) -> tuple[float, float]:
    """The greatest stale share at once, and the latest 99.9 %, of all nodes. Not a number where none has predicted."""
    found = [
        (1 - each["curve"][0][1], bound["seconds"])
        for prediction in predictions
        for each in prediction["quorums"]
        if (each["read_replies"], each["write_acks"]) == (r, w)
        for bound in each["bounds"]
        if bound["probability"] == 0.999
    ]
    return (max(share for share, _ in found), max(time_s for _, time_s in found)) if found else (float("nan"),) * 2


def _plan(
    endpoints: Sequence[tuple[str, int]], n: int, write: str, seconds: float, *, preload: bool = True
) -> Plan:  # fmt: skip
    # The nodes count from the first read on.
    warm_up = [] if preload else stages(RATE, WARM_UP_S)
    return Plan(
        run=secrets.randbits(32),
        seed=1,
        endpoints=list(endpoints),
        bucket=write,
        mode="lww",
        n=n,
        prefix="proof-" if preload else "away-",
        records=100,
        mix=MIX,
        reads=weighted(",".join(READS)),
        writes=weighted(write),
        stages=(*warm_up, *stages(RATE, seconds)),
        warm_up_s=0.0 if preload else WARM_UP_S,
        probing=PROBES if preload else Probing(),
        preload=preload,
        verifies=False,
    )


def _run(plan: Plan) -> Result:
    names = [f"{host}:{port}" for host, port in plan.endpoints]
    return Run(plan, 1, Nodes(names), watch=lambda _: None).go()


def _verdicts(nodes: DistantNodes) -> dict[str, Shares]:
    """Stale and judged reads by level, of all nodes since their start."""

    def counted(level: str, verdicts: Sequence[str]) -> int:
        series = [f'dynamo_read_checks_total{{consistency="{level}",verdict="{verdict}"}}' for verdict in verdicts]
        return int(sum(nodes.metric(node, each) for node in nodes.members for each in series))

    return {level: (counted(level, ["stale"]), counted(level, ["fresh", "stale", "inflight"])) for level in READS}


def _less(after: Shares, before: Shares) -> Shares:
    return after[0] - before[0], after[1] - before[1]


def _predictions(nodes: DistantNodes) -> list[dict[str, Any]]:
    answers = [json.loads(asked(port, "GET", "/admin/v1/pbs", None)) for _, port in nodes.operations]
    return [answer["prediction"] for answer in answers if answer["prediction"] is not None]


def _add_answered(rows: Sequence[Row], result: Result, write: str) -> None:
    requests = result.totals.requests
    for each in rows:
        if each.write == write:
            reads, writes = requests.get(f"get {each.read}"), requests.get(f"insert {write}")
            each.answered.append((_done(reads), _done(writes)))


def _done(requests: Requests | None) -> Shares:
    return (0, 0) if requests is None else (requests.outcomes[OK], requests.count)


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """The rows as a table for a document."""
    heads = ["N", "R", "W", "stale, as nodes count", "stale, true", "probed at once", "predicted", "99.9 % after",
             "p50", "p99", "reads, writes done with one away", "with two away"]  # fmt: skip
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    for each in rows:
        strict = waits_for(each.read, each.replicas) + waits_for(each.write, each.replicas) > each.replicas
        predicted = ["0, strict", "at once"]
        if not strict:
            known = not isnan(each.predicted)
            predicted = [percent(each.predicted), f"{each.fresh_after_s * 1000:.0f} ms"] if known else ["none yet", "-"]
        shares = [share(*each.server), share(*each.true), share(*each.probed)]
        done = [", ".join(f"{hits / looks:.0%}" if looks else "-" for hits, looks in both) for both in each.answered]
        times = [f"{each.p50_ms:.0f} ms", f"{each.p99_ms:.0f} ms"]
        yield f"| {' | '.join([str(each.replicas), each.read, each.write, *shares, *predicted, *times, *done])} |"


def cut_lines(cuts: Sequence[Cut]) -> Iterator[str]:
    """The same for the cut."""
    yield "| quorums | stale, true | reads done | writes done |"
    yield "|---|---|---|---|"
    for each in cuts:
        yield f"| {each.quorums} | {share(*each.true)} | {share(*each.reads)} | {share(*each.writes)} |"
