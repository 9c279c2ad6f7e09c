"""Both ends of the wire for tests: real ones that are tidied up, and raw ones that say what no real one would."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

import msgspec

from dynamo.config import LimitsSection, MemberSection
from dynamo.ports import Inbound, Respond
from dynamo.protocol.codec import (
    LENGTH_BYTES,
    MAGIC,
    Envelope,
    Hello,
    Welcome,
    decode_envelopes,
    decode_hello,
    decode_welcome,
    encode_frame,
    encode_greeting,
)
from dynamo.protocol.effects import PeerError, PeerFailure
from dynamo.protocol.messages import Fetch, Fetched, Message, Stored
from dynamo.transport.connection import Timings
from dynamo.transport.handshake import Introduction
from dynamo.transport.listener import Listener
from dynamo.transport.peers import TcpPeers
from tests.streams import serving_streams

PATIENCE_S = 10.0
HOST = "127.0.0.1"
SMALL = LimitsSection(object_bytes_max=2**20, peer_frame_bytes_max=2**21, peer_queue_bytes_max=2**20)
"""Limits that a test can reach quickly."""
QUICK = Timings(
    handshake_s=0.3, backoff_min_s=0.02, backoff_max_s=0.1, sweep_s=0.01, probe_after_s=0.1, silent_s=0.3, idle_s=0.6
)
PATIENT = msgspec.structs.replace(QUICK, probe_after_s=30.0, silent_s=60.0)
"""Quick in everything but giving up on a silent peer."""


def introduction(node: str, **changes: object) -> Introduction:
    me = Introduction("cluster", node, f"0000000{node[-1]}", 1, frozenset({"node1", "node2", "node3"}))
    return msgspec.structs.replace(me, **changes)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for the condition; fail when patience ends."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_at, "waited in vain"
        await asyncio.sleep(0.001)


class Receiver:
    """Remembers what it is told, in one list shared with others if order matters."""

    def __init__(self, told: list[object] | None = None) -> None:
        self.told: list[object] = [] if told is None else told

    @property
    def failure(self) -> PeerFailure | None:
        return next((error.failure for error in self.told if isinstance(error, PeerError)), None)

    def on_reply(self, peer: str, message: Message) -> None:
        self.told.append(message)

    def on_failure(self, peer: str, error: PeerError) -> None:
        self.told.append(error)


class Inbox:
    """Keeps requests, and answers them if told how."""

    def __init__(self, answer: Callable[[Message], Message] | None = None) -> None:
        self.answer = answer
        self.messages: list[Message] = []
        self.deadlines: list[float] = []
        self.traces: list[str] = []
        self.responds: list[Respond] = []

    def __call__(self, peer: str, epoch: int, message: Message, deadline: float, trace: str, respond: Respond) -> None:
        self.messages.append(message)
        self.deadlines.append(deadline)
        self.traces.append(trace)
        self.responds.append(respond)
        if self.answer is not None:
            respond(self.answer(message))


class Dice:
    """`ports.Randomness` with a seed."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)

    def random(self) -> float:
        return self._random.random()

    def token_bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)


class RawPeer:
    """One connection, by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def say(self, *envelopes: Envelope) -> None:
        self.write(encode_frame(list(envelopes)))

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def body(self) -> bytes:
        """The body of the next frame. Raises IncompleteReadError or ConnectionError if there is none."""
        async with asyncio.timeout(PATIENCE_S):
            length = int.from_bytes(await self._reader.readexactly(LENGTH_BYTES), "big")
            return await self._reader.readexactly(length)

    async def envelopes(self) -> list[Envelope]:
        return decode_envelopes(await self.body())

    async def hello(self) -> Hello:
        return decode_hello(await self.body())

    async def is_closed(self) -> bool:
        """Whether the other side closed, once all that it sent is read."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                while await self._reader.read(65536):
                    pass
            except ConnectionError:
                return True
        return True

    async def greet(self, node: str = "node2", **changes: object) -> Welcome:
        hello = Hello(MAGIC, 1, 1, "cluster", node, "0000000a", 1)
        self.write(encode_greeting(msgspec.structs.replace(hello, **changes)))
        return decode_welcome(await self.body())

    async def welcome(self, node: str = "node1", **changes: object) -> Hello:
        """Read the other side's Hello and answer it."""
        hello = await self.hello()
        welcome = Welcome(MAGIC, 1, "cluster", node, "0000000b", 1)
        self.write(encode_greeting(msgspec.structs.replace(welcome, **changes)))
        return hello

    def stop_reading(self) -> None:
        """Like a process that is stopped: the kernel takes bytes until its buffers are full."""
        self._writer.transport.pause_reading()

    def abort(self) -> None:
        self._writer.transport.abort()

    async def close(self) -> None:
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return  # the other side was first


