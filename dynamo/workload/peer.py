"""What a store must be to be measured beside others: how to get it, how to start it, and how it does each workload.

A workload is a task that users have, not a request: every store does it with the call that promises the same, as nearly
as it has one. Where a store has none, the workload is left out for it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from dynamo.workload.keys import KeySpace
from dynamo.workload.operations import Operation
from dynamo.workload.systems import System

NODES = 3
Fill = Callable[[Operation], None]
"""Does an operation once for every key, on the system that is being prepared."""


class Workload(NamedTuple):
    """A row of the comparison."""

    title: str
    promise: str
    """What every call under it gives, and where they differ."""
    at_rate: bool = False
    """Also measured at a fixed rate."""
    counts_applied: bool = False
    """Answers are not all of them changes: those are counted apart."""


WORKLOADS = {
    "put": Workload(
        "Put",
        "a majority has the write on disk before it is acknowledged; etcd's and ZooKeeper's are in one total order",
        at_rate=True,
    ),
    "get-one": Workload("Get, one replica", "what the node that is asked has; may be stale", at_rate=True),
    "get-quorum": Workload(
        "Get, quorum",
        "shows every put that was acknowledged before; ours and Cassandra's ask two replicas and are not "
        "linearizable, etcd's is; ZooKeeper's node syncs with its leader, then reads",
        at_rate=True,
    ),
    "ycsb-a": Workload("YCSB A", "half reads, half updates, scrambled zipfian; reads and writes at a quorum"),
    "ycsb-b": Workload("YCSB B", "95 % reads, 5 % updates, scrambled zipfian; reads and writes at a quorum"),
    "ycsb-c": Workload("YCSB C", "reads only, scrambled zipfian, at a quorum"),
    "get-linearizable": Workload(
        "Get, linearizable",
        "as if there were one copy; ZooKeeper's sync and read is the nearest that it has: no majority agrees on a sync",
        at_rate=True,
    ),
    "cas": Workload(
        "Compare-and-set", "linearizable, on the version; each connection has keys of its own", at_rate=True
    ),
    "cas-one-key": Workload(
        "Compare-and-set, one key",
        "all connections change one key and name the version last told: one of those under way can win",
        counts_applied=True,
    ),
}


class Peer(Protocol):
    """A store that can be measured. The names of its workloads are keys of WORKLOADS."""

    name: str
    growth: float
    """A store that compiles what it runs often is under load before anything counts, for this part of the time that a
    run gives to that; 0 for all others."""

    def missing(self) -> str:
        """Why it cannot be measured here, and how to get it; empty if it can. May fetch it, which takes a while."""

    def system(self, folder: Path) -> System:
        """Its nodes, not started."""

    def operations(self, system: System, keys: KeySpace, fill: Fill, seed: int) -> dict[str, Operation]:
        """How it does each workload, after it was filled as they need it. Raises ServerFailed."""

    def notes(self) -> list[str]:
        """What a reader must know of how it runs here."""
