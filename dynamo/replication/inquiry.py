"""Inquiry: were these writes acknowledged, and when? Asked of the nodes that minted them, once each.

A dot names its actor, and an actor its node. Each node is asked about its own actors, and answers from memory
(`node/recent_acks.py`). What it does not know, and what a node that does not answer might know, is doubtful. A version
of a linearizable key names nobody: it was made by one of the key's primaries, so all of them are asked, and what one
knows counts.

Ages come with the answerer's clock of that moment and are placed on ours (`replication/remote_clock.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, MutableMapping, Sequence
from math import inf

from dynamo.errors import DynamoError
from dynamo.protocol.effects import Effects, Finish, PeerError, Send, WakeAt
from dynamo.protocol.messages import Acknowledged, AskAcknowledged, Message, SpanAcks
from dynamo.replication.remote_clock import RemoteClock
from dynamo.replication.staleness import Event, Known, Span
from dynamo.versioning.clock import Actor

Facts = dict[Actor, Known]


def node_of(actor: Actor) -> str:
    """The node that an actor is, or stood in as (`versioning/clock.py`); empty for one that names none."""
    return actor.partition("~")[0].partition(".")[0]


class Inquiry:
    """Machine. Finishes with what is known of every actor asked about; never with an error."""

    __slots__ = ("_clocks", "_deadline", "_known", "_message", "_pending", "_spans", "outcome")

    def __init__(
        self,
        bucket: str,
        key: bytes,
        spans: Sequence[Span],
        primaries: Sequence[str],
        members: Collection[str],
        clocks: MutableMapping[str, RemoteClock],
        deadline: float,
    ) -> None:
        self._spans = _by_node(spans, primaries, members)
        self._message = AskAcknowledged(bucket, key, [])
        self._clocks = clocks
        self._deadline = deadline
        self._known: Facts = {span.actor: Known((), span.upto) for span in spans}
        """Nothing is known of anybody so far."""
        self._pending: dict[str, float] = {}
        """Nodes that owe an answer, and when they were asked."""
        self.outcome: Facts | DynamoError | None = None

    @property
    def drained(self) -> bool:
        return self.outcome is not None

    def start(self, now: float) -> Effects:
        self._pending = dict.fromkeys(self._spans, now)
        if not self._pending:
            return self._finish()
        bucket, key = self._message.bucket, self._message.key
        asks: Effects = [
            Send(node, AskAcknowledged(bucket, key, [(span.actor, span.after, span.upto) for span in spans]))
            for node, spans in self._spans.items()
        ]
        return [*asks, WakeAt(self._deadline)]

    def on_reply(self, peer: str, message: Message, now: float) -> Effects:
        sent_at = self._pending.pop(peer, None)
        if sent_at is None:
            return []
        assert isinstance(message, Acknowledged), message
        clock = self._clocks.get(peer)
        if clock is None:
            clock = self._clocks[peer] = RemoteClock()
        clock.observe(sent_at, now, message.clock_s)
        for span, said in zip(self._spans[peer], message.spans, strict=False):
            known = _placed(said, message.clock_s, clock)
            self._known[span.actor] = _joined(self._known[span.actor], known, span)
        return self._end()

    def on_failure(self, peer: str, error: PeerError, now: float) -> Effects:
        self._pending.pop(peer, None)
        return self._end()

    def on_wakeup(self, now: float) -> Effects:
        return self._finish() if self.outcome is None and now >= self._deadline else []

    def _end(self) -> Effects:
        return [] if self._pending or self.outcome is not None else self._finish()

    def _finish(self) -> Effects:
        self.outcome = self._known
        return [Finish(self._known)]


def _by_node(spans: Sequence[Span], primaries: Sequence[str], members: Collection[str]) -> Mapping[str, list[Span]]:
    asked: dict[str, list[Span]] = {}
    for span in spans:
        node = node_of(span.actor)
        for each in (node,) if node else primaries:
            if each in members:
                asked.setdefault(each, []).append(span)
    return asked


def _placed(said: SpanAcks, clock_s: float, clock: RemoteClock) -> Known:
    events = []
    for counter, age_s, copies in said.writes:
        earliest, latest = (inf, inf) if age_s < 0 else clock.window(clock_s - age_s)
        events.append(Event(counter, earliest, latest, copies))
    return Known(tuple(events), said.unknown_upto)


def _joined(left: Known, right: Known, span: Span) -> Known:
    """What two answers come to: several nodes may know something of a linearizable key, each of its own changes."""
    if left.doubtful_upto == span.upto and not left.events:
        return right
    events = {event.counter: event for event in left.events}
    for event in right.events:
        if event.counter not in events or event.latest < events[event.counter].latest:
            events[event.counter] = event
    doubtful = next((counter for counter in range(span.upto, span.after, -1) if counter not in events), 0)
    return Known(tuple(events.values()), doubtful)
