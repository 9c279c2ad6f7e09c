"""`dynamo bench growth`: how the cost of a request grows with keys, values, nodes and what else a store has."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click

from dynamo.cli.output import FAILED, OK, note
from dynamo.cli.unwinding import unwinding_on_term

FOLDER = Path("bench-results")
NAMES = ("keys", "values", "nodes", "partitions", "connections", "siblings")


@click.command()
@click.option("--only", type=click.Choice(NAMES), multiple=True, help="One axis; may be repeated.")
@click.option(
    "--seconds", type=click.FloatRange(0.1, 3600), default=4.0, show_default=True, help="Of each measurement."
)
@click.option(
    "--keys-max",
    type=click.IntRange(10_000),
    default=1_000_000,
    show_default=True,
    help="Largest store; 10000000 takes some minutes and 4 GiB of disk more.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of keys, values and their order.")
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
def growth(
    *, only: tuple[str, ...], seconds: float, keys_max: int, seed: int, json_file: Path | None, data: Path | None
) -> int:
    """Start what is needed on loopback, at each size of each axis; measure PUT and GET; print tables and verdicts.

    A curve is superlinear if its processor time per request grows by a larger power of the size than its axis allows.
    That is for a reader's attention, and does not fail the run; an answer that is not the right one does.
    """
    from dynamo.cli.stopped_store import numbered
    from dynamo.growth.growth import Plan, run
    from dynamo.growth.growth_report import Report, lines, write
    from dynamo.growth.small_multiples import small_multiples
    from dynamo.growth.stage import STORED_VALUE_BYTES
    from dynamo.workload.machine import facts, memory
    from dynamo.workload.processes import ServerFailed

    plan = Plan(names=only or NAMES, seconds=seconds, keys_max=keys_max, seed=seed)
    try:
        # Told to end, it ends its servers first, as it does for Ctrl-C.
        with unwinding_on_term(), tempfile.TemporaryDirectory(prefix="dynamo-growth-", dir=data) as folder:
            machine = facts(Path(folder)) | memory()
            found = run(plan, Path(folder), numbered(STORED_VALUE_BYTES, note), note)
    except ServerFailed as problem:
        note(f"error: {problem}")
        return FAILED
    report = Report(taken=datetime.now(UTC).isoformat(timespec="seconds"), machine=machine, plan=plan, found=found)
    path = json_file or FOLDER / f"growth-{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.json"
    write(report, path)
    path.with_suffix(".svg").write_text(small_multiples(found.curves), encoding="utf-8")
    click.echo("\n".join(lines(report)))
    note(f"Every sample: {path}; the chart: {path.with_suffix('.svg')}")
    return FAILED if report.faults else OK
