"""The asking end of a connection: requests out, replies back to whoever waits for them.

Each request waits in one table, by its exchange number, until exactly one thing happens: its reply, its deadline, or
the end of the connection. Deadlines are looked at together, every few dozen milliseconds, by walking that table: it
holds what is in flight, which admission keeps small, so the walk is cheaper than a timer or a heap entry a request.

The failure says how much is known. What was never handed to the socket is DOWN, whatever the cause: nothing happened.
What was handed over is LOST or TIMEOUT: it may have happened. Numbers grow in the order of sending, so one number
(`_handed_over`) tells the two apart.
"""

from __future__ import annotations

import asyncio
from collections import deque
from math import ceil, inf
from typing import Protocol

import msgspec

from dynamo.errors import DynamoError, Internal, ValueTooLarge
from dynamo.ports import Receiver
from dynamo.protocol.codec import Envelope, Welcome, decode_welcome, encode_frame, refused_error
from dynamo.protocol.effects import PeerError, PeerFailure
from dynamo.protocol.messages import Message, Ping, Refused
from dynamo.transport.connection import Connection, Monotonic, Timings, log
from dynamo.transport.frames import FrameTooLarge
from dynamo.transport.handshake import Introduction, finds_outdated, hello, why_leave
from dynamo.transport.statistics import LinkStatistics

_NEVER = inf
_Call = tuple[float, Receiver]


class _Probe:
    """Waits for the answer to a Ping: that something came is all there is to know, and the connection counts bytes."""

    def on_reply(self, peer: str, message: Message) -> None:
        """Alive."""

    def on_failure(self, peer: str, error: PeerError) -> None:
        """The connection's end tells everybody else."""


_PROBE = _Probe()


class Owner(Protocol):
    """Who is told what becomes of the connection."""

    def on_up(self, connection: OutgoingConnection, theirs: Welcome) -> None:
        """The handshake is done."""

    def on_down(self, connection: OutgoingConnection) -> None:
        """Nothing can be sent any more. Called before those who wait for replies are."""


class Limits(msgspec.Struct, frozen=True):
    """Bounds in bytes."""

    frame_bytes_max: int
    queue_bytes_max: int
    """Requests that wait here because the socket takes no more."""


