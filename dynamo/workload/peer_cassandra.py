"""Three nodes of Apache Cassandra as a peer, where Java and Maven are at hand."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from dynamo.workload import cql
from dynamo.workload.cassandra import ARTIFACT, HEAP_MIB, CassandraCluster
from dynamo.workload.cql_operations import (
    CHANGE,
    CREATE,
    READ,
    SETTLED,
    WRITE,
    CqlCas,
    CqlCreate,
    CqlOneKeyCas,
    CqlRead,
    CqlWrite,
)
from dynamo.workload.keys import KeySpace
from dynamo.workload.maven import Unavailable, jars
from dynamo.workload.mixed import Mixed
from dynamo.workload.operations import Operation
from dynamo.workload.peer import Fill
from dynamo.workload.systems import System


class CassandraPeer:
    """From its jars, over its native protocol."""

    name = "cassandra"
    growth = 1.0

    def __init__(self) -> None:
        self._jars: list[Path] = []

    def missing(self) -> str:
        try:
            self._jars = jars(ARTIFACT)
        except Unavailable as problem:
            return f"cassandra: skipped: {problem}"
        return ""

    def system(self, folder: Path) -> System:
        return CassandraCluster(folder, self._jars)

    def operations(self, system: System, keys: KeySpace, fill: Fill, seed: int) -> dict[str, Operation]:
        cluster = cast("CassandraCluster", system)
        statements = cluster.statements
        write = CqlWrite("INSERT QUORUM", keys, statements[WRITE], cql.QUORUM)
        read = CqlRead("SELECT QUORUM", keys, statements[READ], cql.QUORUM)
        one_key = CqlOneKeyCas(keys, statements[CREATE], statements[CHANGE])
        # Every key on every replica: a read of one replica must not meet a write that has not arrived there.
        fill(CqlWrite("INSERT ALL", keys, statements[WRITE], cql.ALL))
        fill(CqlCreate(keys, statements[CREATE]))
        cluster.ask(one_key.first)
        return {
            "put": write,
            "get-one": CqlRead("SELECT ONE", keys, statements[READ], cql.ONE),
            "get-quorum": read,
            **{f"ycsb-{mix}": Mixed(mix, seed, read, write) for mix in "abc"},
            "get-linearizable": CqlRead("SELECT SERIAL", keys, statements[SETTLED], cql.SERIAL),
            "cas": CqlCas(keys, statements[CHANGE]),
            "cas-one-key": one_key,
        }

    def notes(self) -> list[str]:
        return [
            f"cassandra {ARTIFACT.version}: native protocol v4, prepared statements, a small client of this package",
            "cassandra: connections are spread over the nodes; each has every key, so tokens need no heed",
            f"cassandra: commitlog_sync: batch, paxos_variant: v2, heaps of {HEAP_MIB} MiB",
            "cassandra: of changes of one key under contention those that time out are answers, and not applied",
        ]
