"""What a node holds of the others, and which of two sayings about a node is to be believed.

A saying is a state with an incarnation. The greater incarnation holds; at the same one the worse state does: suspect
over alive, dead over suspect. That is a total order, so views that have heard the same sayings are equal, in whatever
order and however often they came (SWIM, section 4.2).

Only the node itself raises its incarnation: when it hears something of itself that is worse than alive, or newer than
it knows, it takes the next greater one and says that it is alive. Unlike in SWIM a death is not final, since nobody
leaves the ring by being silent: a node that was held dead comes back by contradicting. A node starts with its wall
clock in milliseconds, so that it nearly always is ahead of what is said of its earlier runs; where its clock was set
back, it hears so in the first answer, and raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from dynamo.protocol.messages import MemberState


class State(IntEnum):
    """As in `MemberState.state`, the worse the greater."""

    ALIVE = 0
    SUSPECT = 1
    DEAD = 2


class View:
    """The sayings that one node holds: one for each other member, and its own incarnation."""

    def __init__(self, node: str, others: Sequence[str], incarnation: int) -> None:
        self.node = node
        self.incarnation = incarnation
        self._held = {other: MemberState(other, State.ALIVE, 0) for other in others}

    def __contains__(self, node: str) -> bool:
        return node == self.node or node in self._held

    def of(self, node: str) -> MemberState:
        """What is held of a node. Raises KeyError for one that is no member."""
        return self.own() if node == self.node else self._held[node]

    def state(self, node: str) -> State:
        """The same, without who said it and when."""
        return State(self.of(node).state)

    def own(self) -> MemberState:
        """What this node says of itself."""
        return MemberState(self.node, State.ALIVE, self.incarnation, self.node)

    def all(self) -> list[MemberState]:
        """What is held of every other member, in the order of the members."""
        return list(self._held.values())

    def hear(self, saying: MemberState) -> bool:
        """Take a saying in. Whether it changed anything: what is held of another node, or the own incarnation.

        Sayings about strangers, and states that this version does not know, are ignored.
        """
        if saying.state > State.DEAD or saying.state < State.ALIVE:
            return False
        if saying.node == self.node:
            return self._contradict(saying)
        held = self._held.get(saying.node)
        if held is None or rank(saying) <= rank(held):
            return False
        self._held[saying.node] = saying
        return True

    def _contradict(self, saying: MemberState) -> bool:
        if rank(saying) <= (self.incarnation, State.ALIVE):
            return False
        self.incarnation = saying.incarnation + 1
        return True


def rank(saying: MemberState) -> tuple[int, int]:
    """Of two sayings about a node the greater one holds."""
    return saying.incarnation, saying.state
