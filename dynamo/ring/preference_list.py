"""The nodes responsible for a partition: N primaries, then fallbacks in order.

Walk the ring from the partition onwards and take each node once. The first N that lie in distinct zones are the
primaries. Where there are fewer zones than N, zones repeat, but hosts only when all of them are taken, and nodes never.
Fallbacks begin with those on hosts without a primary. Depends on the ring alone, so nodes of one epoch agree;
computed once per ring and N, a table look-up per request.
Paper: DeCandia et al. 2007, section 4.6.
"""

from __future__ import annotations

from collections import Counter

from dynamo.ring.ring import Ring
from dynamo.ring.token import shift_of, token


class PreferenceLists:
    """All preference lists of one ring. Primaries are the first `n` of an order that depends on `n`."""

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self._walks = [_walk(ring, partition) for partition in range(ring.partitions)]
        self._shift = shift_of(ring.partitions)
        self._zones = {m.id: m.fails_with_zone for m in ring.members}
        self._hosts = {m.id: m.fails_with_host for m in ring.members}
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
            table = [self._spread(walk, n) for walk in self._walks]
            self._tables[n] = table
        return table[partition]

    def fallbacks(self, partition: int, n: int) -> tuple[str, ...]:
        """The nodes that stand in for a primary, in the order in which they are asked."""
        table = self._fallbacks.get(n)
        if table is None:
            table = [self._beyond(walk, self.primaries(each, n)) for each, walk in enumerate(self._walks)]
            self._fallbacks[n] = table
        return table[partition]

    def most_on_a_host(self, n: int) -> int:
        """The most primaries of one partition that share a host: 1 if the end of a host costs no key two copies."""
        rows = (Counter(self._hosts[node] for node in self.primaries(each, n)) for each in range(len(self._walks)))
        return max(max(row.values()) for row in rows)

    def _beyond(self, walk: tuple[str, ...], primaries: tuple[str, ...]) -> tuple[str, ...]:
        """The rest of the walk, one node of each host without a primary first: those fail apart from who is away."""
        chosen = list(primaries)
        _take_distinct(chosen, walk, self._hosts, len(walk))
        taken = set(chosen)
        return (*chosen[len(primaries) :], *(node for node in walk if node not in taken))

    def _spread(self, walk: tuple[str, ...], n: int) -> tuple[str, ...]:
        chosen: list[str] = []
        _take_distinct(chosen, walk, self._zones, n)
        _take_distinct(chosen, walk, self._hosts, n)
        rest = [node for node in walk if node not in chosen]
        chosen.extend(rest[: n - len(chosen)])
        assert len(set(chosen)) == len(chosen), "a preference list never names a node twice"
        return tuple(chosen)


def _take_distinct(chosen: list[str], walk: tuple[str, ...], label_of: dict[str, str], n: int) -> None:
    """Add nodes in the walk's order whose label nobody has who is chosen, up to `n` in all."""
    labels = {label_of[node] for node in chosen}
    for node in walk:
        if len(chosen) >= n:
            return
        if label_of[node] not in labels:
            chosen.append(node)
            labels.add(label_of[node])


def _walk(ring: Ring, partition: int) -> tuple[str, ...]:
    order: dict[str, None] = {}
    for step in range(ring.partitions):
        order[ring.owners[(partition + step) % ring.partitions]] = None
        if len(order) == len(ring.members):
            break
    return tuple(order)
