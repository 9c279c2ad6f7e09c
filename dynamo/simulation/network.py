"""The Peers port over a seeded network: delay, loss, duplication, reordering, cut links, broken connections.

Every message passes through the real codec, so nodes share no object and a message that cannot be encoded fails here.
The network is worse than TCP: it may lose, repeat and reorder single messages. What it has in common with TCP is how a
node learns of trouble. A peer counts as up until a cut or a crash is *noticed*, some time later; what is sent before
that just vanishes, and ends by its deadline (TIMEOUT) or when the loss is noticed (LOST). A peer noticed as gone costs
nothing to ask (DOWN). A cut in either direction is noticed at both ends, since acknowledgements need the way back.

A paused node keeps its connections: messages to it are taken and wait, nothing is noticed, until somebody gives it up
as silent (`Weather.silent_s`).

As on a connection, a message goes from one life of a node to one life of another, and never reaches the next one.
Answers are matched by exchange number: the second answer to a repeated request finds nobody waiting and is dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, inf, nextafter
from zlib import crc32

import msgspec

from dynamo.ports import Inbound, Receiver
from dynamo.protocol.codec import LENGTH_BYTES, Envelope, decode_envelopes, encode_frame, refused_error
from dynamo.protocol.effects import PeerError, PeerFailure
from dynamo.protocol.messages import Message, Refused, StoreAge
from dynamo.simulation.world import Life, SimulatedClock, World

Link = tuple[str, str]


class Weather(msgspec.Struct):
    """How the network treats messages now. Shares are probabilities a message."""

    delay_s: float = 0.001
    """Mean of the usual one-way delay, which varies from half to twice that."""
    loss: float = 0.0
    duplicate: float = 0.0
    straggle: float = 0.0
    """Share of messages that come late, by up to `straggle_s`, so that later ones overtake them."""
    straggle_s: float = 0.5
    in_order: bool = False
    """Whether messages of one direction between two nodes keep their order, as on one connection."""
    notice_s: float = 0.4
    """Longest time until a cut, a crash or a healed link is noticed."""
    silent_s: float = 3.0
    """Peers hang up on a paused node after so long, and up to a sixth more, as the real transport does; 0 for never."""


class Greeting(msgspec.Struct):
    """What the handshake of a connection is made of, as in `transport/handshake.py`."""

    age: Callable[[], StoreAge]
    judge: Callable[[StoreAge], str]
    on_outdated: Callable[[str], None]


class _Station(msgspec.Struct):
    """What is attached under one node's name: its present life."""

    life: Life
    clock: SimulatedClock
    peers: SimulatedPeers
    inbound: Inbound | None = None
    greeting: Greeting | None = None


class Route(msgspec.Struct, frozen=True):
    """From one life of a node to one life of another, as a connection is."""

    source: str
    source_life: int
    target: str
    target_life: int

    def back(self) -> Route:
        """The way of the answer."""
        return Route(self.target, self.target_life, self.source, self.source_life)


class _Waiting(msgspec.Struct):
    """One send without its answer yet."""

    peer: str
    receiver: Receiver


