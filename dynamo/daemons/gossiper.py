"""Probes the other nodes, one in each period, and spreads the news (SWIM, sections 3 and 4).

The daemon wakes up a few times a period, and each time looks first at how long it slept. A long gap means that this
process itself did not run (SIGSTOP, a swapped-out machine): then the fault is here, answers may be waiting unread, and
everything begins afresh instead of accusing others.

Beside the regular probes there are reminders: single probes, outside the order. A suspect gets one in each period from
everybody who holds it suspect: it hears of that early, and its contradiction comes straight to each of those whose time
for it runs, also from a slow node, while news that go by others may come too late. Of the dead, one gets it every other
period, since nobody else would ever find out that it is back; and at once, whoever was not alive and has connected or
was heard from again. What a node has found out itself, or says of itself, goes to a few others without waiting for
their turn.
"""

from __future__ import annotations

from dynamo.errors import DynamoError, Internal
from dynamo.membership.order import RoundRobin, shuffled
from dynamo.membership.probe import Probed, ProbeRound, Result
from dynamo.membership.view import State
from dynamo.node.driver import Driver
from dynamo.node.node import Node
from dynamo.node.wakeups import Wakeups
from dynamo.ports import Respond
from dynamo.protocol.effects import PeerError
from dynamo.protocol.messages import Message, Probe, ProbeAck
from dynamo.telemetry.logs import Log

journal = Log("membership")

PULSES = 5
"""Times that it wakes up in a period."""
PULSE_MAX_S = 0.2
REMINDED_MAX = 3
"""Suspects that are reminded in one period."""
DEAD_EVERY = 2
"""Periods in which one dead node is reminded."""


class Gossiper:
    """Daemon."""

    name = "gossiper"

    def __init__(self, node: Node) -> None:
        settings = node.config.membership
        self.period_s = min(settings.probe_period_s / PULSES, PULSE_MAX_S)
        self._node = node
        self._settings = settings
        self._detector = node.detector
        self._probing = node.probing
        others = [member.id for member in node.ring.members if member.id != node.id]
        self._order = RoundRobin(others)
        self._dead_order = RoundRobin(others)
        self._was_up = dict.fromkeys(others, False)
        self._lost: dict[str, None] = {}
        """Nodes whose connection has ended, to be probed before it is anybody's turn."""
        # A queue of its own: that of the requests is empty while there are none, and that is asserted.
        self._driver = Driver(node.id, node.clock, node.peers, Wakeups(node.clock), _local)
        self._is_probing = False
        self._rounds = 0
        self._woke_at = node.clock.monotonic()
        self._due = self._woke_at + settings.probe_period_s  # time for the connections of a starting node

    async def run_once(self) -> None:
        """One pulse: look at the time, at suspects and at connections; begin a round if it is due."""
        now = self._node.clock.monotonic()
        if now - self._woke_at > self.period_s * 1.25 + self._settings.probe_timeout_s:
            self._start_afresh(now)
        self._woke_at = now
        self._probing.take(self._detector.expire(now))
        self._watch_connections()
        self._remind_at_once()
        if now >= self._due or (self._lost and not self._is_probing):
            self._due = now + self._settings.probe_period_s
            self._remind_some()
            if not self._is_probing:
                self._begin_round(now)

    def _start_afresh(self, now: float) -> None:
        journal.info("did not run", seconds=round(now - self._woke_at, 1))
        self._detector.excuse(now)
        self._due = now

    def _begin_round(self, now: float) -> None:
        target = self._next_target()
        if target is None:
            return
        node, health, settings = self._node, self._detector.health, self._settings
        end = now + settings.probe_period_s * health.factor
        machine = ProbeRound(
            target,
            self._helpers(target),
            self._detector.tell,
            ask_at=now + settings.probe_timeout_s * health.factor,
            end=end,
            late_s=settings.probe_timeout_s / 2 * health.factor,
        )
        self._is_probing = True
        self._driver.run(machine, end, "", lambda outcome: self._ended(target, outcome))
        node.metrics.health_score.value = health.score

    def _ended(self, target: str, outcome: Probed | DynamoError) -> None:
        assert isinstance(outcome, Probed), outcome
        detector, now = self._detector, self._node.clock.monotonic()
        self._is_probing = False
        self._node.metrics.probes[outcome.result].value += 1
        self._probing.hear(outcome.news)
        if outcome.result is Result.FAILED:
            if not outcome.was_heard:
                detector.health.worse()
            self._probing.take(detector.accuse(target, outcome.witnesses, now))
            self._remind(target)
        elif outcome.result is Result.LATE:
            detector.health.worse()
        else:
            detector.health.better()

    def _next_target(self) -> str | None:
        detector = self._detector
        while self._lost:
            lost = next(iter(self._lost))
            del self._lost[lost]
            if lost not in detector.dead:
                return lost
        return self._order.next(detector.dead.__contains__, self._node.randomness.random)

    def _helpers(self, target: str) -> list[str]:
        able = [
            node for node in self._was_up if node not in (target, *self._detector.dead) and self._node.peers.is_up(node)
        ]
        return shuffled(able, self._node.randomness.random)[: self._settings.indirect_probes]

    def _watch_connections(self) -> None:
        for node, was_up in self._was_up.items():
            is_up = self._node.peers.is_up(node)
            self._was_up[node] = is_up
            if was_up and not is_up:
                self._lost[node] = None
            elif is_up and not was_up and self._detector.view.state(node) is not State.ALIVE:
                self._remind(node)

    def _remind_at_once(self) -> None:
        recalled, self._probing.recalled = self._probing.recalled, {}
        for node in recalled:
            self._remind(node)
        if self._probing.has_urgent_news:
            self._probing.has_urgent_news = False
            for node in self._helpers(self._node.id):
                self._remind(node)

    def _remind_some(self) -> None:
        self._rounds += 1
        for node in self._detector.suspects()[:REMINDED_MAX]:
            self._remind(node)
        if self._rounds % DEAD_EVERY == 0:
            dead = self._dead_order.next(lambda node: node not in self._detector.dead, self._node.randomness.random)
            if dead is not None:
                self._remind(dead)

    def _remind(self, node: str) -> None:
        # The answer of a slow node is of use for as long as it is not dead, which is longer than a period.
        deadline = self._node.clock.monotonic() + self._detector.shortest_s
        self._node.peers.send(node, Probe(self._detector.tell(node)), deadline, "", _Reminder(self))

    def hear(self, answer: Message) -> None:
        """A reminder was answered."""
        if isinstance(answer, ProbeAck):
            self._probing.hear(answer.news)


class _Reminder:
    """Receiver of the answer to a reminder; that there is none proves nothing new."""

    __slots__ = ("_gossiper",)

    def __init__(self, gossiper: Gossiper) -> None:
        self._gossiper = gossiper

    def on_reply(self, peer: str, message: Message) -> None:
        self._gossiper.hear(message)

    def on_failure(self, peer: str, error: PeerError) -> None:
        """Nothing to do."""


def _local(message: Message, respond: Respond) -> None:
    raise Internal("a node does not probe itself")
