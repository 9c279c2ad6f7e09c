"""What one more node costs each request before it is sent anywhere: it looks whether all nodes are alive.

Measured in this process, as clusters of hundreds of nodes are not at hand. The caches are this loop's own here, so that
it is the least that it can be.
"""

from __future__ import annotations

import time

from dynamo.membership.detector import Detector
from dynamo.node.choosing import Chooser
from dynamo.node.liveness import Liveness
from dynamo.ports import Receiver
from dynamo.protocol.messages import Message
from dynamo.ring.preference_list import PreferenceLists
from dynamo.ring.ring import Member, first_ring

FEW, MANY = 3, 103
PARTITIONS = 512
LOOKS = 1024
RUNS = 7


class _Link:
    """A connection that is up, as `transport/peers.py` asks after it."""

    def __init__(self) -> None:
        self.connection: _Link | None = self
        self.has_room = True


class _Peers:
    """Peers that are all there."""

    def __init__(self, nodes: list[str]) -> None:
        self._links = {node: _Link() for node in nodes}

    def is_up(self, peer: str) -> bool:
        link = self._links.get(peer)
        return link is not None and link.connection is not None and link.connection.has_room

    def send(self, peer: str, message: Message, deadline: float, trace: str, receiver: Receiver) -> None:
        raise AssertionError("nothing is sent while it is only looked")


def choice_node_us() -> float:
    """Microseconds a request, for each node of the cluster."""
    return max(0.0, (_choice_us(MANY) - _choice_us(FEW)) / (MANY - FEW))


def _choice_us(nodes: int) -> float:
    """The least of some runs."""
    ids = [f"node{number}" for number in range(nodes)]
    ring = first_ring([Member(node, "127.0.0.1", 1, 2, 3) for node in ids], PARTITIONS)
    detector = Detector(ids[0], ids[1:], 0, suspicion_multiplier=4.0, period_s=1.0)
    chooser = Chooser(ids[0], PreferenceLists(ring), Liveness(ids[0], _Peers(ids), detector), stands_in=True)
    return min(_run_us(chooser) for _ in range(RUNS))


def _run_us(chooser: Chooser) -> float:
    began = time.perf_counter()
    for number in range(LOOKS):
        chooser.choose(number % PARTITIONS, 3, fallbacks=True)
    return (time.perf_counter() - began) * 1e6 / LOOKS
