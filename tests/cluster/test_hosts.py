"""`dynamo up --nodes 6 --hosts 3` with real processes, and the end of one of its hosts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dynamo.client import Client
from tests.unit.cli.running import Up, alive, free_base_port

pytestmark = [pytest.mark.cluster, pytest.mark.night, pytest.mark.timeout(120)]

KEYS = 200


def test_a_host_is_killed_and_every_key_is_still_there(tmp_path: Path) -> None:
    """Both nodes of h1 by SIGKILL, then every key at once at R=W=2 among its primaries, through those that are left.

    Status and place say which host a node is on.
    """
    base_port = free_base_port()
    up = Up(("-m", "dynamo", "up"), "--data", tmp_path, "--base-port", base_port, "--nodes", 6, "--hosts", 3)
    try:
        up.until("Hosts: h1: node1, node4; h2: node2, node5; h3: node3, node6", 60)
        up.until("no key has two copies on one host")
        up.until("Ctrl-C")
        pids = up.pids()
        address = {f"node{n + 1}": f"127.0.0.1:{base_port + 10 * n}" for n in range(6)}
        with Client(list(address.values())) as client:
            for number in range(KEYS):
                client.put("things", f"k{number}", b"before", w=3)
        _check_labels(list(address.values()))
        for node in ("node1", "node4"):
            os.kill(pids[node], signal.SIGKILL)
        left = [a for node, a in address.items() if node not in ("node1", "node4")]
        for number in range(KEYS):
            with Client([left[number % len(left)]]) as client:
                seen = client.get("things", f"k{number}", r=2, sloppy=False)
                assert seen.value == b"before"
                client.put("things", f"k{number}", b"after", w=2, sloppy=False, seen=seen)
                assert client.get("things", f"k{number}", r=2, sloppy=False).value == b"after"
    finally:
        if up.process.poll() is None:
            up.process.terminate()
        up.end()
    assert not any(alive(pid) for pid in up.pids().values())


def _check_labels(endpoints: list[str]) -> None:
    status = _said("cluster", "status", "--endpoints", ",".join(endpoints))
    hosts = {node["id"]: node["host_label"] for node in status["nodes"]}
    assert hosts == {f"node{n + 1}": f"h{n % 3 + 1}" for n in range(6)}
    place = _said("locate", "things", "k1", "--endpoints", ",".join(endpoints))
    assert sorted(r["host_label"] for r in place["replicas"] if r["role"] == "primary") == ["h1", "h2", "h3"]


def _said(*words: str) -> dict[str, list[dict[str, str]]]:
    out = subprocess.run([sys.executable, "-m", "dynamo", *words, "--json"], capture_output=True, check=True).stdout
    found = json.loads(out)
    assert isinstance(found, dict)
    return found
