"""The operations that are counted: four that clients ask of the whole cluster, and three that a node asks of a replica.

Each is done once for every key before it is counted, so that what is remembered is remembered. Nine requests are under
way at a time, three at each node. An operation of the cluster is all that its three nodes do, until they are quiet
again. One of a replica is what node3 does with a message that another node has sent it, its store and its Merkle leaf
included: the messages are kept back on their way, and handed over when nothing else happens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from dynamo.client import answers as client_answers
from dynamo.client.answer import Answer
from dynamo.client.routing import Routing
from dynamo.workload.keys import KeySpace, RoutedKeys
from dynamo.workload.operations import Get, Operation, Put
from dynamo.workload.register_operations import RegisterCas, RegisterPut
from tests.counts.clients import SETTLE_S, Client, connected, steps, wave
from tests.counts.counter import Count, Place
from tests.counts.nodes import CLIENT_PORT, NODES, OPS_PORT, Nodes

KEYS = 180
"""Many more than are asked for, so that each connection finds enough of which its node is the first replica."""
CLIENTS = 9
EACH = 5
"""Requests of each client that are counted."""
VALUE_BYTES = 256
PLAIN, REGISTERS = "counted", "registers"
PORTS = [CLIENT_PORT + number for number in range(len(NODES))]
ASKED = NODES[2]
READY_TIMEOUT_S = 60.0

Counts = dict[str, tuple[int, Count]]
"""By operation: how many there were, and what they took."""


class Stage:
    """Running nodes with two buckets, in which every key has been written."""

    def __init__(self, nodes: Nodes, place: Place) -> None:
        self._nodes = nodes
        self._place = place
        self._keys = KeySpace(1, KEYS, VALUE_BYTES)
        self._put = Put(self._keys, PLAIN, w=3)
        self._registers: RegisterPut
        self._routed: RoutedKeys

    async def prepare(self) -> None:
        await ready()
        await asked("PUT", f"/v1/buckets/{PLAIN}", b'{"n":3}')
        await asked("PUT", f"/v1/buckets/{REGISTERS}", b'{"n":3,"mode":"linearizable"}')
        self._routed = RoutedKeys(self._keys, await self._first_replicas(), len(NODES))
        self._registers = RegisterPut(self._routed, REGISTERS)
        for operation in (self._put, self._registers):
            clients = await self._clients(operation)
            for step in steps(clients):
                await wave(operation, clients, step)
        await self._nodes.quieten()

    async def count_all(self) -> Counts:
        """Every operation, in an order in which none changes what the next one finds."""
        put = Put(self._keys, PLAIN, w=2, after=self._put)
        cas = RegisterCas(self._routed, REGISTERS, self._registers.versions)
        found: Counts = {}
        for name, operation in (
            ("GET R=1", Get(self._keys, PLAIN, r=1)),
            ("GET R=2", Get(self._keys, PLAIN, r=2)),
            ("PUT W=2", put),
            ("CAS", cas),
        ):
            found[name] = await self._of_cluster(operation)
        everywhere = Get(self._keys, PLAIN, r=3)
        found["Fetch, at a replica"] = await self._of_replica(everywhere, {"Fetch"}, keeps=False)
        found["Store, at a replica"] = await self._of_replica(put, {"Store"}, keeps=True)
        found["Accept, at a replica"] = await self._of_replica(cas, {"Accept", "AcceptMany"}, keeps=True)
        return found

    async def _of_cluster(self, operation: Operation) -> tuple[int, Count]:
        clients = await self._clients(operation)
        for step in steps(clients):
            await wave(operation, clients, step)
        with Count(self._place) as count:
            for step in steps(clients):
                await wave(operation, clients, step)
        return len(clients) * EACH, count

    async def _of_replica(self, operation: Operation, kinds: set[str], *, keeps: bool) -> tuple[int, Count]:
        """What one node does with messages of these kinds. With `keeps` it has not seen them before."""
        clients = [
            client
            for number, client in enumerate(await self._clients(operation))
            if NODES[number % len(NODES)] != ASKED
        ]
        noted: list[tuple[object, ...]] = []
        kept_back = kinds | {"LearnMany", "Learn"}

        def note(node: str, message: tuple[object, ...]) -> bool:
            kind = type(message[2]).__name__
            if node != ASKED or kind not in kept_back:
                return True
            if kind in kinds:
                noted.append(message)
            return not keeps

        self._nodes.noted = note
        for step in steps(clients):
            await wave(operation, clients, step)
        self._nodes.noted = None
        assert noted, f"{ASKED} was asked for nothing like {', '.join(sorted(kinds))}"
        count = Count(self._place)
        for each in waves_of(noted, EACH):
            with count:
                self._nodes.hand_over(ASKED, each)
                await asyncio.sleep(SETTLE_S)
        return sum(map(parts, noted)), count

    async def _clients(self, operation: Operation) -> list[Client]:
        return await connected(PORTS, operation.keys.shares(CLIENTS), EACH)

    async def _first_replicas(self) -> list[int]:
        nodes = [f"127.0.0.1:{port}" for port in PORTS]
        routing = Routing(nodes, lambda: 0.0)
        routing.install(client_answers.ring(Answer(200, {}, await asked("GET", "/v1/ring"))))
        return [nodes.index(routing.order(REGISTERS, key.encode(), 0.0)[0]) for key in self._keys.keys]


def waves_of(messages: Sequence[tuple[object, ...]], count: int) -> list[Sequence[tuple[object, ...]]]:
    """As many groups of about the same size."""
    size = -(-len(messages) // count)
    return [messages[first : first + size] for first in range(0, len(messages), size)]


def parts(message: tuple[object, ...]) -> int:
    """How many keys a message is about."""
    return len(getattr(message[2], "accepts", "1"))


async def ready() -> None:
    """Return when every node says that it is."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READY_TIMEOUT_S
    for number in range(len(NODES)):
        while (await call("GET", "/readyz", b"", OPS_PORT + number))[0] != 200:
            assert loop.time() < deadline, "a node never became ready"
            await asyncio.sleep(0.05)


async def asked(method: str, path: str, body: bytes = b"") -> bytes:
    """The body of a good answer of the first node."""
    status, said = await call(method, path, body, PORTS[0])
    assert 200 <= status < 300, f"{method} {path}: {status} {said!r}"
    return said


async def call(method: str, path: str, body: bytes, port: int) -> tuple[int, bytes]:
    client = Client(())
    await client.connect(port)
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    status, _, said = await client.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return status, said


async def counted(folder: Path, place: Place) -> Counts:
    """All operations on nodes of their own."""
    nodes = Nodes(folder)
    try:
        await nodes.start()
        stage = Stage(nodes, place)
        await stage.prepare()
        return await stage.count_all()
    finally:
        await nodes.stop()
