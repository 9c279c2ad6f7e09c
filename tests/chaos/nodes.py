"""The nodes of a run: real `dynamo serve` processes, each with a file of settings, a data directory and a log."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from dynamo.config import Config
from dynamo.config_load import load
from tests.chaos.hosts import Hosts

CLIENT_PORT, PEER_PORT, OPS_PORT = 7610, 7611, 7612
EXIT_S = 20.0
READY_S = 30.0
PARTITIONS = 64
N = 3
ROOT = Path(__file__).resolve().parents[2]

SETTINGS = """
[storage]
map_size_bytes = 268435456

[requests]
timeout_max_s = 5.0

[membership]
probe_period_s = 0.5
probe_timeout_s = 0.2

[repair]
period_s = 20.0

[tombstones]
age_min_s = 25.0
settle_s = 8.0
period_s = 5.0

[audit]
period_s = 60.0
"""
"""Periods so short that ten minutes show everything."""


def faketime() -> str | None:
    """The library that makes a process's clock wrong, where it is installed."""
    return next((str(file) for file in sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


class ChaosNode:
    """One node process, ended and started by the faults."""

    def __init__(self, name: str, hosts: Hosts, folder: Path) -> None:
        self.id = name
        self.address = hosts.address(name)
        self.endpoint = f"{self.address}:{CLIENT_PORT}"
        self.operations = f"http://{self.address}:{OPS_PORT}"
        self.folder = folder / name
        self.disk = self.folder / "disk"
        self.data = self.disk / "data"
        self.config_file = self.folder / "node.toml"
        self.log = self.folder / "log"
        self.clock_file = self.folder / "clock"
        self.wanted = False
        """Whether it is meant to be running."""
        self.exits: list[str] = []
        """Ends that no fault asked for."""
        self._prefix = hosts.command(name)
        self._process: subprocess.Popen[bytes] | None = None
        self.disk.mkdir(parents=True)

    @property
    def pid(self) -> int | None:
        """Of the living process, None if there is none."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def configure(self, members: Sequence[ChaosNode], settings: str) -> Config:
        """Write the settings; the same cluster section for all."""
        head = f'[node]\nid = "{self.id}"\ndata_dir = "{self.data}"\n\n'
        listen = f'[listen]\nhost = "{self.address}"\nops_host = "{self.address}"\n'
        cluster = f'\n[cluster]\nname = "chaos"\npartitions = {PARTITIONS}\n' + "".join(
            f'\n[[cluster.members]]\nid = "{m.id}"\nhost = "{m.address}"\nclient_port = {CLIENT_PORT}\n'
            f"peer_port = {PEER_PORT}\nops_port = {OPS_PORT}\n"
            for m in members
        )
        self.config_file.write_text(head + listen + settings + cluster)
        self.set_clock(0)
        return load(self.config_file, {})

    def start(self) -> None:
        """Start the process, unless it runs; does not wait."""
        self.wanted = True
        if self.pid is not None:
            return
        environment = {name: text for name, text in os.environ.items() if not name.startswith("DYNAMO")}
        library = faketime()
        if library is not None:
            environment |= {
                "LD_PRELOAD": library,
                "FAKETIME_TIMESTAMP_FILE": str(self.clock_file),
                "FAKETIME_CACHE_DURATION": "1",
                # What counts seconds goes on as it was; only what tells the time of day is wrong.
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "DONT_FAKE_MONOTONIC": "1",
                "NO_FAKE_STAT": "1",
                # Its repair of waits on condition variables takes every wait of this interpreter for one in the past.
                "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            }
        command = [*self._prefix, sys.executable, "-m", "dynamo", "serve", "--config", str(self.config_file)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--parent", str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=environment,
                start_new_session=True,
            )

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.wanted = False
        if self._process is not None:
            self._process.kill()
            self._process.wait(EXIT_S)

    def wipe(self) -> None:
        """Take away all that is on its disk; it does not run."""
        shutil.rmtree(self.data, ignore_errors=True)

    def signal(self, number: signal.Signals) -> None:
        """To the living process, if there is one."""
        if self.pid is not None and self._process is not None:
            self._process.send_signal(number)

    def stop(self) -> int:
        """Ask it to stop; its exit code."""
        self.wanted = False
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(EXIT_S)

    def notice_exit(self) -> bool:
        """Whether it has ended although nobody wanted that. Notes it."""
        if self.wanted and self._process is not None and self._process.poll() is not None:
            self.exits.append(f"{self.id} ended by itself with {self._process.returncode}")
            self._process = None
            return True
        return False

    def set_clock(self, seconds: int) -> None:
        """Let the node's clock be wrong by so much, within about a second."""
        self.clock_file.write_text(f"{seconds:+d}\n")

    def bugs(self) -> list[str]:
        """Lines of the log that carry a traceback: what the node did not foresee."""
        found = []
        for line in self.log.read_text(errors="replace").splitlines() if self.log.exists() else []:
            try:
                facts = json.loads(line)
            except json.JSONDecodeError:
                found.append(f"{self.id} wrote {line[:200]!r}")
                continue
            if "traceback" in facts:
                found.append(f"{self.id}: {facts.get('event')}: {facts['traceback'].splitlines()[-1]}")
        return found


def end_leftovers(folder: Path) -> None:
    """SIGKILL to the nodes of an earlier run in this folder that still live: one that is stopped ignores its end."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if any(word.startswith(f"{folder.resolve()}/node") and word.endswith("/node.toml") for word in words):
                os.kill(int(entry.name), signal.SIGKILL)


async def wait_ready(session: aiohttp.ClientSession, nodes: Sequence[ChaosNode]) -> None:
    """Until every node says that it is ready. Raises TimeoutError, naming those that are not."""
    deadline = time.monotonic() + READY_S
    waiting = list(nodes)
    while waiting:
        waiting = [node for node in waiting if not await _is_ready(session, node)]
        if time.monotonic() > deadline:
            raise TimeoutError(f"not ready after {READY_S:g} s: {', '.join(node.id for node in waiting)}")
        await asyncio.sleep(0.1)


async def _is_ready(session: aiohttp.ClientSession, node: ChaosNode) -> bool:
    with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
        async with session.get(f"{node.operations}/readyz") as answer:
            return answer.status == 200
    return False
