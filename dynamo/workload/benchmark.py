"""The benchmark: which comparisons there are, and a folder for their data that goes when they are done.

Another comparison is another function from folder, settings, loop and progress to a Section, and a line in COMPARISONS.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from dynamo.workload.cluster import beside_etcd, cluster
from dynamo.workload.comparison import Progress, Settings
from dynamo.workload.event_loop import new_event_loop
from dynamo.workload.front import front
from dynamo.workload.linearizable import linearizable
from dynamo.workload.machine import facts
from dynamo.workload.overload import overload
from dynamo.workload.peers import PeerSettings, peers
from dynamo.workload.report import Report, Section
from dynamo.workload.slow_replica import slow_replica
from dynamo.workload.telemetry_cost import telemetry_cost

Comparison = Callable[[Path, Settings, asyncio.Runner, Progress], Section]

COMPARISONS: dict[str, Comparison] = {
    "front": front,
    "cluster": cluster,
    "etcd": beside_etcd,
    "linearizable": linearizable,
    "overload": overload,
    "slow-replica": slow_replica,
    "telemetry": telemetry_cost,
}
EVERYTHING = ("front", "etcd", "linearizable", "overload", "slow-replica", "telemetry")
"""Together these measure all there is: `etcd` has our cluster's rows, too."""


def run(names: Sequence[str], settings: Settings, progress: Progress, data: Path | None = None) -> Report:
    """Make the comparisons of these names. Data lies in a new folder below `data` (None: where temporary files go).

    Raises ServerFailed if a server did not come up; all servers have ended then, and always, and the data is gone.
    """

    def made(root: Path, loop: asyncio.Runner) -> list[Section]:
        sections = []
        for name in names:
            folder = root / name
            folder.mkdir()
            progress(f"{name}: starting")
            sections.append(COMPARISONS[name](folder, settings, loop, progress))
        return sections

    return reported(made, settings, data)


def run_peers(settings: PeerSettings, progress: Progress, data: Path | None = None) -> Report:
    """The comparison with other stores, as `run` makes the others."""
    return reported(lambda root, loop: peers(root, settings, loop, progress), settings, data)


def reported(
    make: Callable[[Path, asyncio.Runner], list[Section]], settings: Settings, data: Path | None = None
) -> Report:
    """What is made in a new folder, on a new loop, with what a reader must know of machine and settings."""
    with (
        tempfile.TemporaryDirectory(prefix="dynamo-bench-", dir=data) as root,
        asyncio.Runner(loop_factory=new_event_loop) as loop,
    ):
        machine = facts(Path(root))
        sections = make(Path(root), loop)
    return Report(
        taken=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine,
        settings=msgspec.to_builtins(settings),
        sections=sections,
    )
