"""`dynamo bench soak`: a long run below the peak, and whether times, memory, files and hints stay level."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click

from dynamo.cli.output import FAILED, OK, note
from dynamo.cli.unwinding import unwinding_on_term

FOLDER = Path("bench-results")


@click.command()
@click.option(
    "--minutes",
    type=click.FloatRange(0.2, 24 * 60),
    default=30.0,
    show_default=True,
    help="Of load; in windows of 10 s.",
)
@click.option("--load", type=click.FloatRange(0.05, 1.0), default=0.7, show_default=True, help="Share of the peak.")
@click.option("--rate", type=click.FloatRange(1.0), help="Requests a second, in place of a share of the peak.")
@click.option("--keys", type=click.IntRange(2_000), default=20_000, show_default=True, help="How many different ones.")
@click.option("--value-bytes", type=click.IntRange(0, 2**20), default=256, show_default=True, help="Of each value.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of keys, values, their order and the mix.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write JSON; the chart lies beside it.",
)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder for the data of the run, removed after it; where temporary files go by default.",
)
def soak(
    *,
    minutes: float,
    load: float,
    rate: float | None,
    keys: int,
    value_bytes: int,
    seed: int,
    json_file: Path | None,
    data: Path | None,
) -> int:
    """Start three nodes, find their peak, and keep them under a share of it: GET, PUT, DELETE and compare-and-set.

    Ends with 1 if p99.9, memory, files or hints rise over the second half of the run by more than their tolerance, if
    answers are wrong, or if more than one in a hundred is not answered well. Under ten minutes it is a rehearsal:
    caches are still filling.
    """
    from dynamo.growth.soak import Plan, run
    from dynamo.growth.soak_chart import soak_chart
    from dynamo.growth.soak_report import Report, lines, write
    from dynamo.workload.machine import facts, memory
    from dynamo.workload.processes import ServerFailed

    plan = Plan(minutes=minutes, load=load, keys=keys, value_bytes=value_bytes, seed=seed, rate=rate or 0.0)
    try:
        # Told to end, it ends its servers first, as it does for Ctrl-C.
        with unwinding_on_term(), tempfile.TemporaryDirectory(prefix="dynamo-soak-", dir=data) as folder:
            machine = facts(Path(folder)) | memory()
            found = run(plan, Path(folder), note)
    except ServerFailed as problem:
        note(f"error: {problem}")
        return FAILED
    report = Report(taken=datetime.now(UTC).isoformat(timespec="seconds"), machine=machine, plan=plan, found=found)
    path = json_file or FOLDER / f"soak-{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.json"
    write(report, path)
    path.with_suffix(".svg").write_text(soak_chart(found), encoding="utf-8")
    click.echo("\n".join(lines(report)))
    note(f"Every window: {path}; the chart: {path.with_suffix('.svg')}")
    return FAILED if found.failures else OK
