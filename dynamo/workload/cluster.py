"""Three of our nodes, alone or beside three nodes of etcd: one write and two kinds of read.

Like stands against like, as far as there is any: a write that a majority has on disk, a read that has asked more than
one node (R=2; etcd's is linearizable, ours is not), a read of what one node has (R=1; serializable). Keys, values,
number of connections and client are the same; both clusters run all the time, the one not asked idles.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from dynamo.workload.comparison import Contender, Progress, Settings, fill, interleaved
from dynamo.workload.keys import KeySpace
from dynamo.workload.operations import EtcdPut, EtcdRange, Get, Operation, Put
from dynamo.workload.report import Section, ratio
from dynamo.workload.systems import BUCKET, ETCD_INSTALL, DynamoCluster, EtcdCluster, etcd_version

NODES = 3
FAIRNESS = (
    "etcd also keeps one total order, revisions and watches, and its JSON gateway is the slow door: gRPC is faster.",
    "Our reads are not linearizable: R=2 asks two of three replicas. Read the rows side by side, not as a verdict.",
)


def cluster(folder: Path, settings: Settings, loop: asyncio.Runner, progress: Progress) -> Section:
    """Our cluster alone. Raises ServerFailed."""
    keys = _keys(settings)
    with DynamoCluster(folder, NODES, NODES) as ours:
        filled = _filled(ours, keys, settings, loop)
        rows = interleaved([Contender(ours, each) for each in _ours(filled)], settings, loop, progress)
    return Section(
        title=f"Cluster: {NODES} nodes, N={NODES}", notes=[_shape(settings), f"dynamo: {ours.durability}"], rows=rows
    )


def beside_etcd(folder: Path, settings: Settings, loop: asyncio.Runner, progress: Progress) -> Section:
    """Our cluster and etcd's in turn; ours alone where etcd is not installed. Raises ServerFailed."""
    version = etcd_version()
    if not version:
        progress(ETCD_INSTALL)
        section = cluster(folder, settings, loop, progress)
        section.skipped = ETCD_INSTALL
        return section
    keys = _keys(settings)
    with DynamoCluster(folder, NODES, NODES) as ours, EtcdCluster(folder, NODES) as theirs:
        fill(EtcdPut(keys), theirs.endpoints, settings, loop)
        pairs = zip(_ours(_filled(ours, keys, settings, loop)), _theirs(keys), strict=True)
        contenders = [each for mine, other in pairs for each in (Contender(ours, mine), Contender(theirs, other))]
        rows = interleaved(contenders, settings, loop, progress)
    matches = zip(rows[::2], rows[1::2], strict=True)
    return Section(
        title=f"Cluster: {NODES} nodes, N={NODES}, beside etcd {version}",
        notes=[
            _shape(settings),
            f"dynamo: {ours.durability}",
            f"etcd: {theirs.durability}; asked at its leader, which is its best case",
            *FAIRNESS,
        ],
        rows=rows,
        ratios=[ratio(f"dynamo {mine.operation} / etcd {other.operation}", mine, other) for mine, other in matches],
    )


def _keys(settings: Settings) -> KeySpace:
    return KeySpace(settings.seed, settings.keys, settings.value_bytes)


def _shape(settings: Settings) -> str:
    return (
        f"{settings.connections} connections, closed loop; {settings.keys:,} keys, "
        f"values of {settings.value_bytes} bytes; client and all nodes share the machine"
    )


def _filled(ours: DynamoCluster, keys: KeySpace, settings: Settings, loop: asyncio.Runner) -> Put:
    """Every key on every replica: a read of one replica must not meet a write that has not arrived there."""
    everywhere = Put(keys, BUCKET, w=NODES)
    fill(everywhere, ours.endpoints, settings, loop)
    return everywhere


def _ours(filled: Put) -> list[Operation]:
    keys = filled.keys
    return [Put(keys, BUCKET, w=2, after=filled), Get(keys, BUCKET, r=2), Get(keys, BUCKET, r=1)]


def _theirs(keys: KeySpace) -> list[Operation]:
    return [EtcdPut(keys), EtcdRange(keys, serializable=False), EtcdRange(keys, serializable=True)]
