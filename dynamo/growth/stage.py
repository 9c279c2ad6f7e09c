"""What is measured at one size of an axis: a cluster that runs, filled, and the operations to ask it for.

Each size has a cluster of its own, so that nothing of one size is left over in the next; only the store that grows by
keys is one and the same, stopped, filled further while it is down, and started again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from dynamo.growth import axes
from dynamo.growth.curve import Axis
from dynamo.growth.footprint import Footprint, footprint
from dynamo.growth.sampled_keys import SampledKeys
from dynamo.growth.sibling_operations import SiblingGet, SiblingPut
from dynamo.workload.keys import KeySpace
from dynamo.workload.operations import Get, Operation, Put
from dynamo.workload.processes import ServerFailed
from dynamo.workload.runner import once
from dynamo.workload.systems import DynamoCluster, asked, node_config

BUCKET = "growth"
REPLICAS = 3
KEYS = 5_000
CONNECTIONS = 64
VALUE_BYTES = 256
STORED_VALUE_BYTES = 100
"""Of the store that grows by keys."""
_VALUES_BYTES_MAX = 64 * 2**20
_VALUES_KEYS_MAX = 2_000
_VALUES_CONNECTIONS = 16
_SIBLINGS_KEYS = 500

Fill = Callable[[Path, str, int, int, int], None]
"""Writes into the store of a node that is down: its configuration file, the bucket, the numbers of the first key and of
the key beyond the last, the seed. Names and values are those of `sampled_keys`."""


class Stage(msgspec.Struct, frozen=True):
    """A cluster, and what to measure of it, in this order."""

    cluster: DynamoCluster
    folder: Path
    operations: list[Operation]
    connections: int = CONNECTIONS
    began_s: float = 0.0
    """When all nodes were there, on the monotonic clock."""

    def footprints(self) -> list[Footprint]:
        """Of each node."""
        return footprints(self.cluster, self.folder)


class Tools(msgspec.Struct, frozen=True):
    """What every stage is made with."""

    folder: Path
    loop: asyncio.Runner
    seed: int
    fill: Fill


def footprints(cluster: DynamoCluster, folder: Path) -> list[Footprint]:
    """Of each node of a cluster whose data lies in a folder. Raises ServerFailed if one does not answer."""
    return [
        footprint(child.pid, folder / node, asked(ports[2], "GET", "/metrics", None).decode())
        for child, (node, ports) in zip(cluster.children, cluster.members.items(), strict=True)
    ]


@contextmanager
def stage(axis: Axis, size: int, tools: Tools) -> Iterator[Stage]:
    """The stage of one size; its cluster ends with the block. Raises ServerFailed."""
    if axis is axes.KEYS:
        with _store(size, tools) as found:
            yield found
        return
    folder = tools.folder / f"{axis.name}-{size}"
    folder.mkdir()
    cluster = DynamoCluster(folder, size if axis is axes.NODES else REPLICAS, REPLICAS)
    if axis is axes.PARTITIONS:
        cluster.settings = f"[cluster]\npartitions = {size}\n"
    with cluster:
        mode = "siblings" if axis is axes.SIBLINGS else "lww"
        asked(cluster.endpoints[0][1], "PUT", f"/v1/buckets/{BUCKET}", {"n": REPLICAS, "mode": mode})
        began_s = time.monotonic()
        yield msgspec.structs.replace(_filled(axis, size, cluster, tools, folder), began_s=began_s)


def _filled(axis: Axis, size: int, cluster: DynamoCluster, tools: Tools, folder: Path) -> Stage:
    if axis is axes.SIBLINGS:
        keys = KeySpace(tools.seed, _SIBLINGS_KEYS, VALUE_BYTES)
        filling = SiblingPut(keys, BUCKET, REPLICAS, size)
        for _ in range(size):
            _write(filling, cluster, tools, CONNECTIONS)
        return Stage(cluster, folder, [SiblingPut(keys, BUCKET, 2, size, filling), SiblingGet(keys, BUCKET, 2, size)])
    connections = CONNECTIONS
    if axis is axes.VALUES:
        connections = _VALUES_CONNECTIONS
        keys = KeySpace(tools.seed, min(_VALUES_KEYS_MAX, _VALUES_BYTES_MAX // size), size)
    else:
        keys = KeySpace(tools.seed, KEYS, VALUE_BYTES)
    everywhere = Put(keys, BUCKET, REPLICAS)
    _write(everywhere, cluster, tools, connections)
    asking = connections
    if axis is axes.CONNECTIONS:
        asking = size
    elif axis is axes.NODES:
        # As many for each node: fewer would share fewer syncs, and that is an affair of connections.
        asking = CONNECTIONS * size // REPLICAS
    return Stage(cluster, folder, [Put(keys, BUCKET, 2, everywhere), Get(keys, BUCKET, 2)], asking)


@contextmanager
def _store(size: int, tools: Tools) -> Iterator[Stage]:
    """One node whose store has so many keys; those that a smaller stage has put there stay."""
    folder = tools.folder / axes.KEYS.name
    folder.mkdir(exist_ok=True)
    # Addresses are not what a store is known by: the node gets its own when it starts.
    config = folder / "filling.toml"
    config.write_text(node_config("node1", folder / "node1", {"node1": [1, 2, 3]}))
    smaller = [each for each in axes.KEYS.sizes if each < size]
    tools.fill(config, BUCKET, max(smaller, default=0), size, tools.seed)
    cluster = DynamoCluster(folder, 1, 1)
    with cluster:
        asked(cluster.endpoints[0][1], "PUT", f"/v1/buckets/{BUCKET}", {"n": 1, "mode": "lww"})
        keys = SampledKeys(tools.seed, size, STORED_VALUE_BYTES)
        operations: list[Operation] = [Put(keys, BUCKET, 1), Get(keys, BUCKET, 1)]
        yield Stage(cluster, folder, operations, began_s=time.monotonic())


def _write(operation: Operation, cluster: DynamoCluster, tools: Tools, connections: int) -> None:
    recorder = tools.loop.run(once(operation, cluster.endpoints, connections))
    if recorder.faults:
        raise ServerFailed(f"{recorder.faults} keys not written: {recorder.first_fault}")
