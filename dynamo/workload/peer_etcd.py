"""Three nodes of etcd as a peer, where its program is in PATH."""

from __future__ import annotations

from pathlib import Path

from dynamo.workload.etcd_operations import EtcdCas, EtcdOneKeyCas
from dynamo.workload.keys import KeySpace
from dynamo.workload.mixed import Mixed
from dynamo.workload.operations import EtcdPut, EtcdRange, Operation
from dynamo.workload.peer import NODES, Fill
from dynamo.workload.systems import ETCD_INSTALL, EtcdCluster, System, etcd_version

CAS_PREFIX = "cas/"


class EtcdPeer:
    """As it comes, through its JSON gateway, at its leader."""

    name = "etcd"
    growth = 0.0

    def missing(self) -> str:
        return "" if etcd_version() else ETCD_INSTALL

    def system(self, folder: Path) -> System:
        return EtcdCluster(folder, NODES)

    def operations(self, system: System, keys: KeySpace, fill: Fill, seed: int) -> dict[str, Operation]:
        put, read = EtcdPut(keys), EtcdRange(keys, serializable=False)
        cas = EtcdCas(keys, CAS_PREFIX)
        fill(put)
        fill(cas)
        return {
            "put": put,
            "get-one": EtcdRange(keys, serializable=True),
            "get-quorum": read,
            **{f"ycsb-{mix}": Mixed(mix, seed, read, put) for mix in "abc"},
            "get-linearizable": read,
            "cas": cas,
            "cas-one-key": EtcdOneKeyCas(keys),
        }

    def notes(self) -> list[str]:
        return [
            f"etcd {etcd_version()}: JSON over HTTP through its own gateway, which is its slow door: gRPC is faster",
            "etcd: asked at its leader, which is its best case; it also keeps one total order, revisions and watches",
        ]
