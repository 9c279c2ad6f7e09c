"""Three nodes of Apache ZooKeeper on one machine, from its jars, as its sample configuration has them.

What is set, and against what: `tickTime`, `initLimit` and `syncLimit` are those of its `zoo_sample.cfg`; clients are
not counted (`maxClientCnxns=0`; as it comes, an address has 60 connections, and all of ours come from one); the page
for administrators is off, since it needs a web server that is not among the jars; a frame may have two mebibytes (as it
comes one byte less than one, too little for the greatest value of a run); heaps are small, as three nodes share the
machine (its script has 1000 MB). All else is as it comes: a write is synced before it is acknowledged (`forceSync`),
there is a snapshot after some 100,000 transactions, connections are served by NIO.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from pathlib import Path

from dynamo.workload import jute
from dynamo.workload.maven import Artifact, logback
from dynamo.workload.processes import POLL_S, Child, ServerFailed, free_ports
from dynamo.workload.runner import Endpoint
from dynamo.workload.systems import System
from dynamo.workload.zookeeper_operations import PLAIN, REGISTERS

ARTIFACT = Artifact("org.apache.zookeeper", "zookeeper", "3.9.5")
PROVIDED = (
    Artifact("io.dropwizard.metrics", "metrics-core", "4.1.12.1"),
    Artifact("org.xerial.snappy", "snappy-java", "1.1.10.5"),
    Artifact("ch.qos.logback", "logback-classic", "1.3.15"),
)
"""Its distribution brings them, in these versions, and its jar does not ask for them. Without the first two it does not
start, without the last it does not say why."""
NODES = 3
HEAP_MIB = 512
START_S = 60.0
ASK_S = 10.0


class ZooKeeperCluster(System):
    """Three nodes, with the nodes of the tree under which a run has its keys. Only the leader is asked."""

    def __init__(self, folder: Path, jars: Sequence[Path]) -> None:
        super().__init__("zookeeper", "a majority synced its log to disk (ZooKeeper's default)")
        self.wire = jute.JUTE
        self._folder = folder
        self._jars = jars

    def start(self) -> None:
        ports = free_ports(3 * NODES)
        members = [tuple(ports[2 * number : 2 * number + 2]) for number in range(NODES)]
        nodes = [("127.0.0.1", port) for port in ports[2 * NODES :]]
        for number, (_, client_port) in enumerate(nodes, start=1):
            folder = self._folder / f"zookeeper{number}"
            (folder / "data").mkdir(parents=True)
            (folder / "data" / "myid").write_text(f"{number}\n")
            (folder / "zoo.cfg").write_text(settings(folder, client_port, members))
            (folder / "logback.xml").write_text(logback("ERROR"))
            self.children.append(Child(f"zookeeper{number}", java_command(folder, self._jars), folder / "log"))
        deadline = time.monotonic() + START_S
        for child, node in zip(self.children, nodes, strict=True):
            _wait_until_serving(child, node, deadline)
        leaders = [node for node in nodes if mode(node) == "leader"]
        if len(leaders) != 1:
            raise ServerFailed(f"zookeeper has {len(leaders)} leaders")
        self.endpoints = leaders
        for parent in (PLAIN, REGISTERS):
            self.ask(jute.create(parent, b""))

    def ask(self, request: bytes) -> bytes:
        """The leader's answer to a request. Raises ServerFailed."""
        try:
            with socket.create_connection(self.endpoints[0], ASK_S) as connection:
                jute.greet(connection)
                answer = jute.ask(connection, request)
                connection.sendall(jute.close())
                return answer
        except OSError as problem:
            raise ServerFailed(f"zookeeper: {problem}") from problem


def settings(folder: Path, client_port: int, members: Sequence[Sequence[int]]) -> str:
    """One node's zoo.cfg. `members` are each node's ports, for its followers and for elections."""
    lines = ["tickTime=2000", "initLimit=10", "syncLimit=5"]
    lines += [f"dataDir={folder / 'data'}", f"clientPort={client_port}", "clientPortAddress=127.0.0.1"]
    lines += ["maxClientCnxns=0", "admin.enableServer=false"]
    lines += [f"server.{number}=127.0.0.1:{peer}:{vote}" for number, (peer, vote) in enumerate(members, start=1)]
    return "\n".join(lines) + "\n"


def java_command(folder: Path, jars: Sequence[Path]) -> list[str]:
    """The command line of a node whose settings lie in that folder."""
    return [
        "java",
        f"-Xms{HEAP_MIB}m",
        f"-Xmx{HEAP_MIB}m",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-UsePerfData",
        f"-Djute.maxbuffer={jute.PACKET_BYTES}",
        "-cp",
        ":".join([str(folder), *map(str, jars)]),
        "org.apache.zookeeper.server.quorum.QuorumPeerMain",
        str(folder / "zoo.cfg"),
    ]


def mode(node: Endpoint) -> str:
    """What a node says it is, `leader` or `follower`, to `srvr`: the one such word that is allowed as it comes.

    Raises ServerFailed where it says nothing.
    """
    said = b""
    try:
        with socket.create_connection(node, ASK_S) as connection:
            connection.sendall(b"srvr")
            while more := connection.recv(4096):
                said += more
    except OSError as problem:
        raise ServerFailed(f"zookeeper: {problem}") from problem
    return next((line[6:] for line in said.decode().splitlines() if line.startswith("Mode: ")), "")


def _wait_until_serving(child: Child, node: Endpoint, deadline: float) -> None:
    """Return when the node opens a session, for which it needs a majority. Raises ServerFailed."""
    while True:
        try:
            with socket.create_connection(node, ASK_S) as connection:
                jute.greet(connection)
                connection.sendall(jute.close())
                return
        except OSError as problem:
            if child.exit_code is not None:
                raise ServerFailed(f"{child.name} ended with code {child.exit_code}\n{child.log_tail()}") from problem
            if time.monotonic() > deadline:
                raise ServerFailed(f"{child.name}: {problem}\n{child.log_tail()}") from problem
        time.sleep(POLL_S)
