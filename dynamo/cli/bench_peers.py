"""`dynamo bench peers`: this store beside those that people would pick instead, in one run on one machine."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from dynamo.cli.bench_store import FOLDER
from dynamo.cli.output import FAILED, OK, note
from dynamo.cli.unwinding import unwinding_on_term

PEERS = ("dynamo", "etcd", "cassandra", "zookeeper")
WORKLOADS = (
    "front",
    "put",
    "get-one",
    "get-quorum",
    "ycsb-a",
    "ycsb-b",
    "ycsb-c",
    "get-linearizable",
    "cas",
    "cas-one-key",
)


@click.command()
@click.option("--peer", "chosen", multiple=True, type=click.Choice(PEERS), help="Only these; may be said again.")
@click.option("--only", "workloads", multiple=True, type=click.Choice(WORKLOADS),
              help="Only these workloads; may be said again.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0.1, 3600), default=2.0, show_default=True,
              help="Of each measurement.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(1, 1000), default=3, show_default=True, help="Measurements of each row.")
@click.option("--rate", type=click.FloatRange(0, 100_000), default=1000.0, show_default=True,
              help="Requests a second of the runs at a fixed rate; 0 leaves them out.")  # fmt: skip
@click.option("--grow", "grow_s", type=click.FloatRange(0, 3600), default=240.0, show_default=True,
              help="Seconds of load before anything counts, for Cassandra; ZooKeeper has a quarter.")  # fmt: skip
@click.option("--connections", type=click.IntRange(1, 4096), default=64, show_default=True, help="Over all nodes.")
@click.option("--keys", type=click.IntRange(1), default=20_000, show_default=True, help="How many different ones.")
@click.option("--value-bytes", type=click.IntRange(0, 2**20), default=256, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Of keys, values and their order.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path),
              help="Where to write every sample; a page with charts lies beside it.")  # fmt: skip
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Folder for the data of the run, removed after it; by default for temporary files.")  # fmt: skip
def peers(
    *,
    chosen: tuple[str, ...],
    workloads: tuple[str, ...],
    seconds: float,
    rounds: int,
    rate: float,
    grow_s: float,
    connections: int,
    keys: int,
    value_bytes: int,
    seed: int,
    json_file: Path | None,
    data: Path | None,
) -> int:
    """Start three nodes of each store on loopback, put the same workloads on them in turn, and compare.

    etcd is measured where its program is in PATH, Cassandra and ZooKeeper where Java 17 and Maven are: their jars are
    fetched once and kept in the user's cache. What is missing is said and left out. Writes a table, a JSON file with
    every sample and a page with the charts. Medians over the rounds; neither process nor data stays behind.
    """
    from dynamo.report.peers import page
    from dynamo.workload.benchmark import run_peers
    from dynamo.workload.peers import PeerSettings
    from dynamo.workload.processes import ServerFailed
    from dynamo.workload.report import lines, write

    # Linearizable keys go to three nodes by their hash: a few to spare for each connection.
    if keys < 4 * connections:
        raise click.BadParameter(f"{connections} connections need at least {4 * connections} keys", param_hint="--keys")
    settings = PeerSettings(
        seconds=seconds,
        rounds=rounds,
        rate=rate,
        grow_s=grow_s,
        connections=connections,
        keys=keys,
        value_bytes=value_bytes,
        seed=seed,
        peers=chosen or PEERS,
        workloads=workloads or WORKLOADS,
    )
    try:
        # Told to end, it ends its servers first, as it does for Ctrl-C.
        with unwinding_on_term():
            report = run_peers(settings, note, data)
    except ServerFailed as problem:
        note(f"error: {problem}")
        return FAILED
    path = json_file or FOLDER / f"peers-{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.json"
    write(report, path)
    picture = path.with_suffix(".html")
    picture.write_text(page(report), encoding="utf-8")
    click.echo("\n".join(lines(report)), file=sys.stdout)
    note(f"Every sample: {path}")
    note(f"Charts: {picture}")
    return FAILED if report.faults else OK
