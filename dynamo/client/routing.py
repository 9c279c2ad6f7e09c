"""Which node to ask first, and which next.

With the ring in hand a client computes a key's preference list as the nodes do, and asks a replica at once; without
it, it asks whom it was told of. The ring is a hint: any node answers any request, at the price of a hop, so a wrong
guess costs time and never correctness. Nodes that failed lately come last, for a while that doubles with each failure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dynamo.errors import InvalidParameter
from dynamo.ring.preference_list import PreferenceLists
from dynamo.ring.ring import Ring

REPLICAS_ASSUMED = 3
"""The client does not know a bucket's n; the first primary is the same for every n."""
SUSPECT_S = 0.5
SUSPECT_MAX_S = 10.0
REFRESH_EVERY_S = 1.0
CLIENT_PORT_DEFAULT = 7610


class Routing:
    """The known nodes, as `host:port`, and their order for a request."""

    def __init__(self, seeds: Sequence[str], random: Callable[[], float]) -> None:
        self._seeds = tuple(dict.fromkeys(endpoint(seed) for seed in seeds))
        if not self._seeds:
            raise InvalidParameter("a client needs at least one endpoint, host:port")
        self._random = random
        self._lists: PreferenceLists | None = None
        self._address: dict[str, str] = {}
        self._failures: dict[str, tuple[int, float]] = {}
        self._refresh_after = 0.0

    @property
    def ring(self) -> Ring | None:
        """The topology in use."""
        return None if self._lists is None else self._lists.ring

    def install(self, ring: Ring) -> None:
        """Route by this topology from now on."""
        self._lists = PreferenceLists(ring)
        self._address = {m.id: _bracketed(m.host, m.client_port) for m in ring.members}

    def order(self, bucket: str, key: bytes | None, now: float) -> list[str]:
        """All known nodes, best first: replicas of the key in its order, the others, those that failed lately."""
        if self._lists is None:
            ranked = self._rotated(self._seeds)
        elif key is None or not bucket:
            ranked = self._rotated(tuple(self._address.values()))
        else:
            partition = self._lists.partition(bucket, key)
            nodes = self._lists.primaries(partition, REPLICAS_ASSUMED)
            ranked = [self._address[node] for node in nodes + self._lists.fallbacks(partition, REPLICAS_ASSUMED)]
        # The seeds stay in reach: the ring's addresses may not be reachable from here.
        ranked.extend(seed for seed in self._seeds if seed not in ranked)
        return sorted(ranked, key=lambda node: self._is_suspect(node, now))

    def failed(self, node: str, now: float) -> None:
        """The node could not be reached, did not answer, or is about to stop."""
        count = self._failures.get(node, (0, 0.0))[0] + 1
        self._failures[node] = (count, now + min(SUSPECT_MAX_S, SUSPECT_S * 2 ** min(count - 1, 8)))

    def answered(self, node: str) -> None:
        """The node is there."""
        if self._failures:
            self._failures.pop(node, None)

    def wants_refresh(self, epoch: int | None, now: float) -> bool:
        """Whether to fetch the ring, given the epoch in an answer (None: a node failed). At most once a second."""
        ring = self.ring
        due = ring is None or epoch is None or epoch != ring.epoch
        if not due or now < self._refresh_after:
            return False
        self._refresh_after = now + REFRESH_EVERY_S
        return True

    def _is_suspect(self, node: str, now: float) -> bool:
        return node in self._failures and now < self._failures[node][1]

    def _rotated(self, nodes: tuple[str, ...]) -> list[str]:
        turn = int(self._random() * len(nodes))
        return [*nodes[turn:], *nodes[:turn]]


def endpoint(text: str) -> str:
    """`host:port` in one spelling; the port may be left out. Raises InvalidParameter."""
    text = text.strip()
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(CLIENT_PORT_DEFAULT)
    if host.count(":") and not (host.startswith("[") and host.endswith("]")):
        raise InvalidParameter(f"{text!r} is not host:port; write an IPv6 address in brackets", parameter="endpoints")
    if not host or "/" in host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise InvalidParameter(f"{text!r} is not host:port", parameter="endpoints")
    return f"{host}:{int(port)}"


def _bracketed(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
