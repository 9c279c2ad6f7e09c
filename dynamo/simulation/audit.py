"""When all faults have ended: wait until the replicas are equal by themselves, read every key everywhere, and look at
what the nodes hold and how they are.
"""

from __future__ import annotations

from dynamo.checker import replicas
from dynamo.checker.history import Place, Version, Violation
from dynamo.errors import CorruptValue
from dynamo.protocol.commands import Consistency, ReadCommand
from dynamo.simulation.cluster import Cluster, N, Running
from dynamo.simulation.inspection import hints_left, holdings
from dynamo.simulation.recorder import Recorder

ROUNDS = 2
TRIES = 5
TIMEOUT_S = 5.0
POLL_S = 0.5
AUDITOR = "auditor"


class Audit:
    """One per run."""

    def __init__(self, cluster: Cluster, recorder: Recorder, places: list[tuple[str, bytes]]) -> None:
        self.violations: list[Violation] = []
        self._cluster = cluster
        self._recorder = recorder
        self._places = places

    async def converge(self, within_s: float) -> float | None:
        """Wait until all replicas hold the same, with nobody reading; how many seconds that took, None if too long."""
        began = self._cluster.world.now()
        while not self._is_equal():
            if self._cluster.world.now() > began + within_s:
                return None
            await self._cluster.world.sleep(POLL_S)
        return self._cluster.world.now() - began

    def _is_equal(self) -> bool:
        if len(self._cluster.running) < len(self._cluster.ids):
            return False
        try:
            return not self._differences() and not any(map(hints_left, self._cluster.running.values()))
        except CorruptValue:
            return False

    async def read_all(self) -> None:
        """Read every key at R = all through every node, twice: each must answer."""
        for _ in range(ROUNDS):
            for node in self._cluster.ids:
                for bucket, key in self._places:
                    if not await self._answers(node, bucket, key):
                        text = f"{node} cannot read it at R = all though all faults have ended"
                        self.violations.append(Violation("unavailable", (bucket, key.decode()), text))

    async def _answers(self, node: str, bucket: str, key: bytes) -> bool:
        for _ in range(TRIES):
            command = ReadCommand(bucket=bucket, key=key, consistency=Consistency.ALL)
            reply = await self._recorder.read(AUDITOR, node, command, N, TIMEOUT_S)
            if reply.outcome == "ok":
                return True
        return False

    def finals(self) -> dict[Place, Version]:
        """What the replicas hold; of different versions (which is a violation) the first one."""
        found: dict[Place, Version] = {}
        for _, holding in sorted(holdings(self._cluster).items()):
            for place, copy in holding.copies.items():
                found.setdefault(place, copy.version)
        return found

    def inspect(self) -> None:
        """Compare the replicas, and see that no node has anything left to do."""
        self.violations.extend(self._differences())
        books = [running.node.buckets.everything() for _, running in sorted(self._cluster.running.items())]
        if any(book != books[0] for book in books):
            self._found("the nodes hold different bucket properties")
        for name, running in sorted(self._cluster.running.items()):
            for trouble in _troubles(running):
                self._found(f"{name} {trouble}")

    def _differences(self) -> list[Violation]:
        forgets = self._cluster.shape.tombstones.reap
        return replicas.check(holdings(self._cluster), self._homes(), forgets=forgets)

    def _homes(self) -> dict[Place, tuple[str, ...]]:
        return {(bucket, key.decode()): self._cluster.primaries(bucket, key) for bucket, key in self._places}

    def _found(self, text: str) -> None:
        self.violations.append(Violation("restless", ("", ""), text))


def _troubles(running: Running) -> list[str]:
    found = [f"is not ready: {reason}" for reason in running.node.readiness()]
    if running.node.admission.inflight:
        found.append(f"still counts {running.node.admission.inflight} requests")
    if len(running.node.wakeups):
        found.append(f"still has {len(running.node.wakeups)} wake-ups")
    return found + hints_left(running)
