"""Our own store among its peers: a bucket for plain writes, one for YCSB's hot keys, one for linearizable ones."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from dynamo.workload.keys import KeySpace
from dynamo.workload.linearizable import BUCKET as REGISTERS
from dynamo.workload.linearizable import RegisterCluster
from dynamo.workload.mixed import Mixed
from dynamo.workload.operations import Get, Operation, Put
from dynamo.workload.peer import NODES, Fill
from dynamo.workload.register_operations import OneKeyCas, RegisterCas, RegisterGet, RegisterPut
from dynamo.workload.systems import BUCKET, System, asked

MIXED = "mixed"
"""Of mode lww: concurrent writes of a hot key leave one value, as they do at the peers."""


class DynamoPeer:
    """Three nodes from this very package."""

    name = "dynamo"
    growth = 0.0

    def missing(self) -> str:
        return ""

    def system(self, folder: Path) -> System:
        return RegisterCluster(folder, NODES, NODES)

    def operations(self, system: System, keys: KeySpace, fill: Fill, seed: int) -> dict[str, Operation]:
        cluster = cast("RegisterCluster", system)
        asked(cluster.endpoints[0][1], "PUT", f"/v1/buckets/{MIXED}", {"mode": "lww", "n": NODES})
        # Every key on every replica: a read of one replica must not meet a write that has not arrived there.
        filled, hot = Put(keys, BUCKET, w=NODES), Put(keys, MIXED, w=NODES)
        routed = cluster.routed(keys)
        registers = RegisterPut(routed, REGISTERS)
        for each in (filled, hot, registers):
            fill(each)
        read, write = Get(keys, MIXED, r=2), Put(keys, MIXED, w=2, after=hot)
        return {
            "put": Put(keys, BUCKET, w=2, after=filled),
            "get-one": Get(keys, BUCKET, r=1),
            "get-quorum": Get(keys, BUCKET, r=2),
            **{f"ycsb-{mix}": Mixed(mix, seed, read, write) for mix in "abc"},
            "get-linearizable": RegisterGet(routed, REGISTERS),
            "cas": RegisterCas(routed, REGISTERS, registers.versions),
            "cas-one-key": OneKeyCas(keys, REGISTERS),
        }

    def notes(self) -> list[str]:
        return [
            'dynamo: HTTP, durability = "sync"',
            "dynamo: any node is asked for plain keys, linearizable keys at their first replica, as our client does",
            "dynamo: a PUT carries the context of the key's last answer, and its answer a new one",
        ]
