"""Where this node may vote as an acceptor: the one place that decides it.

A vote says "I have promised and accepted nothing else than this". A node may only say so where it remembers everything
that it has ever said: not in a partition in which its store began empty and was not made whole again.
"""

from __future__ import annotations

from dynamo.errors import ModeConflict, WrongEpoch
from dynamo.layout.keyspaces import record_key
from dynamo.node.buckets import BucketBook
from dynamo.node.rebuilding import Rebuilding
from dynamo.protocol.bucket import Mode
from dynamo.ring.preference_list import PreferenceLists


class Franchise:
    """One per node."""

    def __init__(self, node: str, preference: PreferenceLists, buckets: BucketBook, rebuilding: Rebuilding) -> None:
        self._node = node
        self._preference = preference
        self._buckets = buckets
        self._rebuilding = rebuilding

    def check(self, bucket: str, key: bytes) -> tuple[int, bytes]:
        """The key's partition, and where its state lies, if this node may vote on it.

        Raises NotReady where it may have promised what it does not know any more, and ModeConflict or WrongEpoch where
        it is no acceptor at all.
        """
        partition = self._preference.partition(bucket, key)
        self._rebuilding.check(partition)
        known = self._buckets.known(bucket)
        # Properties that are not here are on a majority of the nodes, and on their way; the proposer knows them.
        if known is not None:
            if known.mode is not Mode.LINEARIZABLE:
                raise ModeConflict(f"bucket {bucket} is not linearizable; this node does not vote on its keys")
            if self._node not in self._preference.primaries(partition, known.n):
                raise WrongEpoch("this node is no replica of the key and does not vote on it", node=self._node)
        return partition, record_key(partition, bucket, key)
