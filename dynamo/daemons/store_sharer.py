"""Spreads which stores the nodes have: whoever knows something else than it told a peer last tells it.

Answers of acceptors count together only if they agree about that (`consensus/tally.py`). So the news of a store that
replaced another must reach everybody soon, and nothing is sent while there are none.
"""

from __future__ import annotations

from dynamo.node.asking import ask
from dynamo.node.node import Node
from dynamo.protocol.messages import TellStores

PERIOD_S = 0.5
HASTE_S = 0.1
"""While this node may not vote: what it waits for may be just this."""
PATIENCE_S = 2.0


class StoreSharer:
    """Daemon."""

    name = "store-sharer"

    def __init__(self, node: Node) -> None:
        self._node = node
        self._others = [m.id for m in node.ring.members if m.id != node.id]
        self._told: dict[str, int] = {}

    @property
    def period_s(self) -> float:
        """Pause between rounds."""
        return HASTE_S if len(self._node.voting) else PERIOD_S

    async def run_once(self) -> None:
        """Tell everybody that is up what they were not told yet."""
        node, ages = self._node, self._node.store_ages
        ages.keep_on()
        stores = ages.stores
        self._told = {peer: told for peer, told in self._told.items() if node.peers.is_up(peer)}
        due = [peer for peer in self._others if node.peers.is_up(peer) and self._told.get(peer) != stores]
        message = TellStores(ages.histories())
        answers = await ask(node.peers, due, message, node.clock.monotonic() + PATIENCE_S)
        for peer, answer in answers.items():
            if isinstance(answer, TellStores):
                ages.answered(peer, answer)
                self._told[peer] = stores
