"""Three nodes of Apache Cassandra on one machine, from its jars, with its settings for new clusters where they matter.

Each node has an address of its own (127.0.0.1, .2, .3), since all nodes of a cluster use the same ports. What differs
from its `cassandra_latest.yaml`, and why: the commit log is synced before a write is acknowledged (`batch`; as it
comes, a power cut takes up to ten seconds of acknowledged writes); heaps are small, as three nodes share the machine;
a node has one token, since with three replicas on three nodes tokens decide nothing and the start is quicker.
Conditional changes use its second Paxos (`paxos_variant: v2`), which needs fewer round trips than the default.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from dynamo.workload import cql
from dynamo.workload.cql_operations import REGISTERS, STATEMENTS, TABLE, WRITE
from dynamo.workload.maven import Artifact, logback
from dynamo.workload.processes import POLL_S, Child, ServerFailed, free_ports
from dynamo.workload.systems import System

ARTIFACT = Artifact("org.apache.cassandra", "cassandra-all", "5.0.6")
HEAP_MIB = 512
KEYSPACE = "bench"
START_S = 120.0
"""Three virtual machines on two cores take a quarter of a minute; a busy machine takes its time."""
_TOKENS = (-(2**63) // 3 * 2, 0, 2**63 // 3 * 2)
# As Cassandra's own jvm17-server.options has them.
_EXPORTS = (
    "java.base/jdk.internal.misc java.management.rmi/com.sun.jmx.remote.internal.rmi java.rmi/sun.rmi.registry "
    "java.rmi/sun.rmi.server java.sql/java.sql java.base/java.lang.ref jdk.unsupported/sun.misc "
    "jdk.compiler/com.sun.tools.javac.file jdk.attach/sun.tools.attach"
)
_OPENS = (
    "java.base/java.lang.module java.base/jdk.internal.loader java.base/jdk.internal.ref "
    "java.base/jdk.internal.reflect java.base/jdk.internal.math java.base/jdk.internal.module "
    "java.base/jdk.internal.util.jar jdk.management/com.sun.management.internal java.base/sun.nio.ch "
    "java.base/java.io java.base/java.lang.reflect jdk.compiler/com.sun.tools.javac java.base/java.lang "
    "java.base/java.util"
)
_OPTIONS = (
    "-XX:+UseG1GC -XX:+ParallelRefProcEnabled -XX:MaxTenuringThreshold=1 -XX:G1RSetUpdatingPauseTimePercent=5 "
    "-XX:MaxGCPauseMillis=300 -XX:+ExitOnOutOfMemoryError -XX:+AlwaysPreTouch -XX:-UsePerfData -Xss256k "
    "-Djdk.attach.allowAttachSelf=true -Dio.netty.tryReflectionSetAccessible=true "
    "-Dio.netty.allocator.useCacheForAllThreads=true -Dio.netty.allocator.maxOrder=11 "
    # Nodes that start together need not wait for the gossip of others to calm down.
    "-Dcassandra.ring_delay_ms=1000 -Dcassandra.skip_wait_for_gossip_to_settle=0 -Dcassandra-foreground=yes"
)


class CassandraCluster(System):
    """Three nodes with a table for writes and reads and one for conditional changes, both on all of them."""

    def __init__(self, folder: Path, jars: Sequence[Path]) -> None:
        super().__init__("cassandra", "a quorum synced its commit log to disk (commitlog_sync: batch)")
        self.wire = cql.CQL
        self._folder = folder
        self._jars = jars
        self.statements: dict[str, bytes] = {}
        """Ids of what was prepared on every node, by statement."""

    def start(self) -> None:
        storage, native = free_ports(2)
        hosts = [f"127.0.0.{number}" for number in range(1, len(_TOKENS) + 1)]
        for number, (host, token) in enumerate(zip(hosts, _TOKENS, strict=True), start=1):
            folder = self._folder / f"cassandra{number}"
            folder.mkdir()
            (folder / "cassandra.yaml").write_text(settings(folder, host, token, storage, native))
            (folder / "logback.xml").write_text(logback("WARN"))
            command = java_command(folder, self._jars)
            self.children.append(Child(f"cassandra{number}", command, folder / "log"))
        self.endpoints = [(host, native) for host in hosts]
        deadline = time.monotonic() + START_S
        for child, endpoint in zip(self.children, self.endpoints, strict=True):
            _asked(child, endpoint, cql.query("SELECT key FROM system.local", cql.ONE), deadline)
        self._make_tables(deadline)

    def _make_tables(self, deadline: float) -> None:
        """Return when every node knows the tables and counts on every other node."""
        first, endpoint = self.children[0], self.endpoints[0]
        for statement in schema():
            _asked(first, endpoint, cql.query(statement, cql.ONE), deadline)
        for statement in STATEMENTS:
            named = cql.prepare(statement.format(keyspace=KEYSPACE))
            answers = [
                _asked(child, each, named, deadline) for child, each in zip(self.children, self.endpoints, strict=True)
            ]
            ids = {cql.prepared_id(answer) for answer in answers}
            if len(ids) != 1:
                raise ServerFailed(f"the nodes have prepared {statement!r} under {len(ids)} ids")
            self.statements[statement] = ids.pop()
        written = cql.execute(self.statements[WRITE], cql.ALL, (b"all", b""))
        for child, each in zip(self.children, self.endpoints, strict=True):
            _asked(child, each, written, deadline)

    def ask(self, request: bytes) -> bytes:
        """The answer of the first node to a request. Raises ServerFailed."""
        return _asked(self.children[0], self.endpoints[0], request, 0.0)


def schema() -> list[str]:
    """Statements that make what is measured, with every table as it comes."""
    replication = f"{{'class': 'SimpleStrategy', 'replication_factor': {len(_TOKENS)}}}"
    return [
        f"CREATE KEYSPACE IF NOT EXISTS {KEYSPACE} WITH replication = {replication}",
        f"CREATE TABLE IF NOT EXISTS {KEYSPACE}.{TABLE} (key text PRIMARY KEY, value blob)",
        f"CREATE TABLE IF NOT EXISTS {KEYSPACE}.{REGISTERS} (key text PRIMARY KEY, value blob, version bigint)",
    ]


def settings(folder: Path, host: str, token: int, storage_port: int, native_port: int) -> str:
    """One node's cassandra.yaml. JSON is YAML."""
    data = {
        "data_file_directories": [str(folder / "data")],
        "commitlog_directory": str(folder / "commitlog"),
        "hints_directory": str(folder / "hints"),
        "saved_caches_directory": str(folder / "saved_caches"),
        "cdc_raw_directory": str(folder / "cdc_raw"),
    }
    cluster = {
        "cluster_name": "dynamo-bench",
        "num_tokens": 1,
        "initial_token": str(token),
        "auto_bootstrap": False,
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "endpoint_snitch": "SimpleSnitch",
        "listen_address": host,
        "rpc_address": host,
        "storage_port": storage_port,
        "native_transport_port": native_port,
        "seed_provider": [
            {
                "class_name": "org.apache.cassandra.locator.SimpleSeedProvider",
                "parameters": [{"seeds": f"127.0.0.1:{storage_port}"}],
            }
        ],
    }
    behaviour = {
        "commitlog_sync": "batch",
        "paxos_variant": "v2",
        "memtable_allocation_type": "offheap_objects",
        "memtable": {"configurations": {"default": {"class_name": "TrieMemtable"}}},
        "sstable": {"selected_format": "bti"},
        "storage_compatibility_mode": "NONE",
        "default_compaction": {
            "class_name": "UnifiedCompactionStrategy",
            "parameters": {"scaling_parameters": "T4", "target_sstable_size": "1GiB"},
        },
    }
    return json.dumps(cluster | data | behaviour, indent=2) + "\n"