class Network:
    """All links between the nodes of one simulated cluster."""

    def __init__(self, world: World, weather: Weather) -> None:
        self.world = world
        self.weather = weather
        self.delays: dict[Link, float] = {}
        """Extra one-way delay of single links, seconds."""
        self.breaches: list[str] = []
        """Broken promises of the nodes toward the transport."""
        self._dice = world.stream("network")
        self._unanswered: dict[tuple[str, int], tuple[float, str]] = {}
        """Requests that a living node took and has not answered: when, and what."""
        self._stations: dict[str, _Station] = {}
        self._cut: dict[Link, None] = {}
        self._last_due: dict[Link, float] = {}

    # -- nodes come and go -----------------------------------------------------------------------------------------

    def attach(self, life: Life, clock: SimulatedClock, epoch: Callable[[], int]) -> SimulatedPeers:
        """The Peers port of a new life. It hears nothing until `listen`."""
        peers = SimulatedPeers(self, life, clock, epoch)
        self._stations[life.node] = _Station(life, clock, peers)
        self._review_all(life.node)
        return peers

    def listen(self, node: str, inbound: Inbound, greeting: Greeting | None = None) -> None:
        """From now on the node takes requests, from those that it accepts in a handshake and that accept it."""
        self._stations[node].inbound = inbound
        self._stations[node].greeting = greeting
        self._review_all(node)

    def silence(self, node: str) -> None:
        """The node takes no more requests; what it took it may still answer."""
        self._stations[node].inbound = None
        self._review_all(node)

    def detach(self, node: str) -> None:
        """The node is gone; its peers notice later."""
        del self._stations[node]
        for key in [key for key in self._unanswered if key[0] == node]:
            del self._unanswered[key]
        self._review_all(node)

    def paused(self, life: Life) -> None:
        """The node was just paused: its peers will take it to be silent."""
        if self.weather.silent_s:
            for other in sorted(self._stations):
                delay_s = self.weather.silent_s * self._dice.uniform(1.0, 7 / 6)
                self.world.after(delay_s, self._hang_up, self._stations[other].life, life, self.world.now())

    def _hang_up(self, life: Life, silent: Life, since: float) -> None:
        station = self._stations.get(life.node)
        if station is None or station.life is not life or not silent.paused or silent.resumed_at > since:
            return
        if station.peers.connected_to(silent.node) == silent.number:
            life.do(self._break, station, silent.node)

    def unanswered(self, for_s: float) -> list[str]:
        """Requests that wait for so long already."""
        latest = self.world.now() - for_s
        return [asked for since, asked in self._unanswered.values() if since <= latest]

    # -- links -----------------------------------------------------------------------------------------------------

    def cut(self, source: str, target: str) -> None:
        """Nothing passes from `source` to `target` any more, not even what is on its way."""
        self._cut[source, target] = None
        self._review_pair(source, target)

    def mend_all(self) -> None:
        """Every link is whole again, and none is slow."""
        self.delays.clear()
        for source, target in list(self._cut):
            del self._cut[source, target]
            self._review_pair(source, target)

    def reset(self, source: str, target: str) -> None:
        """Break the connection that `source` opened to `target`: what waits on it is lost, both see it at once."""
        station = self._stations.get(source)
        if station is not None:
            station.life.do(self._break, station, target)

    def _break(self, station: _Station, target: str) -> None:
        station.peers.disconnected(target)
        self._review(station.life.node, target)

    def reachable(self, source: str, target: str) -> int | None:
        """Number of the life that a connection from `source` would reach, None if none could be made."""
        there = self._stations.get(target)
        if source not in self._stations or there is None or there.inbound is None:
            return None
        if (source, target) in self._cut or (target, source) in self._cut:
            return None
        return there.life.number

    def _review_all(self, node: str) -> None:
        for other in sorted(self._stations):
            if other != node:
                self._review_pair(node, other)

    def _review_pair(self, one: str, other: str) -> None:
        self._review(one, other)
        self._review(other, one)

    def _review(self, source: str, target: str) -> None:
        """If what `source` believes of `target` is not so, it notices after a while."""
        station = self._stations.get(source)
        if station is not None and station.peers.connected_to(target) != self.reachable(source, target):
            life = station.life
            self.world.after(self._dice.uniform(0.01, self.weather.notice_s), life.do, self._notice, life, target)

    def _notice(self, life: Life, target: str) -> None:
        station = self._stations.get(life.node)
        if station is None or station.life is not life:
            return
        believed, true = station.peers.connected_to(target), self.reachable(life.node, target)
        if believed is not None and believed != true:
            station.peers.disconnected(target)
            self._review(life.node, target)
        elif believed is None and true is not None:
            there = self._stations[target]
            if there.life.paused:
                there.life.do(self._review, life.node, target)  # it accepts, and answers no greeting
            elif self._agree(station, there):
                station.peers.connected(target, true)

    def _agree(self, opener: _Station, listener: _Station) -> bool:
        """The handshake. Who is found to run on an older copy of its data is told by the listener, and left alone by
        the opener.
        """
        mine, theirs = opener.greeting, listener.greeting
        if mine is None or theirs is None:
            return True
        if objection := theirs.judge(mine.age()):
            self.world.note(f"{listener.life.node} refuses {opener.life.node}: {objection}")
            mine.on_outdated(objection)
            return False
        return not mine.judge(theirs.age())

    # -- messages --------------------------------------------------------------------------------------------------

    def carry(self, route: Route, envelope: Envelope) -> None:
        """Take one message on its way: lost, once, or twice."""
        frame = encode_frame([envelope])
        if self._dice.random() < self.weather.loss:
            self.world.note(f"lose {_brief(route, envelope, frame)}")
            return
        twice = self._dice.random() < self.weather.duplicate
        repeat = _Repeat() if twice else None
        for _ in range(1 + twice):
            self._schedule(route, frame, repeat)

    def _schedule(self, route: Route, frame: bytes, repeat: _Repeat | None) -> None:
        weather, link = self.weather, (route.source, route.target)
        due = self.world.now() + weather.delay_s * self._dice.uniform(0.5, 2.0) + self.delays.get(link, 0.0)
        if self._dice.random() < weather.straggle:
            due += self._dice.uniform(0.0, weather.straggle_s)
        if weather.in_order:
            due = max(due, nextafter(self._last_due.get(link, 0.0), inf))
            self._last_due[link] = due
        self.world.loop.call_at(due, self._arrive, route, frame, repeat)

    def _arrive(self, route: Route, frame: bytes, repeat: _Repeat | None) -> None:
        station = self._stations.get(route.target)
        (envelope,) = decode_envelopes(frame[LENGTH_BYTES:])
        brief = _brief(route, envelope, frame)
        if station is None or station.life.number != route.target_life or (route.source, route.target) in self._cut:
            self.world.note(f"drop {brief}")
        elif station.life.paused:
            self.world.note(f"hold {brief}")
            station.life.do(self._arrive, route, frame, repeat)
        elif envelope.is_reply:
            self.world.note(f"pass {brief}")
            station.peers.answered(route.source, envelope)
        elif station.inbound is not None and (
            repeat is None or repeat.may_pass(lambda: self._again(route, frame, repeat))
        ):
            self.world.note(f"pass {brief}")
            self._deliver(station, station.inbound, route, envelope, repeat)

    def _again(self, route: Route, frame: bytes, repeat: _Repeat) -> None:
        self.world.after(self._dice.uniform(0.0, self.weather.delay_s), self._arrive, route, frame, repeat)

    def _deliver(
        self, station: _Station, inbound: Inbound, route: Route, envelope: Envelope, repeat: _Repeat | None
    ) -> None:
        """Hand a request to the node, and take care that it answers once."""
        life, clock = station.life, station.clock
        key = (life.node, self.world.events)
        asked = f"{life.node} was asked a {type(envelope.message).__name__} by {route.source}"
        self._unanswered[key] = (self.world.now(), asked)

        def respond(message: Message) -> None:
            if not life.alive:
                return
            if self._unanswered.pop(key, None) is None:
                self.breaches.append(f"answered-twice: {asked}")
            elif repeat is None or repeat.may_answer(message):
                answer = Envelope(envelope.exchange, True, station.peers.epoch(), 0, "", message)
                self.carry(route.back(), answer)

        deadline = clock.monotonic() + envelope.left_ms / 1000
        inbound(route.source, envelope.epoch, envelope.message, deadline, envelope.trace, respond)


