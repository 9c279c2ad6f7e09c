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
        operations = _ours(keys)
        fill(operations[0], ours.endpoints, settings, loop)
        rows = interleaved([Contender(ours, each) for each in operations], settings, loop, progress)
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
        pairs = list(zip(_ours(keys), _theirs(keys), strict=True))
        fill(pairs[0][0], ours.endpoints, settings, loop)
        fill(pairs[0][1], theirs.endpoints, settings, loop)
        contenders = [each for mine, other in pairs for each in (Contender(ours, mine), Contender(theirs, other))]
        rows = interleaved(contenders, settings, loop, progress)
    matches = zip(rows[::2], rows[1::2], strict=True)
    return Section(
        title=f"Cluster: {NODES} nodes, N={NODES}, beside etcd {version}",
        notes=[_shape(settings), f"dynamo: {ours.durability}", f"etcd: {theirs.durability}", *FAIRNESS],
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


def _ours(keys: KeySpace) -> list[Operation]:
    return [Put(keys, BUCKET, w=2), Get(keys, BUCKET, r=2), Get(keys, BUCKET, r=1)]


def _theirs(keys: KeySpace) -> list[Operation]:
    return [EtcdPut(keys), EtcdRange(keys, serializable=False), EtcdRange(keys, serializable=True)]