def java_command(folder: Path, jars: Sequence[Path]) -> list[str]:
    """The command line of a node whose settings lie in that folder."""
    meter = next(str(jar) for jar in jars if jar.name.startswith("jamm-"))
    opened = [word for names, option in ((_EXPORTS, "--add-exports"), (_OPENS, "--add-opens")) for each in names.split()
              for word in (option, f"{each}=ALL-UNNAMED")]  # fmt: skip
    return [
        "java",
        f"-Xms{HEAP_MIB}m",
        f"-Xmx{HEAP_MIB}m",
        *_OPTIONS.split(),
        *opened,
        f"-javaagent:{meter}",
        f"-Dcassandra.config=file://{folder / 'cassandra.yaml'}",
        f"-Dcassandra.storagedir={folder}",
        "-cp",
        ":".join([str(folder), *map(str, jars)]),
        "org.apache.cassandra.service.CassandraDaemon",
    ]


def _asked(child: Child, endpoint: tuple[str, int], request: bytes, deadline: float) -> bytes:
    """The answer to a request, asked again until the deadline (always at least once). Raises ServerFailed."""
    while True:
        try:
            with socket.create_connection(endpoint, 10.0) as connection:
                cql.greet(connection)
                return cql.ask(connection, request)
        except OSError as problem:
            if child.exit_code is not None:
                raise ServerFailed(f"{child.name} ended with code {child.exit_code}\n{child.log_tail()}") from problem
            if time.monotonic() > deadline:
                raise ServerFailed(f"{child.name}: {problem}\n{child.log_tail()}") from problem
        time.sleep(POLL_S)
