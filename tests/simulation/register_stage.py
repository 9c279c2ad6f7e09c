"""The stage for stories about keys of a linearizable bucket: what clients ask, what peers say, what acceptors have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from dynamo.errors import DynamoError
from dynamo.layout.ballot import AcceptorState
from dynamo.layout.keyspaces import Keyspace, record_key
from dynamo.layout.register import Register, encode
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.commands import Action, ChangeCommand, ChangeOutcome, Condition
from dynamo.protocol.messages import Message
from dynamo.protocol.paxos import Accept, Prepare
from dynamo.simulation.cluster import Cluster, Shape
from dynamo.simulation.register_disks import Witness, states
from dynamo.versioning.ballot import ZERO, Ballot
from tests.simulation.stage import TIMEOUT_S, Stage, play

LEDGER = "ledger"
KEY = b"k"


class RegisterStage(Stage):
    """A running cluster with one linearizable bucket of n=3. `witness` sees all that acceptors do."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.witness = Witness(cluster)

    async def change(
        self,
        via: str,
        action: Action = Action.SET,
        value: bytes = b"",
        *,
        key: bytes = KEY,
        request: bytes | None = None,
        condition: Condition | None = None,
        amount: int = 0,
        target: bytes = b"",
        timeout_s: float = TIMEOUT_S,
    ) -> ChangeOutcome | DynamoError:
        """Change a key through a node."""
        command = ChangeCommand(
            bucket=LEDGER,
            key=key,
            action=action,
            request=request or self._dice.randbytes(16),
            condition=condition,
            value=value,
            amount=amount,
            target=target,
        )
        return await self._ask(
            via, lambda node, deadline, done: node.change(command, deadline - TIMEOUT_S + timeout_s, "", done)
        )

    async def look(self, via: str, key: bytes = KEY) -> ChangeOutcome | DynamoError:
        """Read a key linearizably through a node."""
        return await self._ask(via, lambda node, deadline, done: node.read_register(LEDGER, key, deadline, "", done))

    async def tell(self, to: str, message: Message, sender: str = "") -> Message | None:
        """Say something to a node as another one would; its answer, None if it dies or says nothing in time."""
        running = self.cluster.running[to]
        answer: asyncio.Future[Message] = self.world.loop.create_future()
        running.node.handle(
            sender or self.other(to),
            self.cluster.ring.epoch,
            message,
            running.clock.monotonic() + TIMEOUT_S,
            "",
            lambda said: None if answer.done() else answer.set_result(said),
        )
        await asyncio.wait([answer], timeout=TIMEOUT_S)
        return answer.result() if answer.done() else None

    def other(self, than: str) -> str:
        return next(node for node in self.cluster.ids if node != than)

    def replicas(self, key: bytes = KEY) -> tuple[str, ...]:
        return self.cluster.primaries(LEDGER, key)

    def state(self, node: str, key: bytes = KEY) -> AcceptorState:
        """What the node has on disk as an acceptor."""
        return states(self.cluster, LEDGER, key)[node] or AcceptorState()

    def rot(self, node: str, key: bytes = KEY) -> None:
        """Flip a bit in what the node keeps as an acceptor of the key; it has nothing else in that keyspace."""
        running = self.cluster.running[node]
        harmed = running.storage.rot(Keyspace.BALLOTS, self._dice)
        assert harmed == record_key(self.cluster.partition(LEDGER, key), LEDGER, key), "that is what lies there"

    def restart(self, node: str) -> None:
        """Power off, and on again."""
        self.cluster.crash(node)
        self.cluster.start(node)


def prepare(ballot: Ballot, key: bytes = KEY) -> Prepare:
    return Prepare(LEDGER, key, ballot)


def accept(ballot: Ballot, value: bytes, *, version: int = 1, key: bytes = KEY, next_ballot: Ballot = ZERO) -> Accept:
    register = Register(version=version, value=value, counter=ballot[0], request=value.ljust(16, b"."))
    return Accept(LEDGER, key, ballot, encode(register), next_ballot)


def perform(
    story: Callable[[RegisterStage], Coroutine[Any, Any, None]], shape: Shape | None = None, seed: int = 1
) -> None:
    """Play a story, and see that the acceptors kept their word in it."""
    seen: list[Witness] = []

    async def watched(stage: RegisterStage) -> None:
        seen.append(stage.witness)
        await story(stage)

    bucket = BucketProperties(name=LEDGER, mode=Mode.LINEARIZABLE)
    play(watched, shape, seed, bucket=bucket, stage=RegisterStage)
    assert seen[0].violations == []
