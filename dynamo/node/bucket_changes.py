"""Changing a bucket for the whole cluster: durable here, then on a majority of the nodes before it counts as made."""

from __future__ import annotations

import asyncio

from dynamo.errors import (
    BucketExists,
    BucketNotEmpty,
    DynamoError,
    InvalidParameter,
    QuorumUnavailable,
    WriteTimeout,
)
from dynamo.node.asking import ask
from dynamo.node.buckets import BucketBook
from dynamo.node.listing import Listing
from dynamo.ports import Peers
from dynamo.protocol.bucket import BucketProperties
from dynamo.protocol.commands import Consistency, ListCommand
from dynamo.protocol.messages import Buckets, ShareBuckets
from dynamo.ring.ring import Ring


class BucketChanges:
    """Serves one node's requests to make, change and drop buckets."""

    def __init__(self, node: str, ring: Ring, peers: Peers, book: BucketBook, listing: Listing) -> None:
        self._others = [m.id for m in ring.members if m.id != node]
        self._majority = len(ring.members) // 2 + 1
        self._peers = peers
        self._book = book
        self._listing = listing

    async def put(self, wanted: BucketProperties, deadline: float, trace: str) -> BucketProperties:
        """Make or change a bucket. Raises InvalidParameter, BucketExists, NotReady, QuorumUnavailable, WriteTimeout."""
        members = len(self._others) + 1
        if wanted.n > members:
            raise InvalidParameter(
                f"n={wanted.n} wants as many nodes, and the cluster has {members}: no write at all of them, and few at "
                "quorum, could be answered",
                parameter="n",
            )
        return await self._spread(self._book.changed(wanted), deadline, trace)

    async def drop(self, name: str, deadline: float, trace: str) -> None:
        """Drop an empty bucket. Raises BucketNotFound, BucketNotEmpty, NotReady, QuorumUnavailable, WriteTimeout."""
        dropped = self._book.dropped(name)
        first = await self._listing.page(
            ListCommand(bucket=name, limit=1, consistency=Consistency.QUORUM), deadline, trace
        )
        if first.entries:
            raise BucketNotEmpty(f"bucket {name} still has keys; delete them first")
        await self._spread(dropped, deadline, trace)

    async def _spread(self, bucket: BucketProperties, deadline: float, trace: str) -> BucketProperties:
        alive = 1 + sum(self._peers.is_up(node) for node in self._others)
        if alive < self._majority:
            raise QuorumUnavailable(
                f"{alive} of {len(self._others) + 1} nodes are alive; a bucket is changed on a majority of them. "
                "Nothing was changed",
                required=self._majority,
                alive=alive,
            )
        await self._keep(bucket)
        answers = await ask(self._peers, self._others, ShareBuckets([bucket]), deadline, trace)
        kept = [a.buckets[0] for a in answers.values() if isinstance(a, Buckets) and a.buckets]
        if len(kept) + 1 < self._majority:
            raise WriteTimeout(
                f"{len(kept) + 1} of the {self._majority} nodes needed have taken the bucket's properties; they may "
                "still spread, and repeating the request is safe",
                received=len(kept) + 1,
                required=self._majority,
            )
        self._book.learn(kept, lambda _: None)
        final = self._book.known(bucket.name)
        if final is not None and not bucket.deleted and (final.mode, final.n) != (bucket.mode, bucket.n):
            raise BucketExists(f"bucket {bucket.name} was made at the same time with other fixed properties")
        return final or bucket

    async def _keep(self, bucket: BucketProperties) -> None:
        kept: asyncio.Future[DynamoError | None] = asyncio.get_running_loop().create_future()
        self._book.learn([bucket], lambda error: None if kept.done() else kept.set_result(error))
        error = await kept
        if error is not None:
            raise WriteTimeout(
                f"this node could not keep the bucket's properties ({error.detail}); they may still spread, and "
                "repeating the request is safe",
                received=0,
                required=self._majority,
            )
