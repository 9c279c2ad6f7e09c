"""The contract of `ports.Peers`, played on every network that we have."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from dynamo.config import MemberSection, TlsSection
from dynamo.ports import Inbound
from dynamo.transport import tls
from dynamo.transport.handshake import Introduction
from dynamo.transport.listener import Listener
from dynamo.transport.peers import TcpPeers
from tests.certificates import OPENSSL, Authority
from tests.contract.peers_contract import CLAIMS, Claim, Play

NODES = ("node1", "node2", "node3")
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


class SystemRandomness:
    def random(self) -> float:
        return random.random()

    def token_bytes(self, count: int) -> bytes:
        return random.randbytes(count)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class TcpStage:
    """Real sockets on loopback."""

    def __init__(self, certificates: dict[str, TlsSection] | None) -> None:
        self.epoch = 1
        self._certificates = certificates or {}
        self._members = [MemberSection(id=node, peer_port=free_port()) for node in NODES]
        self._running: dict[str, tuple[Listener, TcpPeers]] = {}

    def now(self) -> float:
        return time.monotonic()

    async def start(self, node: str, inbound: Inbound) -> TcpPeers:
        me = Introduction("cluster", node, "00000001", self.epoch, frozenset(NODES))
        section = self._certificates.get(node, TlsSection())
        peers = TcpPeers(me, self._members, SystemRandomness(), tls=tls.client_context(section))
        listener = Listener(me, inbound, tls=tls.server_context(section), greeted=peers.retry_now)
        port = next(member.peer_port for member in self._members if member.id == node)
        await listener.start("127.0.0.1", port)
        await peers.start()
        self._running[node] = (listener, peers)
        return peers

    async def crash(self, node: str) -> None:
        listener, peers = self._running.pop(node)
        for connection in list(listener._connections):
            connection.drop("crash")
        for link in peers._links.values():
            if link._opening is not None:
                link._opening.drop("crash")
        await self._stop(listener, peers)

    async def stop(self) -> None:
        for listener, peers in self._running.values():
            await self._stop(listener, peers)

    async def _stop(self, listener: Listener, peers: TcpPeers) -> None:
        await listener.stop()
        await peers.stop()


def tcp(loop_factory: Callable[[], asyncio.AbstractEventLoop], certificates: dict[str, TlsSection] | None) -> Play:
    async def whole(claim: Claim) -> None:
        stage = TcpStage(certificates)
        try:
            await claim(stage)
        finally:
            await stage.stop()

    def play(claim: Claim) -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(whole(claim))

    return play


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TlsSection]:
    if OPENSSL is None:
        pytest.skip("needs the openssl program")
    folder: Path = tmp_path_factory.mktemp("certificates")
    authority = Authority(folder)
    return {node: authority.issue(node) for node in NODES}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
@pytest.mark.parametrize("loop", LOOPS)
def test_tcp(loop: str, claim: Claim):
    """Plain TCP keeps the contract."""
    tcp(LOOPS[loop], None)(claim)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
@pytest.mark.parametrize("loop", LOOPS)
def test_tls(loop: str, certificates: dict[str, TlsSection], claim: Claim):
    """So does TCP under TLS with certificates on both sides."""
    tcp(LOOPS[loop], certificates)(claim)