class OutgoingConnection(Connection):
    """From the first byte of Hello to the last reply."""

    def __init__(
        self,
        peer: str,
        me: Introduction,
        owner: Owner,
        statistics: LinkStatistics,
        limits: Limits,
        timings: Timings,
        monotonic: Monotonic,
    ) -> None:
        super().__init__(statistics, limits.frame_bytes_max, timings, monotonic)
        self._peer = peer
        self._me = me
        self._owner = owner
        self._statistics = statistics
        self._queue_bytes_max = limits.queue_bytes_max
        self._calls: dict[int, _Call] = {}
        self._exchange = 0
        self._joined = 0
        """Last exchange that joined a frame."""
        self._handed_over = 0
        """Last exchange that was handed to the socket."""
        self._probing = 0
        self._paused = False
        self._waiting: deque[tuple[Envelope, int]] = deque()
        """Requests with their sizes that came while the socket took no more."""
        self.waiting_bytes = 0

    @property
    def in_flight(self) -> int:
        return len(self._calls) - (self._probing in self._calls)

    @property
    def has_room(self) -> bool:
        """Whether another request may wait here."""
        return self.waiting_bytes < self._queue_bytes_max and not self.ending

    # The handshake.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if not self.ending:
            self.greet(hello(self._me))

    def on_greeting(self, body: memoryview) -> None:
        theirs = decode_welcome(body)
        reason = why_leave(self._me, self._peer, theirs, self.certificate_names())
        if reason:
            if finds_outdated(self._me, self._peer, theirs, self.certificate_names()):
                self._me.on_outdated(theirs.refusal)
            self.drop(reason)
            return
        self.begin()
        self._owner.on_up(self, theirs)

    # Asking.

    def ask(self, message: Message, deadline: float, trace: str, receiver: Receiver) -> PeerError | None:
        """Send a request; the error, if nothing was or will be sent (then `receiver` is not called from here)."""
        left_ms = ceil((deadline - self._monotonic()) * 1000)
        if left_ms <= 0 or self.waiting_bytes >= self._queue_bytes_max:
            return PeerError(PeerFailure.DOWN)
        self._exchange = exchange = self._exchange + 1
        envelope = Envelope(exchange, False, self._me.epoch, left_ms, trace, message)
        try:
            if self._paused:
                self._wait(envelope)
            else:
                self._joined = exchange
                self.put(envelope)
        except (FrameTooLarge, ValueError, OverflowError, TypeError) as problem:
            return self._unsendable(problem, message, trace)
        self._calls[exchange] = (deadline, receiver)
        return None

    def _join(self, envelope: Envelope) -> None:
        if self._paused:
            self._wait(envelope)
        else:
            self._joined = envelope.exchange
            self.put(envelope)

    def _wait(self, envelope: Envelope) -> None:
        size = len(encode_frame([envelope]))
        if size > self._frame_bytes_max:
            raise FrameTooLarge(size, self._frame_bytes_max)
        self._waiting.append((envelope, size))
        self.waiting_bytes += size

    def _unsendable(self, problem: Exception, message: Message, trace: str) -> PeerError:
        error: DynamoError
        if isinstance(problem, FrameTooLarge):
            error = ValueTooLarge(f"the message to {self._peer} does not fit in a frame: {problem}")
        else:
            error = Internal(f"the message to {self._peer} cannot be encoded: {problem}")
        kind = type(message).__name__
        log.error("message not sendable", peer=self._peer, kind=kind, trace=trace, detail=error.detail)
        return PeerError(PeerFailure.REFUSED, error)

    def _write_frame(self) -> None:
        super()._write_frame()
        if not self._builder.count:
            self._handed_over = self._joined

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        now = self._monotonic()
        while self._waiting and not self._paused:
            envelope, size = self._waiting.popleft()
            self.waiting_bytes -= size
            call = self._calls.get(envelope.exchange)
            if call is None:
                continue  # answered before it was asked, by a peer that guesses numbers
            left_ms = ceil(min(call[0] - now, 1e9) * 1000)
            if left_ms > 0:  # else the next sweep tells the caller
                envelope.left_ms = left_ms
                self._join(envelope)

    # Answers.

    def on_envelopes(self, envelopes: list[Envelope]) -> None:
        calls = self._calls
        peer = self._peer
        for envelope in envelopes:
            if not envelope.is_reply:
                self.drop_bad("request where only replies belong", type(envelope.message).__name__)
                return
            call = calls.pop(envelope.exchange, None)
            if call is None:
                self._statistics.late_replies += 1
                continue
            message = envelope.message
            if type(message) is Refused:
                self._fail(call[1], PeerError(PeerFailure.REFUSED, refused_error(message)))
                continue
            try:
                call[1].on_reply(peer, message)
            except Exception as bug:  # noqa: BLE001 - a receiver's bug must not cost the others their answers
                log.bug("receiver failed", bug, peer=peer, kind=type(message).__name__)

    def _fail(self, receiver: Receiver, error: PeerError) -> None:
        self._statistics.count(error.failure)
        try:
            receiver.on_failure(self._peer, error)
        except Exception as bug:  # noqa: BLE001 - as above
            log.bug("receiver failed", bug, peer=self._peer, kind=error.failure.value)

    # Time.

    def sweep(self, now: float) -> None:
        """Fail what is overdue, ask a silent peer whether it is there, give up on one that does not say."""
        timings = self._timings
        if not self.greeted:
            if now - self._opened_at > timings.handshake_s:
                self.drop("handshake took too long")
            return
        self._expire(now)
        silent_s = self.silent_for_s(now)
        if silent_s >= timings.silent_s and self._calls:
            self.drop(f"silent for {silent_s:.1f} s")
        elif silent_s >= timings.probe_after_s and self._probing not in self._calls and not self.ending:
            self._probe()

    def _probe(self) -> None:
        self._exchange = self._probing = self._exchange + 1
        self._calls[self._probing] = (_NEVER, _PROBE)
        left_ms = int(self._timings.silent_s * 1000)
        self._join(Envelope(self._probing, False, self._me.epoch, left_ms, "", Ping()))

    def _expire(self, now: float) -> None:
        overdue = [(exchange, call[1]) for exchange, call in self._calls.items() if call[0] <= now]
        if not overdue:
            return
        for exchange, _ in overdue:
            del self._calls[exchange]
        self._forget_waiting()
        for exchange, receiver in overdue:
            sent = exchange <= self._handed_over
            self._fail(receiver, PeerError(PeerFailure.TIMEOUT if sent else PeerFailure.DOWN))

    def _forget_waiting(self) -> None:
        if self._waiting:
            self._waiting = deque(item for item in self._waiting if item[0].exchange in self._calls)
            self.waiting_bytes = sum(size for _, size in self._waiting)

    def on_end(self) -> None:
        self._owner.on_down(self)
        calls, self._calls = self._calls, {}
        self._waiting.clear()
        self.waiting_bytes = 0
        for exchange, (_, receiver) in calls.items():
            if receiver is not _PROBE:
                sent = exchange <= self._handed_over
                self._fail(receiver, PeerError(PeerFailure.LOST if sent else PeerFailure.DOWN))
