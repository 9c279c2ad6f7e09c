"""Spreads bucket properties: to everyone when a first write made a bucket, and by comparing with one peer at a time.

The comparison is what brings a node up to date that was away, and what heals any two books in the end.
"""

from __future__ import annotations

from dynamo.node.asking import ask
from dynamo.node.node import Node
from dynamo.protocol.bucket import BucketProperties
from dynamo.protocol.messages import Buckets, Message, ShareBuckets

_PATIENCE_S = 2.0


class BucketSharer:
    """Daemon."""

    name = "bucket-sharer"
    period_s = 1.0

    def __init__(self, node: Node) -> None:
        self._node = node
        self._others = [m.id for m in node.ring.members if m.id != node.id]
        node.buckets.on_created = self._announce

    async def run_once(self) -> None:
        """Compare with one peer that is up; after a restart that makes the node ready."""
        node = self._node
        up = [peer for peer in self._others if node.peers.is_up(peer)]
        if not up:
            return
        peer = up[int(node.randomness.random() * len(up))]
        question = ShareBuckets([], node.buckets.digest())
        answer = await self._ask(peer, question)
        if not isinstance(answer, Buckets):
            return
        node.buckets.learn(answer.buckets, lambda _: None)
        node.buckets.compared = True
        if answer.buckets:
            await self._ask(peer, ShareBuckets(node.buckets.everything()))

    async def _ask(self, peer: str, message: ShareBuckets) -> Message | None:
        node = self._node
        answer = (await ask(node.peers, [peer], message, node.clock.monotonic() + _PATIENCE_S))[peer]
        return answer if isinstance(answer, Buckets) else None

    def _announce(self, bucket: BucketProperties) -> None:
        deadline = self._node.clock.monotonic() + _PATIENCE_S
        for peer in self._others:
            self._node.peers.send(peer, ShareBuckets([bucket]), deadline, "", _Unheeded())


class _Unheeded:
    """Receiver of an announcement: what it misses, the next comparison brings."""

    def on_reply(self, peer: str, message: Message) -> None:
        """Nothing to do."""

    def on_failure(self, peer: str, error: object) -> None:
        """Nothing to do."""
