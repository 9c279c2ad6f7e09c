"""Looks at a cluster every few seconds while something else runs: memory, files, hints of each node."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from dynamo.growth.footprint import Footprint
from dynamo.growth.stage import footprints
from dynamo.workload.processes import ServerFailed
from dynamo.workload.systems import DynamoCluster


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One look."""

    at_s: float
    """Since the watch began."""
    nodes: dict[str, Footprint]


class Watch:
    """Looks once at its begin, then in each period, while the `with` block runs, in a thread of its own."""

    def __init__(self, cluster: DynamoCluster, folder: Path, period_s: float, seen: Callable[[Look], None]) -> None:
        self._cluster, self._folder, self._period_s, self._seen = cluster, folder, period_s, seen
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="growth-watch", daemon=True)
        self._began = 0.0
        self.looks: list[Look] = []
        self.problem = ""
        """Why there are no more looks; empty while all is well."""

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        due_s = 0.0
        while not self._ended.wait(max(0.0, self._began + due_s - time.monotonic())):
            try:
                self._look()
            except (ServerFailed, OSError) as problem:
                self.problem = f"after {time.monotonic() - self._began:.0f} s a node does not answer: {problem}"
                return
            due_s += self._period_s

    def _look(self) -> None:
        at_s = time.monotonic() - self._began
        nodes = dict(zip(self._cluster.members, footprints(self._cluster, self._folder), strict=True))
        self.looks.append(Look(at_s=at_s, nodes=nodes))
        self._seen(self.looks[-1])
