"""Which nodes this one counts on: what a coordinator asks before it chooses replicas.

A wrong answer costs time, never data: a node that is wrongly held to be dead gets its share as a hint, one that is
wrongly held to be alive costs a time-out. Nobody is removed from the ring for being dead.
"""

from __future__ import annotations

from dynamo.membership.detector import Detector
from dynamo.ports import Peers


class Liveness:
    """One per node."""

    def __init__(self, node: str, peers: Peers, detector: Detector) -> None:
        self._node = node
        self._peers = peers
        self._dead = detector.dead

    def is_alive(self, node: str) -> bool:
        """Whether a request sent there now has a good chance to be answered. This node itself always has.

        A suspect is still asked: it may be the accuser who is ill.
        """
        return node == self._node or (node not in self._dead and self._peers.is_up(node))
