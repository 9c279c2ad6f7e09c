"""The nodes responsible for a partition: N primaries, then fallbacks in order.

Walk the ring from the partition onwards and take each node once. The first N that lie in distinct zones are the
primaries; where there are fewer zones than N, zones repeat but nodes never do. Depends on the ring alone, so two nodes
of one epoch always agree; computed once per ring and N, a table look-up per request.
Paper: DeCandia et al. 2007, section 4.6.
"""

from __future__ import annotations

from dynamo.ring.ring import Ring
from dynamo.ring.token import shift_of, token


class PreferenceLists:
    """All preference lists of one ring. Primaries are the first `n` of an order that depends on `n`."""

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self._walks = [_walk(ring, partition) for partition in range(ring.partitions)]
        self._shift = shift_of(ring.partitions)
        self._zones = {m.id: m.zone or m.id for m in ring.members}
        self._tables: dict[int, list[tuple[str, ...]]] = {}
        self._fallbacks: dict[int, list[tuple[str, ...]]] = {}

    def partition(self, bucket: str, key: bytes) -> int:
        """The partition of a key."""
        return token(bucket, key) >> self._shift

    def walk(self, partition: int) -> tuple[str, ...]:
        """All nodes that own anything, in the order in which they come after a partition."""
        return self._walks[partition]

    def primaries(self, partition: int, n: int) -> tuple[str, ...]:
        """The N nodes that hold a partition, in order; fewer only if the cluster is smaller than N."""
        table = self._tables.get(n)
        if table is None:
            table = [self._zone_first(walk, n) for walk in self._walks]
            self._tables[n] = table
        return table[partition]

    def fallbacks(self, partition: int, n: int) -> tuple[str, ...]:
        """The nodes that stand in for a primary, in the order in which they are asked."""
        table = self._fallbacks.get(n)
        if table is None:
            table = [self._beyond(walk, self.primaries(each, n)) for each, walk in enumerate(self._walks)]
            self._fallbacks[n] = table
        return table[partition]

    @staticmethod
    def _beyond(walk: tuple[str, ...], primaries: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(node for node in walk if node not in primaries)

    def _zone_first(self, walk: tuple[str, ...], n: int) -> tuple[str, ...]:
        chosen: list[str] = []
        zones: list[str] = []
        for node in walk:
            if len(chosen) < n and self._zones[node] not in zones:
                chosen.append(node)
                zones.append(self._zones[node])
        rest = [node for node in walk if node not in chosen]
        chosen.extend(rest[: n - len(chosen)])
        assert len(set(chosen)) == len(chosen), "a preference list never names a node twice"
        return tuple(chosen)


def _walk(ring: Ring, partition: int) -> tuple[str, ...]:
    order: dict[str, None] = {}
    for step in range(ring.partitions):
        order[ring.owners[(partition + step) % ring.partitions]] = None
        if len(order) == len(ring.members):
            break
    return tuple(order)
