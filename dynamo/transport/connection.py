"""What both ends of a peer connection share: frames in, batched frames out, and knowing when to give up.

Everything said within one tick of the loop leaves in one frame and one write: the first envelope of a tick schedules
the flush, the others only join. Two things cut a frame short. It has grown to `FRAME_BYTES_AIM`, or a message of that
size or more arrives: it gets a frame of its own, so that the small ones before it need not wait until it is across.

A connection that misbehaves (a frame over the limit, bytes that are no envelopes, silence where an answer is due) is
dropped: one line in the log, no traceback, and whoever waits on it is told.
"""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import cast

import msgspec

from dynamo.protocol.codec import Envelope, Hello, Welcome, decode_envelopes, encode_greeting
from dynamo.telemetry.logs import Log
from dynamo.transport.frames import FrameBuilder, FrameSplitter, FrameTooLarge
from dynamo.transport.handshake import GREETING_BYTES_MAX, Names, names_in
from dynamo.transport.statistics import Traffic

FRAME_BYTES_AIM = 256 * 1024
"""A frame that has reached this size is written without waiting for the tick to end."""
WRITE_BYTES_HIGH = 2**20
"""Bytes that the loop may hold for a socket that takes no more, before this side stops handing it frames."""
WRITE_BYTES_LOW = 2**18

log = Log("transport")

Monotonic = Callable[[], float]


class Timings(msgspec.Struct, frozen=True, kw_only=True):
    """How long the transport waits for things."""

    connect_s: float = 2.0
    """For TCP, and TLS where it is on."""
    handshake_s: float = 3.0
    """For the greeting of the other side."""
    backoff_min_s: float = 0.05
    backoff_max_s: float = 2.0
    sweep_s: float = 0.05
    """Between two looks at deadlines and silent connections: a timeout is reported at most this much late."""
    probe_after_s: float = 1.0
    """An opener that has heard nothing for so long asks whether the other is there."""
    silent_s: float = 3.0
    """An opener that waits for an answer and has heard nothing for so long gives up the connection."""
    idle_s: float = 10.0
    """A listener that has heard nothing for so long, not even a probe, gives up the connection."""
    close_s: float = 1.0
    """For what is still to be written when a connection is closed in order."""


