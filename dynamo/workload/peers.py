"""The stores that people would pick instead, beside ours: every workload of every store, in turn, round by round.

All clusters run all the time, on this machine's cores, and those not asked idle. In each round each workload is done by
each store, one after the other; who begins changes from round to round, so that what a store still does after its turn
(flushing, compacting) does not always fall to the same one. Ratios are taken inside a round. The generator is one
process and not pinned: with two cores and a cluster of several processes a pin would only bind the scheduler's hands.
Its processor time is measured and shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec

from dynamo.workload.comparison import Contender, Progress, Settings, closed_loop, fill, shown
from dynamo.workload.fixed_rate import TIMEOUT_S, fixed_rate
from dynamo.workload.front import front
from dynamo.workload.keys import KeySpace
from dynamo.workload.operations import Operation
from dynamo.workload.peer import NODES, WORKLOADS, Peer
from dynamo.workload.peer_cassandra import CassandraPeer
from dynamo.workload.peer_dynamo import DynamoPeer
from dynamo.workload.peer_etcd import EtcdPeer
from dynamo.workload.peer_zookeeper import ZooKeeperPeer
from dynamo.workload.report import Ratio, Row, Section, Table
from dynamo.workload.runner import Sample
from dynamo.workload.systems import System
from dynamo.workload.targets import OURS, compared, judged

PEERS: dict[str, Callable[[], Peer]] = {
    "dynamo": DynamoPeer,
    "etcd": EtcdPeer,
    "cassandra": CassandraPeer,
    "zookeeper": ZooKeeperPeer,
}
FRONT = "front"
"""Not a workload of peers: our GET beside a bare HTTP server, which is judged, too."""
PASSES = 6
"""Of the warm-up of a store that grows quicker."""
_START_S, _FILL_S, _GRACE_S = 10.0, 1.25e-3, 0.25
"""What an estimate adds: for the start of each store, for each key that it is filled with, for each measurement."""


class PeerSettings(Settings, frozen=True, kw_only=True):
    """How a comparison is made."""

    seconds: float = 2.0
    rounds: int = 3
    rate: float = 1000.0
    """Requests a second of the fixed rate."""
    grow_s: float = 240.0
    """How long a store that compiles what it runs is under load before anything is measured: its `growth` of it."""
    peers: tuple[str, ...] = tuple(PEERS)
    workloads: tuple[str, ...] = (FRONT, *WORKLOADS)


@runtime_checkable
class CountsApplied(Protocol):
    """An operation of which some answers say that nothing was changed."""

    answers: int
    made: int


class Standing(NamedTuple):
    """A peer that is up, and what it is asked for."""

    system: System
    operations: dict[str, Operation]
    growth: float


def peers(folder: Path, settings: PeerSettings, loop: asyncio.Runner, progress: Progress) -> list[Section]:
    """Measure all that is at hand. Raises ServerFailed."""
    sections, workloads = [], [name for name in WORKLOADS if name in settings.workloads]
    found, skipped = at_hand([PEERS[name]() for name in settings.peers], progress)
    minutes = estimate_s(settings, found) / 60
    progress(f"about {minutes:.0f} minutes: {', '.join(peer.name for peer in found)}")
    if FRONT in settings.workloads:
        (folder / FRONT).mkdir()
        sections.append(front(folder / FRONT, settings, loop, progress))
    if not workloads:
        return sections
    with ExitStack() as stack:
        standing = [_prepared(peer, folder, settings, loop, progress, stack) for peer in found]
        grown = [line for each in standing for line in _grow(each, workloads, settings, loop, progress)]
        rows = _Rows(workloads, standing)
        for number in range(settings.rounds):
            rows.measure(number, settings, loop, progress)
    shape = Section(title=f"Peers: {NODES} nodes each, every key on all of them", notes=_notes(settings, found))
    shape.skipped = "\n  ".join(skipped)
    if grown:
        headings = ["requests/s before anything counted", *(f"pass {number}" for number in range(1, PASSES + 1))]
        shape.tables.append(Table(headings=headings, lines=grown))
    return [*sections, shape, *rows.sections(settings), judged(rows.closed, rows.paced)]


def at_hand(wanted: Sequence[Peer], progress: Progress) -> tuple[list[Peer], list[str]]:
    """Those that can be measured, and for each of the others how to get it."""
    found, skipped = [], []
    for peer in wanted:
        why = peer.missing()
        if why:
            progress(why)
            skipped.append(why)
        else:
            found.append(peer)
    return found, skipped


def estimate_s(settings: PeerSettings, found: Sequence[Peer]) -> float:
    """About how long a run takes."""
    workloads = [workload for name, workload in WORKLOADS.items() if name in settings.workloads]
    each_s = (settings.seconds + settings.warm_up_s + _GRACE_S) * settings.rounds
    front_s = 2 * each_s if FRONT in settings.workloads else 0.0
    if not workloads:
        return front_s
    measurements = len(workloads) + sum(workload.at_rate for workload in workloads if settings.rate)
    store_s = _START_S + _FILL_S * settings.keys + measurements * each_s
    growing_s = [
        settings.grow_s * peer.growth + PASSES * len(workloads) * _GRACE_S
        for peer in found
        if settings.grow_s * peer.growth
    ]
    return front_s + len(found) * store_s + sum(growing_s)


def _prepared(
    peer: Peer, folder: Path, settings: PeerSettings, loop: asyncio.Runner, progress: Progress, stack: ExitStack
) -> Standing:
    progress(f"{peer.name}: starting {NODES} nodes, writing {settings.keys:,} keys")
    system = stack.enter_context(peer.system(folder))
    keys = KeySpace(settings.seed, settings.keys, settings.value_bytes)

    def filled(operation: Operation) -> None:
        fill(operation, system.endpoints, settings, loop, system.wire)

    return Standing(system, peer.operations(system, keys, filled, settings.seed), peer.growth)


def _grow(
    peer: Standing, workloads: Sequence[str], settings: PeerSettings, loop: asyncio.Runner, progress: Progress
) -> list[list[str]]:
    """Put all workloads on a store that compiles what it runs often, several times round.

    Nothing of it counts; what each pass came to is told, so that a reader sees whether the store had its speed by then.
    """
    operations = [operation for name, operation in peer.operations.items() if name in workloads]
    grow_s = settings.grow_s * peer.growth
    if not grow_s or not operations:
        return []
    each = msgspec.structs.replace(settings, seconds=grow_s / (PASSES * len(operations)), warm_up_s=0.0)
    lines = [[f"{peer.system.name}: {operation.name}"] for operation in operations]
    for number in range(PASSES):
        for operation, line in zip(operations, lines, strict=True):
            sample = loop.run(closed_loop(Contender(peer.system, operation), each))
            line.append(f"{sample.rate:,.0f}" + (f" ({sample.faults} faults)" if sample.faults else ""))
            progress(f"warming up {number + 1}/{PASSES}  {peer.system.name}: {operation.name}  {shown(sample)}")
    return lines


class _Rows:
    """What was measured, by workload and system."""

    def __init__(self, workloads: Sequence[str], standing: Sequence[Standing]) -> None:
        self._workloads = workloads
        self._standing = standing
        self.closed: dict[tuple[str, str], Row] = {}
        self.paced: dict[tuple[str, str], Row] = {}
        self.applied: dict[tuple[str, str], Row] = {}

    def measure(self, number: int, settings: PeerSettings, loop: asyncio.Runner, progress: Progress) -> None:
        """One round."""
        for name in self._workloads:
            able = [peer for peer in self._standing if name in peer.operations]
            first = number % max(1, len(able))
            turns = [*able[first:], *able[:first]]
            for peer in turns:
                operation = peer.operations[name]
                before = _counted(operation)
                sample = loop.run(closed_loop(Contender(peer.system, operation), settings))
                self._keep(self.closed, name, peer, operation.name, sample)
                if WORKLOADS[name].counts_applied:
                    share = applied_share(before, _counted(operation))
                    self._keep(self.applied, name, peer, f"{operation.name}: applied", only_applied(sample, share))
                _tell(progress, number, settings, peer.system.name, operation.name, sample)
            for peer in turns if WORKLOADS[name].at_rate and settings.rate else []:
                operation = peer.operations[name]
                sample = fixed_rate(Contender(peer.system, operation), settings, settings.rate)
                self._keep(self.paced, name, peer, operation.name, sample)
                _tell(progress, number, settings, peer.system.name, f"{operation.name}, {settings.rate:,.0f}/s", sample)

    def _keep(
        self, rows: dict[tuple[str, str], Row], workload: str, peer: Standing, operation: str, sample: Sample
    ) -> None:
        key = (workload, peer.system.name)
        if key not in rows:
            rows[key] = Row(system=peer.system.name, operation=operation, samples=[])
        rows[key].samples.append(sample)

    def sections(self, settings: PeerSettings) -> list[Section]:
        """One for each workload, at full load and then at the fixed rate."""
        made = []
        for name in self._workloads:
            workload = WORKLOADS[name]
            section = Section(title=f"{workload.title}: {settings.connections} connections", notes=[workload.promise])
            section.rows = [*_of(self.closed, name), *_of(self.applied, name)]
            section.ratios = _beside(self.applied if workload.counts_applied else self.closed, name)
            made.append(section)
            if rows := _of(self.paced, name):
                made.append(Section(title=f"{workload.title}: {settings.rate:,.0f} requests/s", rows=rows, paced=True))
        return made


def _of(rows: dict[tuple[str, str], Row], workload: str) -> list[Row]:
    return [row for (name, _), row in rows.items() if name == workload]


def _beside(rows: dict[tuple[str, str], Row], workload: str) -> list[Ratio]:
    ours = rows.get((workload, OURS))
    if ours is None:
        return []
    others = [row for row in _of(rows, workload) if row is not ours]
    what = "changes applied/s" if WORKLOADS[workload].counts_applied else "requests/s"
    return [compared(f"{what}, {OURS} / {row.system}", ours, row) for row in others] + [
        compared(f"processor time, {row.system} / {OURS}", ours, row, "server_cpu_us") for row in others
    ]


def _counted(operation: Operation) -> tuple[int, int]:
    return (operation.answers, operation.made) if isinstance(operation, CountsApplied) else (0, 0)


def applied_share(before: tuple[int, int], after: tuple[int, int]) -> float:
    """Which part of the answers between two looks said that the change was applied."""
    answers = after[0] - before[0]
    return (after[1] - before[1]) / answers if answers else 0.0


def only_applied(sample: Sample, share: float) -> Sample:
    """The same measurement for each change that was applied. Latencies stay those of all answers."""
    return msgspec.structs.replace(
        sample,
        requests=round(sample.requests * share),
        rate=sample.rate * share,
        server_cpu_us=sample.server_cpu_us / share if share else 0.0,
        client_cpu_us=sample.client_cpu_us / share if share else 0.0,
        # Counted with all answers already.
        faults=0,
        first_fault="",
    )


def _tell(progress: Progress, number: int, settings: PeerSettings, system: str, operation: str, sample: Sample) -> None:
    progress(f"round {number + 1}/{settings.rounds}  {system}: {operation}  {shown(sample)}")


def _notes(settings: PeerSettings, found: Sequence[Peer]) -> list[str]:
    return [
        f"{settings.connections} connections, closed loop, one request at a time on each; every answer is checked",
        f"{settings.keys:,} keys, values of {settings.value_bytes} bytes",
        f"fixed rate: {settings.rate:,.0f} requests/s over as many connections, each timed from when it was due",
        f"fixed rate: what is not answered within {TIMEOUT_S:g} s shows as a lower rate",
        "a put and a change are acknowledged when a majority of the replicas has synced them to disk, at every store",
        "all clusters and the generator share the machine's cores; the generator is not pinned",
        *(note for peer in found for note in peer.notes()),
    ]
