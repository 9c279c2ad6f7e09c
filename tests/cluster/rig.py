"""Real clusters for tests: node processes on loopback, killed and restarted by pid, waited for by condition."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from dynamo.workload.processes import free_ports

READY_S = 20.0
EXIT_S = 15.0


class NodeProcess:
    """One `dynamo serve` process, started and ended by the test."""

    def __init__(self, cluster: ClusterRig, index: int, ports: tuple[int, int, int]) -> None:
        self.id = f"node{index}"
        self.client_port, self.peer_port, self.ops_port = ports
        self.directory = cluster.directory / self.id
        self.directory.mkdir()
        self.config = self.directory / "node.toml"
        self.log = self.directory / "log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Client listener, host:port."""
        return f"127.0.0.1:{self.client_port}"

    def start(self) -> None:
        """Start the process; does not wait."""
        assert self.process is None or self.process.poll() is not None, "still running"
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "dynamo", "serve", "--config", str(self.config)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def kill(self) -> None:
        """End it as a power switch would, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(EXIT_S)

    def stop(self) -> int:
        """Ask it to stop; its exit code."""
        self.signal(signal.SIGTERM)
        assert self.process is not None
        return self.process.wait(EXIT_S)

    def signal(self, number: int) -> None:
        """Send a signal to this very process."""
        assert self.process is not None
        self.process.send_signal(number)

    def wait_ready(self) -> None:
        """Wait until /readyz says yes; fails with the end of the log if it never does."""
        until(self._is_ready, READY_S, lambda: f"{self.id} is not ready:\n{self.log.read_text()[-3000:]}")

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"{self.id} has ended:\n{self.log.read_text()[-3000:]}"
        return self.answers("/readyz")

    def answers(self, path: str) -> bool:
        """Whether the operations listener answers 200."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.operations(path)[0] == 200
        return False

    def operations(self, path: str, method: str = "GET") -> tuple[int, bytes]:
        """What the operations listener says: status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ops_port, timeout=5)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def metric(self, series: str) -> float:
        """The value of one series, spelt as on the metrics page."""
        page = self.operations("/metrics")[1].decode()
        return float(next(line for line in page.splitlines() if line.startswith(series + " ")).rsplit(" ", 1)[1])

    def peers_up(self) -> int:
        """How many peers this node is connected to."""
        nodes = json.loads(self.operations("/admin/v1/cluster")[1])["nodes"]
        return sum(node["state"] == "up" for node in nodes) - 1


class ClusterRig:
    """Nodes 1 to `count` under one directory."""

    def __init__(self, directory: Path, count: int, settings: str = "") -> None:
        self.directory = directory
        ports = free_ports(3 * count)
        self.nodes = [NodeProcess(self, i + 1, tuple(ports[3 * i : 3 * i + 3])) for i in range(count)]  # type: ignore[arg-type]
        members = "\n".join(
            f'[[cluster.members]]\nid = "{n.id}"\nclient_port = {n.client_port}\npeer_port = {n.peer_port}\n'
            f"ops_port = {n.ops_port}\n"
            for n in self.nodes
        )
        for node in self.nodes:
            data = node.directory / "data"
            node.config.write_text(f'[node]\nid = "{node.id}"\ndata_dir = "{data}"\n{settings}\n[cluster]\n{members}')

    @property
    def endpoints(self) -> list[str]:
        """Client listeners of all nodes."""
        return [node.address for node in self.nodes]

    def start(self) -> None:
        """Start all, wait until all are ready and connected."""
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.wait_ready()
        self.wait_connected()

    def wait_connected(self) -> None:
        """Wait until every running node is connected to every other running one."""
        running = [node for node in self.nodes if node.process is not None and node.process.poll() is None]
        until(
            lambda: all(node.peers_up() >= len(running) - 1 for node in running),
            READY_S,
            lambda: "the nodes do not all see each other",
        )

    def end(self) -> None:
        """End whatever still runs."""
        for node in self.nodes:
            if node.process is not None and node.process.poll() is None:
                node.signal(signal.SIGTERM)
        for node in self.nodes:
            if node.process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    node.process.wait(EXIT_S)
                if node.process.poll() is None:
                    node.kill()


@contextlib.contextmanager
def running_cluster(directory: Path, count: int = 3, settings: str = "") -> Iterator[ClusterRig]:
    """A cluster that is up, and gone afterwards."""
    with started(ClusterRig(directory, count, settings)) as cluster:
        yield cluster


@contextlib.contextmanager
def started(cluster: ClusterRig) -> Iterator[ClusterRig]:
    """The same for one whose directories were prepared before."""
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.end()


def until(condition: Callable[[], bool], timeout_s: float, otherwise: Callable[[], str]) -> None:
    """Wait for a condition, looking often; fails with `otherwise()` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.02)