class _Repeat:
    """A message that the network delivers twice.

    A refusal promises that nothing happened, whatever the network does. So the second copy waits until the first is
    answered, is not delivered after a refusal, and its own refusal, after the first was carried out, is kept back.
    """

    __slots__ = ("_answer", "_taken", "_waiting")

    def __init__(self) -> None:
        self._taken = False
        self._answer: Message | None = None
        self._waiting: Callable[[], None] | None = None

    def may_pass(self, again: Callable[[], None]) -> bool:
        """Whether a copy may be delivered now; `again` is kept to deliver it when the other one is answered."""
        if not self._taken:
            self._taken = True
            return True
        if self._answer is None:
            self._waiting = again
            return False
        return not isinstance(self._answer, Refused)

    def may_answer(self, message: Message) -> bool:
        """Whether this answer may be sent."""
        if self._answer is not None:
            return not isinstance(message, Refused)
        self._answer = message
        if self._waiting is not None:
            self._waiting()
        return True


class SimulatedPeers:
    """The Peers port of one life of a node."""

    def __init__(self, network: Network, life: Life, clock: SimulatedClock, epoch: Callable[[], int]) -> None:
        self.epoch = epoch
        self._network = network
        self._life = life
        self._clock = clock
        self._connections: dict[str, int] = {}
        self._waiting: dict[int, _Waiting] = {}
        self._exchange = 0
        self._grace = network.world.stream("grace", life.node, life.number)

    def is_up(self, peer: str) -> bool:
        return peer in self._connections

    def send(self, peer: str, message: Message, deadline: float, trace: str, receiver: Receiver) -> None:
        if not self._life.alive:
            return
        self._exchange += 1
        exchange = self._exchange
        self._waiting[exchange] = _Waiting(peer, receiver)
        left_s = deadline - self._clock.monotonic()
        if peer not in self._connections:
            self._network.world.after(0.0, self._life.do, self._fail, exchange, PeerFailure.DOWN)
            return
        grace_s = self._grace.uniform(0.0, 0.005)
        timeout_s = max(0.0, left_s) + grace_s
        self._network.world.after(timeout_s, self._life.wake, self._fail, exchange, PeerFailure.TIMEOUT)
        if left_s > 0:
            envelope = Envelope(exchange, False, self.epoch(), ceil(left_s * 1000), trace, message)
            route = Route(self._life.node, self._life.number, peer, self._connections[peer])
            self._network.carry(route, envelope)

    # -- called by the network -------------------------------------------------------------------------------------

    def connected_to(self, peer: str) -> int | None:
        """Number of the peer's life that this node believes to be connected to."""
        return self._connections.get(peer)

    def connected(self, peer: str, life: int) -> None:
        self._network.world.note(f"{self._life.node} sees {peer} up")
        self._connections[peer] = life

    def disconnected(self, peer: str) -> None:
        """The connection broke: every answer that was awaited on it is lost."""
        self._network.world.note(f"{self._life.node} sees {peer} down")
        self._connections.pop(peer, None)
        for exchange in [number for number, waiting in self._waiting.items() if waiting.peer == peer]:
            self._fail(exchange, PeerFailure.LOST)

    def answered(self, peer: str, envelope: Envelope) -> None:
        waiting = self._waiting.pop(envelope.exchange, None)
        if waiting is None or not self._life.alive:
            return
        if isinstance(envelope.message, Refused):
            waiting.receiver.on_failure(peer, PeerError(PeerFailure.REFUSED, refused_error(envelope.message)))
        else:
            waiting.receiver.on_reply(peer, envelope.message)

    def _fail(self, exchange: int, failure: PeerFailure) -> None:
        waiting = self._waiting.pop(exchange, None)
        if waiting is not None and self._life.alive:
            waiting.receiver.on_failure(waiting.peer, PeerError(failure))


def _brief(route: Route, envelope: Envelope, frame: bytes) -> str:
    kind = f"{'answer ' if envelope.is_reply else ''}{type(envelope.message).__name__}"
    return f"{route.source}>{route.target} #{envelope.exchange} {kind} {crc32(frame):08x}"
