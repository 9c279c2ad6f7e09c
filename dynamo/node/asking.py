"""Ask several nodes the same thing and wait for all: for rare, small exchanges, never on a request's hot path."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from dynamo.ports import Peers
from dynamo.protocol.effects import PeerError
from dynamo.protocol.messages import Message


class _Answers:
    """Receiver of all the sends of one question."""

    def __init__(self, awaited: int) -> None:
        self.answers: dict[str, Message | PeerError] = {}
        self._awaited = awaited
        self.complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_reply(self, peer: str, message: Message) -> None:
        self._take(peer, message)

    def on_failure(self, peer: str, error: PeerError) -> None:
        self._take(peer, error)

    def _take(self, peer: str, answer: Message | PeerError) -> None:
        self.answers[peer] = answer
        if len(self.answers) == self._awaited and not self.complete.done():
            self.complete.set_result(None)


async def ask(
    peers: Peers, asked: Iterable[str], message: Message, deadline: float, trace: str = ""
) -> dict[str, Message | PeerError]:
    """What each of the nodes `asked` answered, or why not. Returns once all have, by the deadline at the latest."""
    nodes = list(asked)
    if not nodes:
        return {}
    receiver = _Answers(len(nodes))
    for node in nodes:
        peers.send(node, message, deadline, trace, receiver)
    await receiver.complete
    return receiver.answers