class Connection(asyncio.Protocol, ABC):
    """One TCP connection. The two ends add what they do with a greeting, with envelopes, and at the end."""

    def __init__(self, traffic: Traffic, frame_bytes_max: int, timings: Timings, monotonic: Monotonic) -> None:
        self.loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = self.loop.create_future()
        """Done once the socket is gone and everybody who waited has been told."""
        self.traffic = traffic
        self.greeted = False
        """The handshake is complete: envelopes may come and go."""
        self.ending = False
        """Nothing is read or written any more."""
        self.reason = ""
        """Why this side gave up, empty if the other did."""
        self.address = ""
        self._timings = timings
        self._monotonic = monotonic
        self._frame_bytes_max = frame_bytes_max
        # Less than twice this is in a frame of several envelopes, so that it stays within what the other side takes.
        self._frame_bytes_aim = min(FRAME_BYTES_AIM, frame_bytes_max // 2)
        self._splitter = FrameSplitter(GREETING_BYTES_MAX)
        self._builder = FrameBuilder(frame_bytes_max)
        self._transport: asyncio.Transport | None = None
        self._flush_scheduled = False
        self._opened_at = self._heard_at = monotonic()
        self._seen_in = 0
        self._seen_out = 0
        self._seen_unsent = 0

    # What the two ends differ in.

    @abstractmethod
    def on_greeting(self, body: memoryview) -> None:
        """The first frame. Raises ValueError if it cannot be read."""

    @abstractmethod
    def on_envelopes(self, envelopes: list[Envelope]) -> None:
        """The envelopes of a later frame."""

    @abstractmethod
    def on_end(self) -> None:
        """The connection is gone: tell whoever waits on it."""

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)
        self._opened_at = self._heard_at = self._monotonic()
        transport.set_write_buffer_limits(high=WRITE_BYTES_HIGH, low=WRITE_BYTES_LOW)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        host, port = (transport.get_extra_info("peername") or ("?", 0))[:2]
        self.address = f"{host}:{port}"
        if self.ending:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.ending:
            return
        self.traffic.bytes_in += len(data)
        try:
            bodies = self._splitter.feed(data)
        except FrameTooLarge as problem:
            self.drop_bad("frame over the limit", str(problem))
            return
        for body in bodies:
            self._take(body)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.closed.done():
            return  # `end` was first
        if not self.reason and exc is not None:
            self.reason = f"{type(exc).__name__}: {exc}"
        self.ending = True
        self.greeted = False
        self._transport = None
        self.on_end()
        self.closed.set_result(None)

    def _take(self, body: memoryview) -> None:
        if self.ending:
            return
        traffic = self.traffic
        try:
            if not self.greeted:
                self.on_greeting(body)
                return
            envelopes = decode_envelopes(body)
        except (ValueError, MemoryError, RecursionError) as problem:
            # MemoryError: an array that claims more elements than this machine could hold.
            self.drop_bad("frame cannot be read", f"{type(problem).__name__}: {problem}")
            return
        traffic.frames_in += 1
        traffic.messages_in += len(envelopes)
        self.on_envelopes(envelopes)

    # Writing.

    def put(self, envelope: Envelope) -> None:
        """Say this with everything else of this tick. Raises as `FrameBuilder.add` does, then nothing was said."""
        if self._builder.add(envelope) >= self._frame_bytes_aim:
            self._write_early(envelope)
        elif not self._flush_scheduled:
            self._flush_scheduled = True
            self.loop.call_soon(self._flush)

    def _write_early(self, envelope: Envelope) -> None:
        builder = self._builder
        if builder.last_bytes >= self._frame_bytes_aim and builder.count > 1:
            builder.remove_last()
            self._write_frame()
            builder.add(envelope)
        self._write_frame()

    def _flush(self) -> None:
        self._flush_scheduled = False
        if self._builder.count and not self.ending:
            self._write_frame()

    def _write_frame(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return  # the socket is gone; connection_lost is about to tell everybody
        traffic = self.traffic
        traffic.frames_out += 1
        traffic.messages_out += self._builder.count
        frame = self._builder.take()
        traffic.bytes_out += len(frame)
        transport.write(frame)

    def greet(self, greeting: Hello | Welcome) -> None:
        assert self._transport is not None
        data = encode_greeting(greeting)
        self.traffic.bytes_out += len(data)
        self._transport.write(data)

    def begin(self) -> None:
        """The handshake is complete."""
        self.greeted = True
        self._splitter.limit_bytes = self._frame_bytes_max

    # Ending.

    def drop(self, reason: str) -> None:
        """Give up now: nothing more is read, what was not written is lost."""
        if not self.reason:
            self.reason = reason
        self.ending = True
        if self._transport is not None:
            self._transport.abort()

    def end(self, reason: str) -> None:
        """Give up and tell everybody now, without waiting for the loop to report the loss.

        It may never do so: uvloop says nothing if the opening was cancelled, even where the protocol saw it made.
        """
        self.drop(reason)
        self.connection_lost(None)

    def drop_bad(self, reason: str, detail: str) -> None:
        """Give up on a peer that does not keep to the protocol."""
        if not self.ending:
            self.traffic.frames_bad += 1
            log.warning("peer connection dropped", address=self.address, reason=reason, detail=detail)
        self.drop(reason)

    async def close(self) -> None:
        """Write what is waiting, then close; give up after a while. Returns when everybody has been told."""
        if self._transport is None:
            return
        self._flush()
        self.reason = self.reason or "closed by this node"
        self.ending = True
        if not self._transport.is_closing():  # asyncio's TLS cannot be aborted any more once it was closed twice
            self._transport.close()
        await asyncio.wait([self.closed], timeout=self._timings.close_s)
        self.end("closing took too long")

    # Knowing when to give up.

    @property
    def unsent_bytes(self) -> int:
        """Bytes that the loop holds because the socket takes no more."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def certificate_names(self) -> Names:
        """DNS names of the other side's certificate, None without TLS."""
        assert self._transport is not None
        if self._transport.get_extra_info("ssl_object") is None:
            return None
        return names_in(self._transport.get_extra_info("peercert"))

    def silent_for_s(self, now: float) -> float:
        """Seconds since there was a sign of life, as seen by calls of this.

        Bytes that arrive are one. So are bytes that leave while the loop holds more of them: a value that takes long
        to cross a slow line does not make its receiver dead. (Bytes that leave otherwise prove nothing: the kernel
        of a stopped process takes them.)
        """
        unsent = self.unsent_bytes
        sent = self.traffic.bytes_out - unsent
        if self.traffic.bytes_in != self._seen_in or (self._seen_unsent and sent > self._seen_out):
            self._heard_at = now
        self._seen_in = self.traffic.bytes_in
        self._seen_out = sent
        self._seen_unsent = unsent
        return now - self._heard_at

    def excuse(self, now: float) -> None:
        """This process itself was stopped for a while: the silence was ours, count it anew."""
        self._heard_at = self._opened_at = now
