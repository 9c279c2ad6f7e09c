"""`dynamo bench store`: this machine, beside a bare server and etcd; a table to read and a JSON file to keep."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from dynamo.cli.output import FAILED, OK, note
from dynamo.cli.unwinding import unwinding_on_term

FOLDER = Path("bench-results")


@click.command()
@click.option(
    "--only",
    type=click.Choice(["front", "cluster", "etcd", "linearizable", "overload", "slow-replica", "telemetry"]),
    help="One comparison; etcd has the cluster's rows, too.",
)
@click.option(
    "--seconds", type=click.FloatRange(0.1, 3600), default=4.0, show_default=True, help="Of each measurement."
)
@click.option("--rounds", type=click.IntRange(1, 1000), default=5, show_default=True, help="Measurements of each row.")
@click.option("--connections", type=click.IntRange(1, 4096), default=64, show_default=True, help="Over all nodes.")
@click.option("--keys", type=click.IntRange(1), default=20_000, show_default=True, help="How many different ones.")
@click.option("--value-bytes", type=click.IntRange(0, 2**20), default=256, show_default=True, help="In the cluster.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of keys, values and their order.")
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Where to write every sample."
)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder for the data of the run, removed after it; where temporary files go by default.",
)
def store(
    *,
    only: str | None,
    seconds: float,
    rounds: int,
    connections: int,
    keys: int,
    value_bytes: int,
    seed: int,
    json_file: Path | None,
    data: Path | None,
) -> int:
    """Start what is needed on loopback, measure, print a table, write a JSON file.

    front: one node's GET beside a bare aiohttp handler. cluster: three nodes, PUT and GET. etcd: the same beside three
    nodes of etcd, where it is installed. linearizable: changes and reads of linearizable keys, beside etcd's.
    overload: three nodes under up to five times the load that they sustain. slow-replica: the tail of reads with one
    replica behind 200 ms. telemetry: what it costs to measure staleness. Without --only: all but cluster, whose rows
    etcd has.
    Medians over the rounds; nothing stays behind.
    """
    from dynamo.workload.benchmark import EVERYTHING, run
    from dynamo.workload.comparison import Settings
    from dynamo.workload.processes import ServerFailed
    from dynamo.workload.report import lines, write

    if keys < connections:
        raise click.BadParameter(f"{connections} connections need at least as many keys", param_hint="--keys")
    settings = Settings(
        seconds=seconds, rounds=rounds, connections=connections, keys=keys, value_bytes=value_bytes, seed=seed
    )
    try:
        # Told to end, it ends its servers first, as it does for Ctrl-C.
        with unwinding_on_term():
            report = run([only] if only else EVERYTHING, settings, note, data)
    except ServerFailed as problem:
        note(f"error: {problem}")
        return FAILED
    path = json_file or FOLDER / f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.json"
    write(report, path)
    click.echo("\n".join(lines(report)), file=sys.stdout)
    note(f"Every sample: {path}")
    return FAILED if report.faults else OK
