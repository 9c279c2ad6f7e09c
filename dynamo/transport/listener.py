"""The answering end: accepts the connections of other nodes and hands each request to one callable.

Who has not shown who he is gets little: a few seconds, one small frame, and only so many such connections at a time. A
node that connects again replaces its older connection, which is dead or about to be.

A request's deadline is put on this node's own clock when it arrives. What has no time left is refused before any work
starts; so is a forwarded write that may have lain in the socket while this process did not run (`telemetry/stall.py`).
Replies of one tick leave together. A peer that does not take its replies is not read from any more, and dropped if they
pile up all the same: its requests are its own to limit.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from math import inf

import msgspec

from dynamo.config import LimitsSection
from dynamo.errors import DynamoError, Internal, Overloaded
from dynamo.ports import Inbound
from dynamo.protocol.codec import Envelope, decode_hello, refusal
from dynamo.protocol.messages import Forward, Message, Ping, Pong
from dynamo.protocol.paxos import ForwardChange
from dynamo.telemetry.stall import Stall
from dynamo.transport.connection import Connection, Monotonic, Timings, log
from dynamo.transport.frames import FrameTooLarge
from dynamo.transport.handshake import Introduction, is_ours, welcome
from dynamo.transport.statistics import InboundStatistics, ListenerStatistics, Traffic

_OF_CLIENTS = (Forward, ForwardChange)
"""Of all that peers ask, only these are more than a merge or a vote: begun late, a write would be a second one, and a
change one that somebody has given up.
"""
STRANGERS_MAX = 128
"""Connections whose handshake is not finished; further ones are closed at once."""
_SWEEP_S = 0.25
_STOPPED_S = 1.0
"""A sweep this much later than planned means that this process did not run, and silence proves nothing."""


class _Respond(msgspec.Struct, gc=False):
    """The way back for one request."""

    connection: IncomingConnection
    exchange: int
    answered: bool = False

    def __call__(self, message: Message) -> None:
        assert not self.answered, "a request was answered twice"
        self.answered = True
        self.connection.answer(self.exchange, message)


class IncomingConnection(Connection):
    """From the other side's Hello to the last answer to it."""

    def __init__(self, listener: Listener, frame_bytes_max: int, timings: Timings, monotonic: Monotonic) -> None:
        super().__init__(Traffic(), frame_bytes_max, timings, monotonic)
        self.peer = ""
        """Empty until the handshake is done."""
        self.statistics = InboundStatistics()
        self._listener = listener
        self._me = listener.me
        self._inbound = listener.inbound

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._listener.on_open(self)

    def on_greeting(self, body: memoryview) -> None:
        theirs = decode_hello(body)
        if not is_ours(theirs):
            raise ValueError("not a greeting of this protocol")
        mine = welcome(self._me, theirs, self.certificate_names())
        self.greet(mine)
        if mine.refusal:
            self._refuse(theirs.node, mine.refusal)
            return
        self.peer = theirs.node
        self.statistics = self._listener.on_identified(self)
        self.traffic = self.statistics
        self.begin()
        log.info("peer connected", peer=self.peer, address=self.address, protocol=mine.protocol)

    def _refuse(self, claimed: str, reason: str) -> None:
        self._listener.counts.handshakes_refused += 1
        log.warning("peer connection refused", address=self.address, claimed=claimed[:64], reason=reason)
        self.reason = reason
        self.ending = True
        assert self._transport is not None
        self._transport.close()

    # Requests.

    def on_envelopes(self, envelopes: list[Envelope]) -> None:
        monotonic = self._monotonic
        arrived = monotonic()
        for envelope in envelopes:
            if envelope.is_reply:
                self.drop_bad("reply where only requests belong", type(envelope.message).__name__)
                return
            message = envelope.message
            if type(message) is Ping:
                self.answer(envelope.exchange, Pong())
                continue
            deadline = arrived + envelope.left_ms * 0.001
            is_late = type(message) in _OF_CLIENTS and self._listener.stall.doubts(arrived)
            if is_late or deadline <= monotonic():
                self.statistics.expired += 1
                reason = "stalled" if is_late else "deadline"
                error = Overloaded("the request's time was over before work began", reason=reason)
                self.answer(envelope.exchange, refusal(error))
                continue
            respond = _Respond(self, envelope.exchange)
            try:
                self._inbound(self.peer, envelope.epoch, message, deadline, envelope.trace, respond)
            except Exception as bug:  # noqa: BLE001 - a handler's bug must not cost the peer its connection
                self._handler_failed(bug, message, envelope.trace, respond)

    def _handler_failed(self, bug: Exception, message: Message, trace: str, respond: _Respond) -> None:
        self.statistics.handler_failures += 1
        kind = type(message).__name__
        log.bug("request handler failed", bug, peer=self.peer, kind=kind, trace=trace)
        if not respond.answered:
            respond(refusal(Internal(f"{kind} failed at {self._me.node}; its log has request {trace}")))

    # Replies.

    def answer(self, exchange: int, message: Message) -> None:
        """Say this to the request of that number. Does nothing once the connection is gone."""
        if self.ending:
            return
        epoch = self._me.epoch
        try:
            self.put(Envelope(exchange, True, epoch, 0, "", message))
        except (FrameTooLarge, ValueError, OverflowError, TypeError) as problem:
            error: DynamoError = Internal(f"the answer cannot be sent: {problem}")
            log.error("answer not sendable", peer=self.peer, kind=type(message).__name__, detail=error.detail)
            self.put(Envelope(exchange, True, epoch, 0, "", refusal(error)))

    def _write_frame(self) -> None:
        super()._write_frame()
        if self.unsent_bytes > self._listener.queue_bytes_max:
            self.drop_bad("answers are not taken", f"{self.unsent_bytes} bytes are waiting")

    def pause_writing(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None and not self.ending:
            self._transport.resume_reading()

    # Ending.

    def drop_bad(self, reason: str, detail: str) -> None:
        if not self.greeted and not self.ending:
            self._listener.counts.handshakes_bad += 1
        super().drop_bad(reason, detail)

    def sweep(self, now: float) -> None:
        if not self.greeted:
            if now - self._opened_at > self._timings.handshake_s:
                self.drop_bad("handshake took too long", f"{self._splitter.held_bytes} bytes came")
        elif self.silent_for_s(now) >= self._timings.idle_s:
            log.warning("peer silent", peer=self.peer, address=self.address)
            self.drop("silent")

    def on_end(self) -> None:
        self._listener.on_end(self)


class Listener:
    """Accepts peers. `inbound` is called for each request, on the loop; `greeted` with each node that connects."""

    def __init__(
        self,
        me: Introduction,
        inbound: Inbound,
        *,
        limits: LimitsSection | None = None,
        tls: ssl.SSLContext | None = None,
        timings: Timings | None = None,
        monotonic: Monotonic = time.monotonic,
        greeted: Callable[[str], None] | None = None,
        stall: Stall | None = None,
    ) -> None:
        limits = limits or LimitsSection()
        self.me = me
        self.stall = stall or Stall(inf)
        self.inbound = inbound
        self.queue_bytes_max = limits.peer_queue_bytes_max
        self.counts = ListenerStatistics({})
        self._frame_bytes_max = limits.peer_frame_bytes_max
        self._tls = tls
        self._timings = timings or Timings()
        self._monotonic = monotonic
        self._greeted = greeted
        self._server: asyncio.Server | None = None
        self._stopping = False
        self._connections: dict[IncomingConnection, None] = {}
        self._by_peer: dict[str, IncomingConnection] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._swept_at = 0.0

    async def start(self, host: str, port: int) -> None:
        """Listen. Port 0 takes a free one (see `port`). Raises OSError if it cannot."""
        assert self._server is None, "started twice"
        loop = asyncio.get_running_loop()
        limit_s = None if self._tls is None else self._timings.handshake_s
        self._server = await loop.create_server(
            self._accept, host, port, ssl=self._tls, ssl_handshake_timeout=limit_s, reuse_address=True
        )
        self._swept_at = self._monotonic()
        self._sweeper = loop.call_later(_SWEEP_S, self._sweep)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Accept nobody any more, write what was answered, close every connection."""
        if self._server is None:
            return
        self._stopping = True
        self._server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        await asyncio.gather(*(connection.close() for connection in list(self._connections)))
        await self._server.wait_closed()
        self._server = None

    def statistics(self) -> ListenerStatistics:
        """A copy of all counters, with the present state filled in."""
        peers = {
            peer: msgspec.structs.replace(counted, is_up=peer in self._by_peer)
            for peer, counted in self.counts.peers.items()
        }
        strangers = len(self._connections) - len(self._by_peer)
        return msgspec.structs.replace(self.counts, peers=peers, connections_unidentified=strangers)

    def _accept(self) -> IncomingConnection:
        return IncomingConnection(self, self._frame_bytes_max, self._timings, self._monotonic)

    # What connections tell.

    def on_open(self, connection: IncomingConnection) -> None:
        self.counts.connections_accepted += 1
        if self._stopping:  # it was accepted just before, and is told only now
            connection.drop("this node is stopping")
            return
        self._connections[connection] = None
        if len(self._connections) - len(self._by_peer) > STRANGERS_MAX:
            connection.drop_bad("too many connections without a handshake", f"over {STRANGERS_MAX}")

    def on_identified(self, connection: IncomingConnection) -> InboundStatistics:
        peer = connection.peer
        older = self._by_peer.get(peer)
        if older is not None:
            log.warning("peer connection replaced", peer=peer, older=older.address, newer=connection.address)
            older.drop("replaced by a newer connection")
        self._by_peer[peer] = connection
        counted = self.counts.peers.setdefault(peer, InboundStatistics())
        counted.connects += 1
        if self._greeted is not None:
            self._greeted(peer)
        return counted

    def on_end(self, connection: IncomingConnection) -> None:
        self._connections.pop(connection, None)
        if self._by_peer.get(connection.peer) is connection:
            del self._by_peer[connection.peer]

    def _sweep(self) -> None:
        now = self._monotonic()
        stopped = now - self._swept_at > _SWEEP_S + _STOPPED_S
        self._swept_at = now
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)
        for connection in list(self._connections):
            if stopped:
                connection.excuse(now)
            connection.sweep(now)
