"""The failure detector of one node: view, suspicions, news and health together, without time or messages of its own.

What it is fed: sayings that came with messages, probes that failed, the time. What it says: which nodes are dead, what
to tell whom, and what has changed.

It holds nobody dead whom it has not suspected for a while. Somebody's word that a node is dead leaves it the shortest
time of a suspicion: otherwise a node that was cut off from all the others, and took them to be dead, would spread
its belief as soon as it is back (memberlist does so, too, where whole views are exchanged).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from dynamo.membership.dissemination import Dissemination
from dynamo.membership.suspicion import Health, Suspicion, accusers_wanted, shortest_s
from dynamo.membership.view import State, View
from dynamo.protocol.messages import MemberState

RIPE_SHARE = 0.5
"""Of the shortest time of a suspicion: how long a node must be suspect here before others may declare it dead."""


class Change(msgspec.Struct, frozen=True):
    """Something that is believed from now on. About this node itself: it has contradicted, and is alive."""

    saying: MemberState
    before: State


class Detector:
    """One per node. `incarnation`: see `view.py`."""

    def __init__(
        self, node: str, others: Sequence[str], incarnation: int, *, suspicion_multiplier: float, period_s: float
    ) -> None:
        members = len(others) + 1
        self.node = node
        self.view = View(node, others, incarnation)
        self.health = Health()
        self.dead: dict[str, None] = {}
        """The nodes that are held dead."""
        self.shortest_s = shortest_s(suspicion_multiplier, period_s, members)
        """What a suspect has at least to contradict: an answer that comes later is of no use."""
        self._wanted = accusers_wanted(members)
        self._suspicions: dict[str, Suspicion] = {}
        self._news = Dissemination(members)

    def hear(self, news: Iterable[MemberState], now: float) -> list[Change]:
        """Take in what somebody says; what changed by it."""
        return [change for saying in news for change in self._take(saying, now)]

    def accuse(self, node: str, witnesses: Sequence[str], now: float) -> list[Change]:
        """A probe of this node failed, and `witnesses` could not reach it either."""
        if node in self.dead:
            return []
        incarnation = self.view.of(node).incarnation
        return self.hear([MemberState(node, State.SUSPECT, incarnation, by) for by in (self.node, *witnesses)], now)

    def expire(self, now: float) -> list[Change]:
        """Suspects whose time is over are dead."""
        due = [node for node, suspicion in self._suspicions.items() if now >= suspicion.due(self.health.score)]
        return self.hear(
            [MemberState(node, State.DEAD, self.view.of(node).incarnation, self.node) for node in due], now
        )

    def excuse(self, now: float) -> None:
        """This process did not run for a while: suspects could not be heard, so their time begins again."""
        self.health.worse()
        for suspicion in self._suspicions.values():
            suspicion.since = now

    def tell(self, to: str) -> list[MemberState]:
        """News for a message to that node.

        First this node's own state, then what is held against the receiver, so that it can contradict at once
        (Lifeguard's buddy system), then what is to be spread.
        """
        about_it = [self.view.of(to)] if to in self.view and self.view.state(to) is not State.ALIVE else []
        return [self.view.own(), *about_it, *(each for each in self._news.take() if each.node not in (self.node, to))]

    def suspects(self) -> list[str]:
        """Nodes that are suspected, in the order of their suspicions: by this one's own probes, or by hearsay."""
        return list(self._suspicions)

    def _take(self, saying: MemberState, now: float) -> list[Change]:
        if saying.node == self.node:
            return self._take_own(saying)
        if saying.node not in self.view:
            return []
        before = self.view.of(saying.node)
        if saying.state == State.DEAD and not self._is_ripe(saying, before, now):
            changes = self._believe(MemberState(saying.node, State.SUSPECT, saying.incarnation, saying.by), before, now)
            if self.view.of(saying.node).incarnation == saying.incarnation:
                self._suspicions[saying.node].condemn()
            return changes
        return self._believe(saying, before, now)

    def _believe(self, saying: MemberState, before: MemberState, now: float) -> list[Change]:
        if not self.view.hear(saying):
            self._confirm(saying, before)
            return []
        self._news.add(saying)
        self._suspicions.pop(saying.node, None)
        self.dead.pop(saying.node, None)
        if saying.state == State.SUSPECT:
            self._suspicions[saying.node] = suspicion = Suspicion(now, self.shortest_s, self._wanted)
            suspicion.accuse(saying.by)
        elif saying.state == State.DEAD:
            self.dead[saying.node] = None
        return [Change(saying, State(before.state))]

    def _is_ripe(self, saying: MemberState, held: MemberState, now: float) -> bool:
        """Whether the node had the time to contradict, as far as this one knows."""
        if held.state == State.DEAD or saying.by == self.node:
            return True
        suspicion = self._suspicions.get(saying.node)
        if suspicion is None or held.incarnation < saying.incarnation:
            return False
        return now - suspicion.since >= self.shortest_s * RIPE_SHARE

    def _take_own(self, saying: MemberState) -> list[Change]:
        if not self.view.hear(saying):
            return []
        if saying.state == State.ALIVE:
            return []  # an earlier run of this node had got further: nobody accuses it
        self.health.worse()
        return [Change(self.view.own(), State(saying.state))]

    def _confirm(self, saying: MemberState, held: MemberState) -> None:
        """The same suspicion from somebody else, who is to be passed on as well."""
        suspicion = self._suspicions.get(saying.node)
        if suspicion is None or (saying.state, saying.incarnation) != (held.state, held.incarnation):
            return
        if suspicion.accuse(saying.by):
            self._news.add(saying)
