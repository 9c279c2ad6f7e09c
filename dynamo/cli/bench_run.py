"""`dynamo bench run`: put a load on a cluster, and measure how long it takes, how stale it reads, what fails.

The cluster is one that runs (`--endpoints`), or one of this command's own (`--cluster 3`). Exit codes: 0 fine; 1 a
threshold was crossed, or the store returned what nobody wrote; 3 no cluster; 4 the run is not to be believed, so
nothing follows from it.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dynamo.cli.bench_options import (
    MODES,
    Wanted,
    Where,
    checked_early,
    faults_of,
    load_options,
    pids_of,
    plan_of,
    thresholds_of,
)
from dynamo.cli.bench_output import Outputs, outputs, save, show
from dynamo.cli.connect import endpoints_option
from dynamo.cli.load_display import display
from dynamo.cli.output import FAILED, INTERRUPTED, OK, OUTCOME_UNKNOWN, UNHEALTHY, as_json_option, note, report

if TYPE_CHECKING:
    from dynamo.cli.load_display import Display
    from dynamo.load.faults import Fault
    from dynamo.load.local_nodes import LocalNodes
    from dynamo.load.plan import Plan
    from dynamo.load.run import Counter, Nodes, Progress, Watcher
    from dynamo.report.counts import Counts
    from dynamo.report.result import Result
    from dynamo.workload.mixes import Mix


def _faults(verb: Callable[..., Any]) -> Callable[..., Any]:
    for kind, words in (
        ("start", "Start a killed node of --cluster again."),
        ("resume", "Let a paused node go on."),
        ("pause", "Stop a node without ending it (SIGSTOP)."),
        ("kill", "End a node without warning (SIGKILL)."),
    ):
        verb = click.option(f"--{kind}", multiple=True, metavar="NODE@TIME", help=words)(verb)
    pid = click.option("--pid", "pids", multiple=True, metavar="NODE=PID", help="A process that may be hurt so.")
    return pid(verb)


@click.command()
@endpoints_option
@click.option(
    "--operations",
    metavar="HOST:PORT,...",
    help="Operations listeners of the nodes, for charts of hints and repairs; those of --cluster are known.",
)
@click.option(
    "--cluster", type=click.IntRange(1, 15), help="Start so many nodes for this run, in place of --endpoints."
)
@click.option("--bucket", default="load", show_default=True, help="Made if there is none.")
@click.option(
    "--mode", type=click.Choice(MODES), help="The bucket's [default: as the mix needs, else lww, or as it is]."
)
@click.option("--n", type=click.IntRange(1, 15), help="Replicas of a key, where the bucket is made [default: 3].")
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that make the load."
)
@load_options
@_faults
@click.option(
    "--fail-if",
    "conditions",
    multiple=True,
    metavar="CONDITION",
    help="End with 1 if this holds: 'p99{op=get,consistency=quorum} > 50ms', 'stale{consistency=one} > 5%'.",
)
@outputs
@as_json_option
def run(
    *,
    endpoints: str, operations: str | None, cluster: int | None, bucket: str, mode: str | None, n: int | None,
    workers: int,
    kill: tuple[str, ...], pause: tuple[str, ...], resume: tuple[str, ...], start: tuple[str, ...],
    pids: tuple[str, ...], conditions: tuple[str, ...], as_json: bool, **options: Any,
) -> int:  # fmt: skip
    """Put a load on a cluster and measure latency, staleness and failures.

    Operations arrive at times of their own (an open loop); response time counts from the intended start. Every value
    that is read is checked. Levels are drawn per operation. The result is saved as JSON; docs/load.md explains it.
    """
    from dynamo.load.faults import time_table
    from dynamo.load.target import Unreachable
    from dynamo.report.thresholds import held
    from dynamo.workload.processes import ServerFailed

    files = Outputs(**{name: options.pop(name) for name in Outputs.__dataclass_fields__})
    wanted = Wanted(**options)
    mix = checked_early(wanted, mode or "")
    thresholds = thresholds_of(conditions)
    faults = faults_of({"kill": kill, "pause": pause, "resume": resume, "start": start})
    named = pids_of(pids)
    known = nodes_known(endpoints, operations, named)
    # A key has no more replicas than there are nodes.
    replicas = n if cluster is None else min(n or 3, cluster)
    names = [f"node{number}" for number in range(1, cluster + 1)] if cluster else list(named)
    try:
        table = time_table(faults, names, _duration_s(wanted), can_start=cluster is not None)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from problem
    try:
        with _told_to_end(), _nodes(cluster, replicas, known, probed=wanted.probe_rate > 0) as (local, nodes):
            addresses = local.endpoints if local is not None else _addresses(endpoints)
            plan = _plan(wanted, mix, addresses, bucket, mode, replicas, history=bool(files.history))
            result = _made(plan, workers, nodes, table, files)
    except Unreachable as problem:
        report(as_json, "node-unreachable", "No cluster", str(problem))
        return UNHEALTHY
    except ServerFailed as problem:
        report(as_json, "load-failed", "The run failed", str(problem))
        return FAILED
    result.thresholds = [held(each, result) for each in thresholds]
    save(result, files, as_json=as_json)
    show(result, as_json=as_json)
    return code_of(result)


def code_of(result: Result) -> int:
    """What a run's result means for whoever asked for it."""
    if result.corrupt:
        return FAILED
    if result.interrupted:
        return INTERRUPTED
    if not result.valid:
        return OUTCOME_UNKNOWN
    return FAILED if any(each.failed for each in result.thresholds) else OK


