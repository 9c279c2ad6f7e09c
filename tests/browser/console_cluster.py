"""A cluster with something to see: one node hears of everything late, one may be away, all levels are in use."""

from __future__ import annotations

import http.client
import os
import random
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dynamo.workload.processes import Child, free_ports
from tests.cluster.rig import ClusterRig, NodeProcess, started

BUCKETS = dict.fromkeys(("one", "quorum", "all"), "carts") | {"linearizable": "locks"}
KEYS = 40
DELAY_MS = 12
LEVELS = ("one", "one", "quorum", "all", "linearizable")


class WatchedCluster(ClusterRig):
    """Its last node but one is the one to look at: what the others send to it is late."""

    def __init__(self, directory: Path, count: int, window_s: float) -> None:
        telemetry = f"[telemetry]\nhistory_period_s = {window_s}\nstaleness_sample = 1.0\n"
        super().__init__(
            directory, count, f"[pbs]\nperiod_s = 2.0\ntrials = 4000\n{telemetry}[cluster]\nname = 'shop'\n"
        )
        for node in self.nodes:
            node.config.write_text(node.config.read_text().replace("\n\n[cluster]\n[[", "\n[["))
        self.watched: NodeProcess = self.nodes[-2]
        (port,) = free_ports(1)
        for node in self.nodes:
            if node is not self.watched:
                text = node.config.read_text()
                node.config.write_text(text.replace(f"peer_port = {self.watched.peer_port}", f"peer_port = {port}"))
        command = [sys.executable, "-m", "dynamo.workload.delay_proxy"]
        command += [str(port), str(self.watched.peer_port), str(DELAY_MS)]
        self.proxy = Child("delaying proxy", command, directory / "proxy.log")

    def end(self) -> None:
        super().end()
        self.proxy.stop()


@contextmanager
def watched_cluster(directory: Path, count: int, window_s: float) -> Iterator[WatchedCluster]:
    """Running, slow where it should be, and under load."""
    with started(WatchedCluster(directory, count, window_s)) as cluster:
        os.kill(cluster.proxy.pid, signal.SIGUSR1)
        with loaded(cluster):
            yield cluster


@contextmanager
def loaded(cluster: WatchedCluster) -> Iterator[None]:
    """Writes through the first node and the watched one, each soon read through the watched one at the same level."""
    maker = _connection(cluster.nodes[0])
    _asked(maker, "PUT", f"/v1/buckets/{BUCKETS['linearizable']}", b'{"mode": "linearizable"}')
    maker.close()
    over = threading.Event()
    thread = threading.Thread(target=_load, args=(cluster, over))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(20)


def _load(cluster: WatchedCluster, over: threading.Event) -> None:
    draws = random.Random(7)
    first, watched = (_connection(node) for node in (cluster.nodes[0], cluster.watched))
    while not over.is_set():
        level = draws.choice(LEVELS)
        path = f"/v1/kv/{BUCKETS[level]}/{level}{draws.randrange(KEYS)}?consistency={level}"
        writer = first if draws.random() < 0.7 else watched
        _asked(writer, "PUT", path, b"1 book")
        over.wait(draws.expovariate(200))
        _asked(watched, "GET", path, None)
    first.close()
    watched.close()


def _connection(node: NodeProcess) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", node.client_port, timeout=5)


def _asked(connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None) -> None:
    with suppress(OSError, http.client.HTTPException):
        connection.request(method, path, body, {"Content-Type": "application/json"} if "/buckets/" in path else {})
        connection.getresponse().read()
        return
    connection.close()
