"""`dynamo bench staleness`: what each level gives and costs on real nodes with delays between them, as one table."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from dynamo.cli.connect import DURATION
from dynamo.cli.output import FAILED, OK, as_json_option, emit, note


@click.command()
@click.option("--clusters", default="3,5", show_default=True, help="Numbers of nodes; each is a replica of every key.")
@click.option(
    "--delay-ms",
    type=click.IntRange(0, 1000),
    default=5,
    show_default=True,
    help="From the first node to the second; each next one is twice as far.",
)
@click.option("--duration", "seconds", type=DURATION, default="20s", show_default=True, help="Of each measurement.")
@as_json_option
def staleness(*, clusters: str, delay_ms: int, seconds: float, as_json: bool) -> int:
    """Measure stale shares, predictions, latency and availability by R and W. Takes some minutes.

    Ends with 1 if a strict pair read anything stale, which is a bug.
    """
    import msgspec

    from dynamo.load.staleness_table import cut, cut_lines, lines, measure
    from dynamo.report.result import waits_for
    from dynamo.workload.processes import ServerFailed

    rows = []
    try:
        for replicas in map(int, clusters.split(",")):
            with tempfile.TemporaryDirectory(prefix="dynamo-staleness-") as folder:
                rows += measure(Path(folder), replicas, delay_ms, seconds, note)
        with tempfile.TemporaryDirectory(prefix="dynamo-staleness-") as folder:
            cuts = cut(Path(folder), delay_ms, seconds, note)
    except ServerFailed as problem:
        raise click.ClickException(str(problem)) from problem
    except ValueError as problem:
        raise click.BadParameter(str(problem), param_hint="--clusters") from problem
    if as_json:
        emit({"rows": msgspec.to_builtins(rows), "cut": msgspec.to_builtins(cuts)})
    else:
        click.echo("\n".join([*lines(rows), "", *cut_lines(cuts)]))
    strict = [e for e in rows if waits_for(e.read, e.replicas) + waits_for(e.write, e.replicas) > e.replicas]
    return FAILED if any(each.true[0] or each.server[0] for each in strict) else OK