class RawListener:
    """Accepts connections and hands them out, silent until told otherwise."""

    def __init__(self) -> None:
        self.accepted: asyncio.Queue[RawPeer] = asyncio.Queue()
        self.count = 0
        self.all: list[RawPeer] = []
        self._serving = AsyncExitStack()
        self.port = 0

    async def start(self, port: int = 0) -> None:
        _, self.port = await self._serving.enter_async_context(serving_streams(self._accept, HOST, port))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = RawPeer(reader, writer)
        self.count += 1
        self.all.append(peer)
        self.accepted.put_nowait(peer)

    async def accept(self) -> RawPeer:
        async with asyncio.timeout(PATIENCE_S):
            return await self.accepted.get()

    async def stop(self) -> None:
        await self._serving.aclose()


class Cluster:
    """Makes ends of the wire on free ports, and stops them."""

    def __init__(self) -> None:
        self._stops: list[Callable[[], object]] = []

    async def listener(self, inbound: Inbound, port: int = 0, node: str = "node1", **options: object) -> Listener:
        listener = Listener(introduction(node), inbound, **options)  # type: ignore[arg-type]
        await listener.start(HOST, port)
        self._stops.append(listener.stop)
        return listener

    async def peers(self, port: int, node: str = "node2", to: str = "node1", **options: object) -> TcpPeers:
        me = options.pop("me", introduction(node))
        dice = options.pop("dice", Dice())
        peers = TcpPeers(me, [MemberSection(id=to, peer_port=port)], dice, **options)  # type: ignore[arg-type]
        await peers.start()
        self._stops.append(peers.stop)
        return peers

    async def raw(self, port: int, **tls: object) -> RawPeer:
        peer = RawPeer(*await asyncio.open_connection(HOST, port, **tls))  # type: ignore[arg-type]
        self._stops.append(peer.close)
        return peer

    async def raw_listener(self) -> RawListener:
        listener = RawListener()
        await listener.start()
        self._stops.append(listener.stop)
        return listener

    async def stop(self) -> None:
        for stop in reversed(self._stops):
            await stop()  # type: ignore[misc]


async def joined(cluster: Cluster, **options: object) -> tuple[TcpPeers, RawPeer]:
    """A node that asks, and the other end of its connection, by hand."""
    raw = await cluster.raw_listener()
    peers = await cluster.peers(raw.port, **{"timings": PATIENT, **options})
    other = await raw.accept()
    await other.welcome()
    await until(lambda: peers.is_up("node1"))
    return peers, other


def soon() -> float:
    return time.monotonic() + 20


def fetch(number: int) -> Fetch:
    return Fetch("b", b"%d" % number)


def ask(exchange: int, message: Message | None = None, left_ms: int = 5000, trace: str = "req-1") -> Envelope:
    return Envelope(exchange, False, 3, left_ms, trace, message or fetch(exchange))


def reply(exchange: int, message: Message | None = None) -> Envelope:
    return Envelope(exchange, True, 1, 0, "", message or Stored())


def echo(message: Message) -> Message:
    assert isinstance(message, Fetch)
    return Fetched(message.key)
