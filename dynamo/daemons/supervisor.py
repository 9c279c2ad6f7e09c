"""Starts and stops a node's daemons together."""

from __future__ import annotations

import asyncio

from dynamo.daemons.auditor import Auditor
from dynamo.daemons.bucket_sharer import BucketSharer
from dynamo.daemons.daemon import Daemon, run_forever
from dynamo.daemons.forgetter import Forgetter
from dynamo.daemons.gossiper import Gossiper
from dynamo.daemons.healer import Healer
from dynamo.daemons.hint_sender import HintSender
from dynamo.daemons.historian import Historian
from dynamo.daemons.predictor import Predictor
from dynamo.daemons.reaper import Reaper
from dynamo.daemons.rejoiner import Rejoiner
from dynamo.daemons.repairer import Repairer
from dynamo.daemons.settler import Settler
from dynamo.daemons.store_sharer import StoreSharer
from dynamo.node.node import Node


class Supervisor:
    """All the daemons of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._daemons: list[Daemon] = [
            BucketSharer(node),
            StoreSharer(node),
            Rejoiner(node),
            Gossiper(node),
            HintSender(node),
            Auditor(node),
            Healer(node),
            Repairer(node),
            Settler(node),
        ]
        if node.config.tombstones.reap:
            self._daemons += [Reaper(node), Forgetter(node)]
        if node.config.telemetry.history_period_s:
            self._daemons.append(Historian(node))
        if node.config.pbs.enabled:
            self._daemons.append(Predictor(node))
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin their rounds."""
        for daemon in self._daemons:
            rounds = run_forever(daemon, self._node.clock, self._node.randomness)
            self._tasks.append(asyncio.get_running_loop().create_task(rounds, name=daemon.name))

    async def stop(self) -> None:
        """End them between two awaits of theirs, and wait until they have ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
