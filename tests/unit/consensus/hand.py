"""Acceptors on perfect disks, and a machine whose messages a test delivers one by one: for stories told in steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dynamo.consensus import acceptor
from dynamo.consensus.change import Change
from dynamo.consensus.lead import Lead
from dynamo.consensus.proposer import Proposer, Round
from dynamo.consensus.settled_read import SettledRead
from dynamo.layout.ballot import AcceptorState
from dynamo.layout.floor import GROUND, Floor
from dynamo.protocol.commands import Action, ChangeCommand
from dynamo.protocol.effects import Effects, Finish, PeerError, PeerFailure, Send, SendAll, WakeAt
from dynamo.protocol.messages import Message
from dynamo.protocol.paxos import Accept, Accepted, Inspect, Inspected, Learn, Learned, Prepare, Promised, Rejected
from dynamo.versioning.ballot import ZERO, Ballot

NODES = ("a", "b", "c")
DEADLINE = 2.0


def command(action: Action = Action.SET, request: bytes = b"r" * 16, **asked: Any) -> ChangeCommand:
    return ChangeCommand(bucket="b", key=b"k", action=action, request=request, **asked)


def setting(value: bytes, request: bytes = b"r" * 16, **asked: Any) -> Change:
    return Change(command(Action.SET, request, value=value, **asked))


class Counting:
    """Ballots (1, name, 0), (2, name, 0), ..."""

    def __init__(self, name: str, counter: int = 0) -> None:
        self.name, self.highest = name, counter

    def next(self, above: Ballot) -> Ballot:
        self.highest = max(self.highest, above[0]) + 1
        return (self.highest, self.name, 0)

    def saw(self, ballot: Ballot) -> None:
        self.highest = max(self.highest, ballot[0])


@dataclass
class Pace:
    p50_s: float = 0.01
    p95_s: float = 0.02


@dataclass
class Replicas:
    """One acceptor a node."""

    states: dict[str, AcceptorState | None] = field(default_factory=lambda: dict.fromkeys(NODES))
    floor: Floor = GROUND
    stores: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NODES, 0))

    def handle(self, name: str, message: Message) -> Message:
        state, floor = self.states.get(name), self.floor
        if isinstance(message, Prepare):
            after = acceptor.promise(state, floor, message.ballot)
            if after is None:
                return Rejected(message.ballot, acceptor.highest(state, floor))
            self.states[name] = after
            return Promised(message.ballot, *acceptor.shown(after, floor), self.stores.get(name, 0))
        if isinstance(message, Accept):
            after = acceptor.accept(state, floor, message.ballot, message.register, message.next)
            if after is None:
                return Rejected(message.ballot, acceptor.highest(state, floor))
            self.states[name] = after
            return Accepted(message.ballot, self.stores.get(name, 0))
        if isinstance(message, Inspect):
            accepted, register = acceptor.shown(state, floor)
            return Inspected(accepted, b"" if accepted == message.known != ZERO else register, self.stores.get(name, 0))
        assert isinstance(message, Learn)
        return Learned()


class Story:
    """One machine; its messages lie in `sent` until the test delivers or drops them."""

    def __init__(self, machine: Proposer | SettledRead, replicas: Replicas) -> None:
        self.machine, self.replicas = machine, replicas
        self.now = 0.0
        self.sent: list[Send] = []
        self.learned: list[Send] = []
        self.finished: list[Any] = []
        self.wakes: list[float] = []
        """Times still to come at which it wants to be woken."""

    def start(self) -> Story:
        self._take(self.machine.start(self.now))
        return self

    def deliver(self, *names: str, answers: bool = True) -> None:
        """Each of these nodes acts on all that was sent to it by now, and is heard."""
        for name in names:
            for send in [one for one in self.sent if one.to == name]:
                self.sent.remove(send)
                reply = self.replicas.handle(name, send.message)
                if answers:
                    self.hear(name, reply)

    def hear(self, name: str, reply: Message) -> None:
        self._take(self.machine.on_reply(name, reply, self.now))

    def fail(self, name: str, failure: PeerFailure = PeerFailure.DOWN, error: Any = None) -> None:
        self.sent = [one for one in self.sent if one.to != name]
        self._take(self.machine.on_failure(name, PeerError(failure, error), self.now))

    def wait_until(self, now: float) -> None:
        self.now = now
        self.wakes = [when for when in self.wakes if when > now]
        self._take(self.machine.on_wakeup(now))

    def kinds(self) -> list[tuple[str, str]]:
        return [(send.to, type(send.message).__name__) for send in self.sent]

    @property
    def round(self) -> Round:
        (outcome,) = self.finished
        assert isinstance(outcome, Round)
        return outcome

    @property
    def result(self) -> Any:
        (result,) = self.round.results
        return result

    def _take(self, effects: Effects) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                (self.learned if isinstance(effect.message, Learn) else self.sent).append(effect)
            elif isinstance(effect, SendAll):
                self.sent += [Send(name, effect.message) for name in effect.to]
            elif isinstance(effect, Finish):
                self.finished.append(effect.outcome)
            elif isinstance(effect, WakeAt):
                self.wakes.append(effect.when)
        assert len(self.finished) <= 1, "a request has exactly one outcome"
        assert self.finished or self.wakes, "a machine that is not woken any more has decided"
        assert all(when <= DEADLINE for when in self.wakes), "nothing is waited for after the deadline"
        assert len(self.wakes) <= 2, "one for the phase, and one more for a back-off"


def proposing(
    replicas: Replicas,
    *changes: Change,
    node: str = "a",
    ballots: Counting | None = None,
    lead: Lead | None = None,
    primaries: tuple[str, ...] = NODES,
) -> Story:
    """A started round."""
    machine = Proposer(
        node,
        primaries,
        "b",
        b"k",
        list(changes),
        ballots or Counting(node),
        DEADLINE,
        lead=lead,
        draw=lambda: 0.5,
        pace=Pace(),
    )
    return Story(machine, replicas).start()


def reading(replicas: Replicas, node: str = "a", order: tuple[str, ...] = NODES) -> Story:
    """A started read."""
    return Story(SettledRead(node, order, "b", b"k", DEADLINE), replicas).start()


def whole(replicas: Replicas, *changes: Change, node: str = "a", ballots: Counting | None = None) -> Round:
    """A round in which all goes well."""
    story = proposing(replicas, *changes, node=node, ballots=ballots)
    story.deliver(*NODES)
    story.deliver(*NODES)
    return story.round


def promised(replicas: Replicas, name: str) -> Ballot:
    state = replicas.states[name]
    return ZERO if state is None else state.promised
