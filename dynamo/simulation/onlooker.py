"""Reads of a linearizable bucket that ask for less: whatever they show was chosen before, if not lately.

Such a read looks at the ordinary records. They may lag behind, and go back from one replica to another, but they never
show what nobody has agreed on. So each answer is held against what acceptors have on their disks at that moment.
"""

from __future__ import annotations

import asyncio
from random import Random

from dynamo.checker.history import Violation
from dynamo.errors import DynamoError
from dynamo.protocol.commands import Consistency, ReadCommand, ReadOutcome
from dynamo.simulation.cluster import Cluster, Running
from dynamo.simulation.register_disks import Witness

PAUSE_S = 0.15
TIMEOUT_S = 1.0
LEVELS = (Consistency.ONE, Consistency.QUORUM, Consistency.ALL)


class Onlooker:
    """One client that reads weakly."""

    def __init__(self, cluster: Cluster, witness: Witness, places: list[tuple[str, bytes]]) -> None:
        self.violations: list[Violation] = []
        self.answers = 0
        self._cluster = cluster
        self._witness = witness
        self._places = places
        self._dice: Random = cluster.world.stream("onlooker")

    async def run(self) -> None:
        """Read now and then until cancelled."""
        while True:
            await self._cluster.world.sleep(self._dice.expovariate(1 / PAUSE_S))
            running = self._cluster.running.get(self._dice.choice(self._cluster.ids))
            bucket, key = self._dice.choice(self._places)
            level = self._dice.choice(LEVELS)
            if running is not None:
                await self._look(running, ReadCommand(bucket=bucket, key=key, consistency=level))

    async def _look(self, running: Running, command: ReadCommand) -> None:
        answer: asyncio.Future[ReadOutcome | DynamoError] = self._cluster.world.loop.create_future()

        def done(said: ReadOutcome | DynamoError) -> None:
            if not answer.done():
                answer.set_result(said)

        running.node.read(command, running.clock.monotonic() + TIMEOUT_S, "onlooker", done)
        await asyncio.wait([answer], timeout=2 * TIMEOUT_S)
        if answer.done() and isinstance(said := answer.result(), ReadOutcome):
            self.answers += 1
            self._judge(running.life.node, command, said)

    def _judge(self, node: str, command: ReadCommand, said: ReadOutcome) -> None:
        if said.record is None:
            return
        values = [sibling.value for sibling in said.record.siblings]
        versions = list(said.record.clock.values())
        is_one = len(values) == len(versions) == 1
        if not is_one or not self._witness.was_chosen(command.bucket, command.key, versions[0], values[0]):
            text = f"{node} shows versions {versions} with {values} at {command.consistency}, which was not chosen"
            self.violations.append(Violation("not-chosen", (command.bucket, command.key.decode()), text))
