"""A cluster of this run's own whose nodes stand far apart, in a row: what one sends another takes its time.

From the first node to the second a message takes `step_ms`, and each next one is twice as far from the one before: two
steps to the third, four to the fourth. So a write's nearest replica has it long before the farthest, and even a
majority has acknowledged it before all have the value: what makes reads at R + W <= N stale in clusters of more than
one place. Two processes hold back the messages of all links (`workload/delay_proxy.py`), so that those across can be
cut; clients reach every node at once.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from itertools import permutations
from pathlib import Path

from dynamo.load.local_nodes import LocalNodes
from dynamo.workload.delay_proxy import ON
from dynamo.workload.processes import POLL_S, START_TIMEOUT_S, Child, ServerFailed, free_ports, is_free

NEAR_SIDE = 2
"""So many nodes, from the first on, are on one side of a cut."""


class DistantNodes(LocalNodes):
    """Nodes of which each reaches each other one through a slow link of its own."""

    def __init__(self, folder: Path, nodes: int, n: int, step_ms: int) -> None:
        super().__init__(folder, nodes, n)
        self._step_ms = step_ms
        self._ports: dict[tuple[str, str], int] = {}
        self._links: list[Child] = []
        """Those within the sides, and those across."""

    @property
    def links_pids(self) -> list[int]:
        """Of the processes that hold messages back."""
        return [child.pid for child in self._links]

    def prepare(self) -> None:
        pairs = list(permutations(self.members, 2))
        self._ports = dict(zip(pairs, free_ports(len(pairs)), strict=True))
        near = set(list(self.members)[:NEAR_SIDE])
        within = [pair for pair in pairs if (pair[0] in near) == (pair[1] in near)]
        across = [pair for pair in pairs if (pair[0] in near) != (pair[1] in near)]
        for name, some in (("links within the sides", within), ("links across", across)):
            self._links.append(Child(name, self._command(some), self._folder / f"{name}.log"))
        # A node that cannot connect waits longer and longer before it tries again.
        self._wait(lambda: not any(map(is_free, self._ports.values())), "are not there")

    def _wait(self, condition: Callable[[], bool], otherwise: str) -> None:
        """Until the links are as they should be. Raises ServerFailed."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not condition():
            for child in self._links:
                if child.exit_code is not None or time.monotonic() > deadline:
                    raise ServerFailed(f"the {child.name} {otherwise}\n{child.log_tail()}")
            time.sleep(POLL_S)

    def _command(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        words = []
        for sender, receiver in pairs:
            ports = self._ports[sender, receiver], self.members[receiver][1]
            words += [*map(str, ports), str(self.delay_ms(sender, receiver))]
        return [sys.executable, "-m", "dynamo.workload.delay_proxy", "--both-ways", *words]

    def start(self) -> None:
        """Returns when all nodes see each other; from then on messages take their time. Raises ServerFailed."""
        super().start()
        for pid in self.links_pids:
            os.kill(pid, signal.SIGUSR1)
        self._wait(lambda: all(ON in child.log_tail() for child in self._links), "do not hold messages back")

    def cut(self) -> None:
        """Let no message through between the first two nodes and the others, until `heal`. Nobody is told."""
        os.kill(self._links[-1].pid, signal.SIGSTOP)

    def heal(self) -> None:
        """Returns when all nodes see each other again. What was held back still comes, late. Raises ServerFailed."""
        os.kill(self._links[-1].pid, signal.SIGCONT)
        self._wait_connected()

    def stop(self) -> None:
        for child in self._links:
            if child.exit_code is None:
                os.kill(child.pid, signal.SIGCONT)
        super().stop()
        while self._links:
            self._links.pop().stop()

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
