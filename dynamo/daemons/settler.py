"""The settler: shows readers of records what was chosen and never learnt.

A coordinator tells the replicas what was chosen, and nothing depends on that but weaker reads and listings. If it dies
just before, or the message is lost, they would miss a change for ever. So what an acceptor has accepted and not learnt
for a while is looked up, as a linearizable read does it, and learnt.
"""

from __future__ import annotations

import asyncio

from dynamo.consensus.settled_read import SettledState
from dynamo.errors import DynamoError
from dynamo.layout.keyspaces import split_record_key
from dynamo.node.asking import ask
from dynamo.node.node import Node
from dynamo.protocol.bucket import Mode
from dynamo.protocol.effects import PeerError
from dynamo.protocol.messages import Message
from dynamo.protocol.paxos import Learn
from dynamo.telemetry.logs import Log
from dynamo.versioning.ballot import ZERO

log = Log("daemons")

PERIOD_S = 2.0
AGE_S = 2.0
"""So long a coordinator has to tell by itself."""
PATIENCE_S = 2.0
ROUND_MAX = 256
"""Keys a round, one after the other."""


class Settler:
    """Daemon."""

    name = "settler"
    period_s = PERIOD_S

    def __init__(self, node: Node) -> None:
        self._node = node

    async def run_once(self) -> None:
        """Look up what has waited for long enough. A key that cannot be settled now waits again."""
        unlearned = self._node.unlearned
        for stored in unlearned.since(self._node.clock.monotonic() - AGE_S)[:ROUND_MAX]:
            if stored not in unlearned:
                continue
            unlearned.drop(stored)
            if not await self._settle(stored):
                unlearned.add(stored)

    async def _settle(self, stored: bytes) -> bool:
        """Whether nothing more is to be done for the key."""
        _, bucket, key = split_record_key(stored)
        known = self._node.buckets.known(bucket)
        if known is None or known.mode is not Mode.LINEARIZABLE:
            return True
        found = await self._look(bucket, key)
        if isinstance(found, DynamoError):
            log.debug("a key is not settled yet", bucket=bucket, problem=found.detail)
            return False
        if found.ballot != ZERO:
            await self._tell(bucket, key, found)
        return True

    async def _look(self, bucket: str, key: bytes) -> SettledState | DynamoError:
        future: asyncio.Future[SettledState | DynamoError] = asyncio.get_running_loop().create_future()

        def done(outcome: SettledState | DynamoError) -> None:
            if not future.done():
                future.set_result(outcome)

        self._node.settle(bucket, key, self._node.clock.monotonic() + PATIENCE_S, done)
        return await future

    async def _tell(self, bucket: str, key: bytes, found: SettledState) -> None:
        """What a majority has accepted in that ballot is chosen."""
        node, learn = self._node, Learn(bucket, key, found.ballot)
        deadline = node.clock.monotonic() + PATIENCE_S
        partition = node.preference.partition(bucket, key)
        replicas = node.preference.primaries(partition, node.buckets.placed(bucket).n)
        if node.id in replicas:
            node.send(node.id, learn, deadline, "", _Nobody())
        await ask(node.peers, [replica for replica in replicas if replica != node.id], learn, deadline)


class _Nobody:
    """Receiver of an answer that says nothing."""

    def on_reply(self, peer: str, message: Message) -> None:
        pass

    def on_failure(self, peer: str, error: PeerError) -> None:
        log.debug("a chosen value was not learnt", peer=peer, problem=error.failure.value)
