"""One write and one read by another node, drawn from the times that messages took lately: the trials of `pbs.py`.

The four legs (W, A, R, S: write and its acknowledgement, read and its reply) come from what this node measures as a
coordinator. A trial is what clients of this cluster do:

- This node coordinates the write of a key that it holds. Its own store is one of the N replicas, which no message
  reaches; the others are those of some partition that it holds.
- Another node, any of them, coordinates the read. A replica there looks into its own store at once; then come those
  that are nearest to it, equals in the order of the preference list, as in `Coordinator.nearest_first`. A share of
  reads asks all, and the quickest replies count.
- How far two other nodes are from each other is not known here. They are taken to be as far apart as this node is from
  the farther of the two: right where one node or one zone is far away, and where all are alike.

W and A are drawn together, as one exchange brought them; so are R and S.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import frexp
from typing import NamedTuple

from dynamo.telemetry.pbs import Needs

Exchange = tuple[float, float]
"""There and back, in seconds: W and A, or R and S."""

_HERE = -1
_AT_ONCE = -1000.0
"""Before every rank and every time."""


class Measured(NamedTuple):
    """Times that were measured, in seconds; at least one of each kind for each peer."""

    own: Sequence[float]
    """Until a write could be read from this node's own store."""
    writes: Mapping[str, Sequence[Exchange]]
    reads: Mapping[str, Sequence[Exchange]]


class Draws:
    """Trials. `homes`: the nodes of each partition that `node` holds, in order of preference, all of them measured.

    `chance` is uniform in [0, 1).
    """

    def __init__(
        self,
        measured: Measured,
        node: str,
        homes: Sequence[Sequence[str]],
        read_all_share: float,
        chance: Callable[[], float],
    ) -> None:
        peers = list(measured.writes)
        self._own = measured.own
        self._writes = [measured.writes[peer] for peer in peers]
        self._reads = [measured.reads[peer] for peer in peers]
        self._ranks = [_rank(reads) for reads in self._reads]
        places = {node: _HERE, **{peer: place for place, peer in enumerate(peers)}}
        self._homes = [[places[each] for each in home] for home in homes]
        assert all(_HERE in home for home in self._homes), "this node coordinates what it holds"
        self._read_all_share = read_all_share
        self._chance = chance

    def add_to(self, needs: Needs) -> None:
        """One trial."""
        chance = self._chance
        home = self._homes[int(chance() * len(self._homes))]
        shown, acked = [], []
        for peer in home:
            if peer == _HERE:
                there, back = self._own[int(chance() * len(self._own))], 0.0
            else:
                writes = self._writes[peer]
                there, back = writes[int(chance() * len(writes))]
            shown.append(there)
            acked.append(there + back)
        acked.sort()
        needs.add(shown, acked, self._replies(home))

    def _replies(self, home: Sequence[int]) -> list[tuple[float, int]]:
        """What another node's read gets of them: R and the replica's place, in the order in which it counts them."""
        chance, ranks = self._chance, self._ranks
        reader = int(chance() * len(self._writes))
        asks_all = chance() < self._read_all_share
        found = []
        for place, peer in enumerate(home):
            if peer == reader:
                found.append((_AT_ONCE, place, 0.0))
                continue
            far = peer if peer != _HERE and ranks[peer] > ranks[reader] else reader
            reads = self._reads[far]
            there, back = reads[int(chance() * len(reads))]
            found.append((there + back if asks_all else ranks[far], place, there))
        found.sort()
        return [(leg, place) for _, place, leg in found]


def _rank(reads: Sequence[Exchange]) -> int:
    """Peers that differ by less than half are equals, as in `replication.hedge`."""
    return frexp(sum(there + back for there, back in reads) / len(reads))[1]
