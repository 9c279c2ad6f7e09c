"""The systems that are measured, each a set of processes on loopback with its data in a folder that is given.

All of them acknowledge a write when a majority has synced it to disk: our nodes with `durability = "sync"`, W=2 of N=3;
etcd with its log, as it is delivered. The bare server stores nothing; it shows what the HTTP library alone costs.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from dynamo.workload.processes import POLL_S, START_TIMEOUT_S, Child, ServerFailed, free_ports
from dynamo.workload.runner import Endpoint
from dynamo.workload.wire import HTTP

BUCKET = "bench"
ETCD_INSTALL = "etcd is not in PATH: skipped. On Debian: apt-get install etcd-server"


class System:
    """Processes that answer at `endpoints`. Leaving the `with` block ends them, also when not all of them started."""

    def __init__(self, name: str, durability: str) -> None:
        self.name = name
        self.durability = durability
        """What an acknowledged write has survived, for the report."""
        self.endpoints: list[Endpoint] = []
        self.children: list[Child] = []
        self.wire = HTTP
        """How it is spoken to."""

    @property
    def pids(self) -> list[int]:
        return [child.pid for child in self.children]

    def start(self) -> None:
        """Start all processes and return when they serve. Raises ServerFailed."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """End all processes. All are asked before the first is waited for."""
        for child in self.children:
            child.ask_to_end()
        while self.children:
            self.children.pop().stop()


class BareServer(System):
    """One aiohttp handler that answers a constant."""

    def __init__(self, folder: Path, body: bytes, core: int | None) -> None:
        super().__init__("bare aiohttp", "stores nothing")
        self._folder = folder
        self._body = body
        self._core = core

    def start(self) -> None:
        (port,) = free_ports(1)
        command = [sys.executable, "-m", "dynamo.workload.bare_server", str(port), self._body.hex()]
        self.children.append(Child(self.name, command, self._folder / "bare.log", core=self._core))
        self.children[0].wait_until_ready(port, "/")
        self.endpoints = [("127.0.0.1", port)]


class DynamoCluster(System):
    """Our nodes, with one bucket kept on `n` of them, otherwise as they come."""

    def __init__(self, folder: Path, nodes: int, n: int, core: int | None = None) -> None:
        super().__init__("dynamo", 'every W replicas synced to disk (durability = "sync")')
        self._folder = folder
        self._nodes = [f"node{number}" for number in range(1, nodes + 1)]
        self._n = n
        self._core = core
        self.settings = ""
        """More of every node's configuration, as TOML; to be said before the start."""
        self.program: dict[str, tuple[str, ...]] = dict.fromkeys(self._nodes, ("-m", "dynamo"))
        """What Python runs as each node; a profile puts itself before it."""
        self.members: dict[str, list[int]] = {}
        """Client, peer and operations port of each node."""

    def start(self) -> None:
        ports = free_ports(3 * len(self._nodes))
        self.members = members = {node: ports[3 * i : 3 * i + 3] for i, node in enumerate(self._nodes)}
        self.prepare()
        for node in self._nodes:
            config = self._folder / f"{node}.toml"
            config.write_text(node_config(node, self._folder / node, self.as_seen_by(node)) + self.settings)
            command = [sys.executable, *self.program[node], "serve", "--config", str(config)]
            command += ["--parent", str(os.getpid())]
            self.children.append(Child(node, command, self._folder / f"{node}.log", core=self._core))
        for child, (_, _, ops_port) in zip(self.children, members.values(), strict=True):
            child.wait_until_ready(ops_port, "/readyz")
        self._wait_connected()
        self.endpoints = [("127.0.0.1", client_port) for client_port, _, _ in members.values()]
        asked(self.endpoints[0][1], "PUT", f"/v1/buckets/{BUCKET}", {"n": self._n})

    def _wait_connected(self) -> None:
        """Return when every node counts on every other one. Raises ServerFailed if that takes too long."""
        deadline = time.monotonic() + START_TIMEOUT_S
        pairs = [(node, peer) for node in self._nodes for peer in self._nodes if peer != node]
        while any(not self._counts_on(*pair) for pair in pairs):
            if time.monotonic() > deadline:
                raise ServerFailed(f"the nodes do not all see each other after {START_TIMEOUT_S:g} s")
            time.sleep(POLL_S)

    def _counts_on(self, node: str, peer: str) -> bool:
        is_up, state = f'dynamo_peer_up{{peer="{peer}"}}', f'dynamo_peer_state{{peer="{peer}"}}'
        return self.metric(node, is_up) == 1 and self.metric(node, state) == 0

    def prepare(self) -> None:
        """Called when the ports are known, before any node starts."""

    def as_seen_by(self, node: str) -> dict[str, list[int]]:
        """The members as one node's configuration has them."""
        return self.members

    def metric(self, node: str, series: str) -> float:
        """The value of one series of a node, spelt as on its page. Raises ServerFailed."""
        page = asked(self.members[node][2], "GET", "/metrics", None).decode()
        return float(next(line for line in page.splitlines() if line.startswith(series + " ")).rsplit(" ", 1)[1])


