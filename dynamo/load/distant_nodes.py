"""A cluster of this run's own whose nodes stand far apart, in a row: what one sends another takes its time.

From the first node to the second a message takes `step_ms`, and each next one is twice as far from the one before: two
steps to the third, four to the fourth. So a write's nearest replica has it long before the farthest, and even a
majority has acknowledged it before all have the value: what makes reads at R + W <= N stale in clusters of more than
one place. One process holds back the messages of all links (`workload/delay_proxy.py`); clients reach every node at
once.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from itertools import permutations
from pathlib import Path

from dynamo.load.local_nodes import LocalNodes
from dynamo.workload.processes import POLL_S, START_TIMEOUT_S, Child, ServerFailed, free_ports, is_free


class DistantNodes(LocalNodes):
    """Nodes of which each reaches each other one through a slow link of its own."""

    def __init__(self, folder: Path, nodes: int, n: int, step_ms: int) -> None:
        super().__init__(folder, nodes, n)
        self._step_ms = step_ms
        self._ports: dict[tuple[str, str], int] = {}
        self._links: Child | None = None

    @property
    def links_pid(self) -> int:
        assert self._links is not None, "not started"
        return self._links.pid

    def prepare(self) -> None:
        pairs = list(permutations(self.members, 2))
        self._ports = dict(zip(pairs, free_ports(len(pairs)), strict=True))
        words = ["--both-ways"]
        for (sender, receiver), port in self._ports.items():
            words += [str(port), str(self.members[receiver][1]), str(self.delay_ms(sender, receiver))]
        command = [sys.executable, "-m", "dynamo.workload.delay_proxy", *words]
        self._links = Child("slow links", command, self._folder / "links.log")
        # A node that cannot connect waits longer and longer before it tries again.
        deadline = time.monotonic() + START_TIMEOUT_S
        while any(map(is_free, self._ports.values())):
            if self._links.exit_code is not None or time.monotonic() > deadline:
                raise ServerFailed(f"the slow links are not there\n{self._links.log_tail()}")
            time.sleep(POLL_S)

    def start(self) -> None:
        """Returns when all nodes see each other; from then on messages take their time. Raises ServerFailed."""
        super().start()
        os.kill(self.links_pid, signal.SIGUSR1)

    def stop(self) -> None:
        super().stop()
        if self._links is not None:
            self._links.stop()
            self._links = None

    def as_seen_by(self, node: str) -> dict[str, list[int]]:
        return {
            member: ports if member == node else [ports[0], self._ports[node, member], ports[2]]
            for member, ports in self.members.items()
        }

    def delay_ms(self, sender: str, receiver: str) -> int:
        """How long a message takes from one to the other."""
        names = list(self.members)
        places = [1 << names.index(name) for name in (sender, receiver)]
        return self._step_ms * abs(places[0] - places[1])
