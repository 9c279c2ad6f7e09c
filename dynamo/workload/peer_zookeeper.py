"""Three nodes of Apache ZooKeeper as a peer, where Java and Maven are at hand."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from dynamo.workload.keys import KeySpace
from dynamo.workload.maven import Unavailable, jars
from dynamo.workload.mixed import Mixed
from dynamo.workload.operations import Operation
from dynamo.workload.peer import Fill
from dynamo.workload.systems import System
from dynamo.workload.zookeeper import ARTIFACT, HEAP_MIB, PROVIDED, ZooKeeperCluster
from dynamo.workload.zookeeper_operations import (
    PLAIN,
    REGISTERS,
    ZooKeeperCas,
    ZooKeeperCreate,
    ZooKeeperGet,
    ZooKeeperOneKeyCas,
    ZooKeeperSet,
)


class ZooKeeperPeer:
    """From its jars, over its own protocol, at its leader."""

    name = "zookeeper"
    growth = 0.25

    def __init__(self) -> None:
        self._jars: list[Path] = []

    def missing(self) -> str:
        try:
            self._jars = jars(ARTIFACT, also=PROVIDED)
        except Unavailable as problem:
            return f"zookeeper: skipped: {problem}"
        return ""

    def system(self, folder: Path) -> System:
        return ZooKeeperCluster(folder, self._jars)

    def operations(self, system: System, keys: KeySpace, fill: Fill, seed: int) -> dict[str, Operation]:
        cluster = cast("ZooKeeperCluster", system)
        put, read = ZooKeeperSet(keys, PLAIN), ZooKeeperGet(keys, PLAIN, synced=True)
        one_key = ZooKeeperOneKeyCas(keys)
        for parent in (PLAIN, REGISTERS):
            fill(ZooKeeperCreate(keys, parent))
        cluster.ask(one_key.first)
        return {
            "put": put,
            "get-one": ZooKeeperGet(keys, PLAIN, synced=False),
            "get-quorum": read,
            **{f"ycsb-{mix}": Mixed(mix, seed, read, put) for mix in "abc"},
            "get-linearizable": read,
            "cas": ZooKeeperCas(keys, REGISTERS),
            "cas-one-key": one_key,
        }

    def notes(self) -> list[str]:
        return [
            f"zookeeper {ARTIFACT.version}: its own protocol, a small client of this package; heaps of {HEAP_MIB} MiB",
            "zookeeper: asked at its leader, its best case; it also keeps one total order, sessions and watches",
            "zookeeper: a quorum or linearizable read is sync and getData, sent at once; no majority agrees on a sync",
            "zookeeper: on one key a getData goes with each change, since a refusal does not tell the version",
        ]
