"""Where this node may vote as an acceptor: the one place that decides it.

A vote says "I have promised and accepted nothing else than this". A node may only say so where it remembers everything
that it has ever said (`node/voting.py`).
"""

from __future__ import annotations

from dynamo.errors import ModeConflict, WrongEpoch
from dynamo.layout.keyspaces import record_key
from dynamo.node.buckets import BucketBook
from dynamo.node.voting import Voting
from dynamo.protocol.bucket import Mode
from dynamo.ring.preference_list import PreferenceLists


class Franchise:
    """One per node."""

    def __init__(self, node: str, preference: PreferenceLists, buckets: BucketBook, voting: Voting) -> None:
        self._node = node
        self._preference = preference
        self._buckets = buckets
        self._voting = voting
        self._seats: dict[int, frozenset[int]] = {}
        """Partitions of which this node is a primary, by the number of replicas."""

    def check(self, bucket: str, key: bytes) -> tuple[int, bytes]:
        """The key's partition, and where its state lies, if this node may vote on it.

        Raises NotReady where it may have promised what it does not know any more, and ModeConflict or WrongEpoch where
        it is no acceptor at all.
        """
        partition = self._preference.partition(bucket, key)
        known = self._buckets.known(bucket)
        if known is None:
            # Properties that are not here are on a majority of the nodes, and on their way; the proposer knows them.
            self._voting.check_all(partition)
        else:
            if known.mode is not Mode.LINEARIZABLE:
                raise ModeConflict(f"bucket {bucket} is not linearizable; this node does not vote on its keys")
            seats = self._seats.get(known.n)
            if partition not in (self._seats_of(known.n) if seats is None else seats):
                raise WrongEpoch("this node is no replica of the key and does not vote on it", node=self._node)
            if partition in self._voting.lacking:
                self._voting.check(partition, known.n)
        return partition, record_key(partition, bucket, key)

    def _seats_of(self, n: int) -> frozenset[int]:
        all_of_them, primaries = range(self._preference.ring.partitions), self._preference.primaries
        seats = self._seats[n] = frozenset(each for each in all_of_them if self._node in primaries(each, n))
        return seats
