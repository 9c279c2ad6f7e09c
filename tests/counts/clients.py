"""Clients of the nodes: connections that send a request each, all in the same turn, and wait until all are answered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from dynamo.workload.connection import Connection
from dynamo.workload.operations import Operation

SETTLE_S = 0.02
"""How long, in the time of the nodes, what goes on behind an answer may take: it is part of the operation."""


class Client:
    """One connection, and the keys that it goes through."""

    def __init__(self, positions: Sequence[int]) -> None:
        self.positions = positions
        self._connection = Connection(self._answered, self._lost)
        self._answer: asyncio.Future[tuple[int, bytes, bytes]] | None = None

    async def connect(self, port: int) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self._connection, "127.0.0.1", port)

    def send(self, request: bytes) -> asyncio.Future[tuple[int, bytes, bytes]]:
        self._answer = asyncio.get_running_loop().create_future()
        self._connection.send(request)
        return self._answer

    def _answered(self, status: int, head: bytes, body: bytes) -> None:
        assert self._answer is not None, "an answer without a request"
        self._answer.set_result((status, head, body))

    def _lost(self, why: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(AssertionError(f"a client was cut off: {why}"))


async def connected(ports: Sequence[int], shares: Sequence[Sequence[int]], length: int) -> list[Client]:
    """A client for each share of keys, over the ports in turn; `length` keys each."""
    clients = [Client(share[:length]) for share in shares]
    for number, client in enumerate(clients):
        await client.connect(ports[number % len(ports)])
    return clients


async def wave(operation: Operation, clients: Sequence[Client], step: int) -> None:
    """One request of each client, for the key that is its turn. Raises AssertionError for an answer that is wrong."""
    sent = [(client.positions[step], client) for client in clients]
    answers = [(position, client.send(operation.request(position))) for position, client in sent]
    for position, answer in answers:
        status, head, body = await answer
        fault = operation.fault(position, status, head, body)
        assert not fault, f"{operation.name}: {fault}"
    await asyncio.sleep(SETTLE_S)


def steps(clients: Sequence[Client]) -> Iterator[int]:
    """Every key once."""
    return iter(range(len(clients[0].positions)))