class EtcdCluster(System):
    """Etcd as it comes, asked through its JSON gateway, at its leader: that spares it a hop and is its best case."""

    def __init__(self, folder: Path, nodes: int) -> None:
        super().__init__("etcd", "a majority synced its log to disk (etcd's default)")
        self._folder = folder
        self._nodes = [f"etcd{number}" for number in range(1, nodes + 1)]

    def start(self) -> None:
        ports = free_ports(2 * len(self._nodes))
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        peers = dict(zip(self._nodes, urls[len(self._nodes) :], strict=True))
        for node, client in zip(self._nodes, urls, strict=False):
            command = etcd_command(node, self._folder / node, client, peers)
            self.children.append(Child(node, command, self._folder / f"{node}.log"))
        for child, port in zip(self.children, ports, strict=False):
            child.wait_until_ready(port, "/health")
        self.endpoints = [("127.0.0.1", port) for port in ports[: len(self._nodes)] if _leads(port)]
        if len(self.endpoints) != 1:
            raise ServerFailed(f"etcd has {len(self.endpoints)} leaders")


def etcd_version() -> str:
    """Version of the etcd in PATH; empty if there is none."""
    found = shutil.which("etcd")
    if found is None:
        return ""
    said = subprocess.run(  # noqa: S603 - the same program that is measured
        [found, "--version"], capture_output=True, text=True, timeout=10, check=False
    ).stdout
    return said.split("\n", 1)[0].rpartition(" ")[2]


def node_config(node: str, data_dir: Path, members: dict[str, list[int]]) -> str:
    """A node's settings as TOML: who and where everybody is; the rest as it comes."""
    lines = ["[node]", f"id = {_quoted(node)}", f"data_dir = {_quoted(str(data_dir))}"]
    lines += ["[storage]", 'durability = "sync"', "[log]", 'level = "warning"']
    for member, (client_port, peer_port, ops_port) in members.items():
        lines += ["[[cluster.members]]", f"id = {_quoted(member)}", f"client_port = {client_port}"]
        lines += [f"peer_port = {peer_port}", f"ops_port = {ops_port}"]
    return "\n".join(lines) + "\n"


def etcd_command(node: str, data_dir: Path, client_url: str, peer_urls: dict[str, str]) -> Sequence[str]:
    """The command line of one etcd node."""
    options = {
        "name": node,
        "data-dir": str(data_dir),
        "listen-client-urls": client_url,
        "advertise-client-urls": client_url,
        "listen-peer-urls": peer_urls[node],
        "initial-advertise-peer-urls": peer_urls[node],
        "initial-cluster": ",".join(f"{name}={url}" for name, url in peer_urls.items()),
        "initial-cluster-token": "dynamo-bench",
        "initial-cluster-state": "new",
        "logger": "zap",
        "log-level": "warn",
    }
    return ["etcd", *(f"--{name}={value}" for name, value in options.items())]


def _leads(port: int) -> bool:
    """Whether the etcd node that listens there is the leader."""
    said = json.loads(asked(port, "POST", "/v3/maintenance/status", {}))
    return bool(said["leader"] == said["header"]["member_id"])


def asked(port: int, method: str, path: str, content: dict[str, object] | None) -> bytes:
    """Body of a good answer from loopback to JSON, or to nothing. Raises ServerFailed for any other."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    body = None if content is None else json.dumps(content)
    try:
        connection.request(method, path, body, {} if body is None else {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
    except (OSError, http.client.HTTPException) as problem:
        raise ServerFailed(f"{method} {path}: {problem!r}") from problem
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        raise ServerFailed(f"{method} {path}: {answer.status} {said[:500].decode(errors='replace')}")
    return said


def _quoted(text: str) -> str:
    # A JSON string is a TOML string.
    return json.dumps(text)
