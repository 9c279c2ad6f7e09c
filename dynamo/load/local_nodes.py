"""A cluster of this run's own: started on loopback, its nodes killed, paused and started again by request."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from dynamo.load.faults import Fault, Pids
from dynamo.workload.processes import Child
from dynamo.workload.systems import DynamoCluster

PREDICT_EVERY_S = 10.0
"""Nodes do it once a minute by themselves; it takes each a tenth of a second of processor."""


class LocalNodes(DynamoCluster):
    """Nodes named node1, node2, ...; what happens to their processes is known."""

    def __init__(self, folder: Path, nodes: int, n: int, *, predicts: bool = False) -> None:
        """`predicts`: so often, and for that N, that a run of half a minute ends with a prediction of its own."""
        super().__init__(folder, nodes, n)
        if predicts:
            self.settings = f"[buckets]\nn = {n}\n[pbs]\nperiod_s = {PREDICT_EVERY_S}\n"
        self._data = folder
        self._paused: set[str] = set()

    @property
    def names(self) -> list[str]:
        return list(self.members)

    def apply(self, each: Fault) -> None:
        """Do what a time table says. Raises ProcessLookupError if the process is gone."""
        place = self.names.index(each.node)
        if each.kind == "start":
            self._start_again(place)
            return
        Pids({each.node: self.children[place].pid}).apply(each)
        if each.kind == "pause":
            self._paused.add(each.node)
        elif each.kind == "resume":
            self._paused.discard(each.node)

    def restore(self) -> None:
        """Let everything go on that was paused."""
        for name in sorted(self._paused):
            os.kill(self.children[self.names.index(name)].pid, signal.SIGCONT)
        self._paused.clear()

    @property
    def operations(self) -> list[tuple[str, int]]:
        """Their operations listeners."""
        return [("127.0.0.1", ports[2]) for ports in self.members.values()]

    def stop(self) -> None:
        self.restore()
        super().stop()

    def _start_again(self, place: int) -> None:
        child = self.children[place]
        if child.exit_code is None:
            raise ProcessLookupError(f"{child.name} runs: --start is for nodes that were killed")
        config, log = self._data / f"{child.name}.toml", self._data / f"{child.name}.log"
        command = [sys.executable, "-m", "dynamo", "serve", "--config", str(config), "--parent", str(os.getpid())]
        self.children[place] = Child(child.name, command, log)
