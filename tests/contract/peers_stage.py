"""What the claims about `ports.Peers` are played with: a stage, its receivers and nodes, and ways to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from dynamo.ports import Inbound, Peers, Respond
from dynamo.protocol.effects import PeerError, PeerFailure
from dynamo.protocol.messages import Fetch, Fetched, Message, Store

LATE_S = 0.5
"""How long after a deadline its failure may come."""
BEAT_S = 0.01
PATIENCE_S = 10.0
"""For anything that ought to happen soon; a claim that waits so long has failed."""


class Stage(Protocol):
    """A cluster's network without a cluster. The nodes are called `node1`, `node2` and `node3`."""

    epoch: int
    """The topology that every node works with."""

    def now(self) -> float:
        """Monotonic seconds, of which deadlines are made."""

    async def start(self, node: str, inbound: Inbound) -> Peers:
        """The node comes up (again): it takes requests and connects to the others."""

    async def crash(self, node: str) -> None:
        """The node is gone from one moment to the next. What it was asked stays unanswered."""


class Receiver:
    """Remembers all that it is told, and when."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.replies: list[Message] = []
        self.errors: list[PeerError] = []
        self.peers: list[str] = []
        self.at = 0.0

    @property
    def calls(self) -> int:
        return len(self.replies) + len(self.errors)

    @property
    def failure(self) -> PeerFailure | None:
        return self.errors[0].failure if self.errors else None

    def on_reply(self, peer: str, message: Message) -> None:
        self._note(peer)
        self.replies.append(message)

    def on_failure(self, peer: str, error: PeerError) -> None:
        self._note(peer)
        self.errors.append(error)

    def _note(self, peer: str) -> None:
        self.at = self._stage.now()
        self.peers.append(peer)


class Node:
    """Takes requests and keeps them; answers at once, if told how."""

    def __init__(self, answer: Callable[[Message], Message] | None = None) -> None:
        self._answer = answer
        self.taken: list[tuple[str, int, Message, float, str]] = []
        self.responds: list[Respond] = []

    def __call__(self, peer: str, epoch: int, message: Message, deadline: float, trace: str, respond: Respond) -> None:
        self.taken.append((peer, epoch, message, deadline, trace))
        self.responds.append(respond)
        if self._answer is not None:
            respond(self._answer(message))


def echo(message: Message) -> Message:
    assert isinstance(message, Fetch)
    return Fetched(message.key)


async def until(stage: Stage, condition: Callable[[], bool]) -> None:
    """Wait for the condition; fail when patience ends."""
    give_up_at = stage.now() + PATIENCE_S
    while not condition():
        assert stage.now() < give_up_at, "waited in vain"
        await asyncio.sleep(0.002)


async def settle(stage: Stage, duration_s: float) -> None:
    """Let time pass: for claims that something does *not* happen."""
    end = stage.now() + duration_s
    while stage.now() < end:
        await asyncio.sleep(0.01)


async def pair(stage: Stage, node: Inbound) -> Peers:
    """`node1`'s way to others, with `node2` up and answering by `node`."""
    await stage.start("node2", node)
    peers = await stage.start("node1", Node())
    await until(stage, lambda: peers.is_up("node2"))
    return peers


class Crowd:
    """Many requests to two nodes, with all sorts of deadlines."""

    def __init__(self, stage: Stage, peers: Peers) -> None:
        self._stage = stage
        self._peers = peers
        self._sent: list[tuple[Receiver, float]] = []
        self.lag_s = 0.0
        """The longest time by which this process itself was late, as it is where others use the processor."""
        self._beats = asyncio.get_running_loop().create_task(self._beat())

    async def _beat(self) -> None:
        while True:
            due = self._stage.now() + BEAT_S
            await asyncio.sleep(BEAT_S)
            self.lag_s = max(self.lag_s, self._stage.now() - due)

    async def end(self) -> None:
        """Nothing is looked at any more."""
        self._beats.cancel()
        await asyncio.wait([self._beats])

    def send(self, number: int) -> None:
        receiver = Receiver(self._stage)
        deadline = self._stage.now() + 0.01 * (number % 70)
        target = ("node2", "node3")[number % 2]
        self._peers.send(target, Store("b", b"%d" % number, bytes(number * 50)), deadline, "", receiver)
        self._sent.append((receiver, deadline))

    async def send_many(self, pause_at: int) -> None:
        """A hundred, with a few pauses."""
        for number in range(100):
            self.send(number)
            if number % 25 == pause_at:
                await settle(self._stage, 0.01)

    def up(self) -> list[bool]:
        """Which of the two can be sent to."""
        return [self._peers.is_up(node) for node in ("node2", "node3")]

    def kinds(self) -> set[PeerFailure | None]:
        """How requests have ended so far; None for an answer."""
        return {receiver.failure for receiver, _ in self._sent if receiver.calls}

    def calls(self) -> list[int]:
        """How often each receiver was told."""
        return [receiver.calls for receiver, _ in self._sent]

    def latest_s(self) -> float:
        """The longest time after its deadline that a receiver was told."""
        return max(receiver.at - deadline for receiver, deadline in self._sent)
