"""The node's side of failure detection: answers probes, probes for others, and says what has changed.

Probes are answered here, in the node's own loop, and not by the transport: an answer proves that the node works.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dynamo.config import Config
from dynamo.errors import NotReady, ReadTimeout
from dynamo.membership.detector import Change, Detector
from dynamo.membership.view import State
from dynamo.ports import Clock, Peers, Respond
from dynamo.protocol.codec import refusal
from dynamo.protocol.effects import PeerError, PeerFailure
from dynamo.protocol.messages import MemberState, Message, Probe, ProbeAck, ProbeFor
from dynamo.telemetry.logs import Log
from dynamo.telemetry.metrics import Metrics

journal = Log("membership")

HELPER_SHARE = 0.8
"""Of the time that an asker waits; the rest is for the way back, so that it hears who failed."""


def detector_of(config: Config, incarnation: int) -> Detector:
    """The failure detector of a configured node; for `incarnation` see `membership/view.py`."""
    return Detector(
        config.node.id,
        [member.id for member in config.cluster.members if member.id != config.node.id],
        incarnation,
        suspicion_multiplier=config.membership.suspicion_multiplier,
        period_s=config.membership.probe_period_s,
    )


class Probing:
    """One per node. `timeout_s` is how long the target of an indirect probe may take on a healthy node."""

    def __init__(self, detector: Detector, clock: Clock, peers: Peers, metrics: Metrics, timeout_s: float) -> None:
        self.recalled: dict[str, None] = {}
        """Nodes that were held dead, and were heard from since: to be probed soon."""
        self.has_urgent_news = False
        """This node has contradicted what is said of it, or found out something itself: others should hear soon."""
        self.on_change: Callable[[Change], None] = _nobody
        """Called with each change, after it was counted."""
        self._detector = detector
        self._clock = clock
        self._peers = peers
        self._metrics = metrics
        self._timeout_s = timeout_s

    def on_probe(self, peer: str, message: Probe, respond: Respond) -> None:
        """Yes, it works."""
        self.hear(message.news)
        respond(ProbeAck(self._detector.tell(peer)))

    def on_probe_for(self, peer: str, message: ProbeFor, deadline: float, respond: Respond) -> None:
        """Try it from here; by the asker's deadline, or not at all."""
        self.hear(message.news)
        now = self._clock.monotonic()
        left_s = min(self._timeout_s * self._detector.health.factor, HELPER_SHARE * (deadline - now))
        target = message.target
        if target == self._detector.node:
            respond(ProbeAck(self._detector.tell(peer)))
        elif target not in self._detector.view or left_s <= 0:
            respond(refusal(NotReady(f"{target} cannot be probed from here")))
        else:
            waiting = _Errand(self, self._clock, peer, now + left_s, respond)
            self._peers.send(target, Probe(self._detector.tell(target)), waiting.deadline, "", waiting)

    def hear(self, news: Sequence[MemberState]) -> None:
        """Take in what a message said."""
        self.take(self._detector.hear(news, self._clock.monotonic()))

    def heard_from(self, peer: str) -> None:
        """A request came from a node that is held dead."""
        self.recalled[peer] = None

    def take(self, changes: Sequence[Change]) -> None:
        """Count and log what is believed from now on."""
        for change in changes:
            saying = change.saying
            if saying.node == self._detector.node:
                self._contradicted(change)
            else:
                self._changed(saying, change.before)
            self.on_change(change)
        self._metrics.health_score.value = self._detector.health.score

    def report(self, target: str, error: PeerError | None, asker: str, late_s: float) -> Message:
        """What an asker is told of a probe that was made for it; `late_s` is how long its time has been over."""
        if error is None or error.failure is PeerFailure.REFUSED:
            return ProbeAck(self._detector.tell(asker))
        if late_s > self._timeout_s / 2:
            return refusal(NotReady("this node did not run for a while and knows nothing"))
        return refusal(ReadTimeout(f"{target} does not answer probes from {self._detector.node}"))

    def _contradicted(self, change: Change) -> None:
        self.has_urgent_news = True
        self._metrics.refutations.value += 1
        journal.warning("taken for " + change.before.name.lower(), incarnation=change.saying.incarnation)

    def _changed(self, saying: MemberState, before: State) -> None:
        state = State(saying.state)
        self.has_urgent_news |= saying.by == self._detector.node
        self._metrics.peer_states[saying.node].value = saying.state
        facts = {"peer": saying.node, "incarnation": saying.incarnation, "by": saying.by}
        if state is State.DEAD:
            self._metrics.deaths_declared.value += saying.by == self._detector.node
            journal.warning("peer dead", **facts)
        elif state is State.SUSPECT:
            self._metrics.suspicions.value += 1
            journal.info("peer suspected", **facts)
        elif before is not State.ALIVE:
            self.recalled.pop(saying.node, None)
            journal.info("peer alive again", **facts)


def _nobody(change: Change) -> None:
    """Nobody else wants to know."""


class _Errand:
    """Receiver of a probe that was made for another node."""

    __slots__ = ("_asker", "_clock", "_probing", "_respond", "deadline")

    def __init__(self, probing: Probing, clock: Clock, asker: str, deadline: float, respond: Respond) -> None:
        self._probing = probing
        self._clock = clock
        self._asker = asker
        self._respond = respond
        self.deadline = deadline

    def on_reply(self, peer: str, message: Message) -> None:
        if isinstance(message, ProbeAck):
            self._probing.hear(message.news)
        self._respond(self._probing.report(peer, None, self._asker, 0.0))

    def on_failure(self, peer: str, error: PeerError) -> None:
        late_s = self._clock.monotonic() - self.deadline
        self._respond(self._probing.report(peer, error, self._asker, late_s))