def _duration_s(wanted: Wanted) -> float:
    from dynamo.workload.stages import duration_s, stages

    return wanted.warm_up_s + duration_s(stages(wanted.rate, wanted.seconds))


def _addresses(endpoints: str) -> list[tuple[str, int]]:
    from dynamo.load.target import addresses

    return addresses(endpoints)


def _plan(
    wanted: Wanted, mix: Mix, endpoints: list[tuple[str, int]], bucket: str, mode: str | None, n: int | None, *,
    history: bool,
) -> Plan:  # fmt: skip
    """The plan, after the bucket was looked at or made. Raises Unreachable and click.BadParameter."""
    from dynamo.load import target
    from dynamo.workload.mixes import needs_linearizable

    needs = mode or ("linearizable" if needs_linearizable(mix) else "")
    try:
        found = target.bucket(endpoints, bucket, needs, n)
    except target.Unsuitable as problem:
        raise click.BadParameter(str(problem), param_hint="--bucket") from problem
    return plan_of(wanted, mix, Where(endpoints, found.name, found.mode, found.n), history=history)


@contextlib.contextmanager
def _nodes(
    cluster: int | None, n: int | None, known: Nodes, *, probed: bool
) -> Iterator[tuple[LocalNodes | None, Nodes]]:
    """A cluster of our own if one is wanted, and what is known of the nodes."""
    if cluster is None:
        yield None, known
        return
    from dynamo.load.local_nodes import LocalNodes
    from dynamo.load.node_pages import NodePages
    from dynamo.load.run import Nodes

    with (
        tempfile.TemporaryDirectory(prefix="dynamo-load-") as folder,
        LocalNodes(Path(folder), cluster, n or 1, predicts=probed) as nodes,
    ):
        yield nodes, Nodes(nodes.names, nodes, nodes.pids, NodePages(nodes.operations))


def nodes_known(endpoints: str, operations: str | None, pids: dict[str, int]) -> Nodes:
    """What the options say of nodes that others started. Raises click.BadParameter."""
    from dynamo.load.faults import Pids
    from dynamo.load.node_pages import NodePages
    from dynamo.load.run import Nodes

    pages = None if operations is None else NodePages(_addresses(operations))
    addresses = endpoints.split(",")
    # Processes of some nodes only: the others are nodes, too, and a report counts them.
    names = list(pids) if len(pids) >= len(addresses) else addresses
    try:
        return Nodes(names, Pids(pids) if pids else None, list(pids.values()), pages)
    except ProcessLookupError as problem:
        raise click.BadParameter(str(problem), param_hint="--pid") from problem


def _made(plan: Plan, workers: int, nodes: Nodes, table: list[Fault], files: Outputs) -> Result:
    """Make the run, shown and exported meanwhile. Raises ServerFailed."""
    from dynamo.load.run import Run
    from dynamo.workload.machine import facts

    with contextlib.ExitStack() as stack:
        shown = stack.enter_context(display(plan.duration_s))
        watch: Watcher = shown.at
        count = None
        if files.prometheus is not None:
            watch, count = stack.enter_context(_exported(plan, files.prometheus, shown))
        result = Run(plan, workers, nodes, table, files.history, watch=watch, count=count).go()
    result.machine = facts(Path(tempfile.gettempdir()))
    return result


@contextlib.contextmanager
def _exported(plan: Plan, address: str, shown: Display) -> Iterator[tuple[Watcher, Counter]]:
    """What shows a run, and what counts it, so that a page of metrics follows it."""
    from dynamo.load.exporter import Exporter, count, series_of
    from dynamo.workload.stages import rate_at

    host, _, port = address.rpartition(":")
    with Exporter(series_of(plan), host or "127.0.0.1", int(port)) as exporter:
        series = exporter.series
        note(f"Metrics: http://{host or '127.0.0.1'}:{exporter.port}/metrics")

        def watch(progress: Progress) -> None:
            series.in_flight.value = progress.in_flight
            series.target_rate.value = 0 if plan.closed else rate_at(plan.stages, progress.at_s)
            shown.at(progress)

        def add(counts: Counts) -> None:
            with exporter.lock:
                count(series, counts)

        yield watch, add


@contextlib.contextmanager
def _told_to_end() -> Iterator[None]:
    """Told to end, it ends its nodes first, as it does for Ctrl-C."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
