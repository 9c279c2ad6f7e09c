"""Three real nodes as processes, for the tests that hold for any node."""

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from dynamo.workload.processes import free_ports
from tests.api.serving import LIMITS

START_S = 30.0


@contextlib.contextmanager
def running(folder: Path) -> Iterator[list[tuple[int, int]]]:
    """Client and operations port of each node, while they run; then: no bug in a log, and every stop was clean."""
    ports = free_ports(9)
    members = "\n".join(
        f'[[cluster.members]]\nid = "node{i + 1}"\nclient_port = {ports[3 * i]}\n'
        f"peer_port = {ports[3 * i + 1]}\nops_port = {ports[3 * i + 2]}\n"
        for i in range(3)
    )
    limits = "\n".join(f"{name} = {getattr(LIMITS, name)}" for name in LIMITS.__struct_fields__)
    processes = []
    try:
        for i in range(3):
            file = folder / f"node{i + 1}.toml"
            data = folder / f"data{i + 1}"
            file.write_text(
                f'[node]\nid = "node{i + 1}"\ndata_dir = "{data}"\n[cluster]\npartitions = 16\n{members}'
                f"[storage]\nmap_size_bytes = 268435456\n[limits]\n{limits}\n"
            )
            log = (folder / f"node{i + 1}.log").open("wb")
            command = [sys.executable, "-m", "dynamo", "serve", "--config", str(file)]
            processes.append(subprocess.Popen(command, stderr=log, stdout=log, env=os.environ))
            log.close()
        for i in range(3):
            _wait_until_ready(ports[3 * i + 2], processes[i], folder / f"node{i + 1}.log")
        yield [(ports[3 * i], ports[3 * i + 2]) for i in range(3)]
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)
    for log in sorted(folder.glob("*.log")):
        assert "Traceback" not in log.read_text(), log.read_text()[-4000:]
        assert '"clean": true' in log.read_text(), "a node did not stop cleanly"


def _wait_until_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                assert answer.status == 200
                return
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
