"""`make profile`: where the processor's time of a request goes, by room and by function, over three real nodes.

Prints two kinds of tables, and writes into a folder, for each load: a flame graph, and its stacks as folded lines.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click

from dynamo.workload.comparison import Settings
from dynamo.workload.event_loop import new_event_loop
from dynamo.workload.machine import facts
from dynamo.workload.processes import ServerFailed
from tests.profile.flame import folded, svg
from tests.profile.run import NODES, profile
from tests.profile.tables import Profile, by_function, by_room


def main(arguments: list[str]) -> int:
    """0: done; 1: a node failed, or answered wrongly; 2: misused."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.keys < 2 * NODES * options.connections:
        parser.error(f"{options.connections} connections need {2 * NODES * options.connections} keys or more")
    settings = Settings(
        seconds=options.seconds, connections=options.connections, keys=options.keys, value_bytes=options.value_bytes
    )
    # Told to end, it ends its nodes first, as it does for Ctrl-C.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        with (
            tempfile.TemporaryDirectory(prefix="dynamo-profile-", dir=options.data) as folder,
            asyncio.Runner(loop_factory=new_event_loop) as loop,
        ):
            machine = facts(Path(folder))
            profiles = profile(Path(folder), settings, loop, lambda line: click.echo(line, err=True))
    except ServerFailed as problem:
        click.echo(f"error: {problem}", err=True)
        return 1
    # First, as whoever reads the tables may stop reading.
    _write(profiles, options.output)
    click.echo(" ".join(f"{name} {value}." for name, value in machine.items()) + "\n")
    click.echo("\n".join(by_room(profiles)))
    for each in profiles:
        click.echo("\n" + "\n".join(by_function(each)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.profile", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load (default: 10)")
    parser.add_argument("--connections", type=int, default=64, help="over all nodes (default: 64)")
    parser.add_argument("--keys", type=int, default=20_000, help="how many different ones (default: 20000)")
    parser.add_argument("--value-bytes", type=int, default=256, help="of each value (default: 256)")
    parser.add_argument("--output", type=Path, default=Path("bench-results"), help="folder for the flame graphs")
    parser.add_argument("--data", type=Path, help="folder for the data of the run, removed after it")
    return parser


def _write(profiles: list[Profile], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    when = f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}"
    for each in profiles:
        name = re.sub(r"[^a-z0-9]+", "-", each.name.lower()).strip("-")
        base = folder / f"profile-{when}-{name}"
        loops_us = each.us(sum(each.shares.stacks.values()))
        title = f"{each.name}: {loops_us:.1f} us of processor per request, in the loops of all nodes together"
        base.with_suffix(".svg").write_text(svg(title, each.shares.stacks))
        base.with_suffix(".folded").write_text(folded(each.shares.stacks))
        click.echo(f"flame graph: {base.with_suffix('.svg')}", err=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
