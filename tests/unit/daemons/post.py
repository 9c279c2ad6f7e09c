"""Some nodes with hints in the first one's book, and a daemon that delivers them while the test turns the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dynamo.config import HintsSection
from dynamo.daemons.hint_sender import HintSender
from dynamo.layout.keyspaces import Keyspace, record_key
from dynamo.protocol.messages import Message, Refused, Store
from dynamo.versioning.record import Record, Sibling, decode, encode
from tests.unit.node.world import World

HOLDER = "node1"
STEP_S = 0.02


def of(actor: str, counter: int, value: bytes = b"v") -> Record:
    return Record({actor: counter}, [Sibling(actor, counter, counter, value)])


class Post:
    """A world of five nodes whose keys have three replicas."""

    def __init__(self, nodes: int = 5, **settings) -> None:
        self.loop = asyncio.get_running_loop()
        self.world = World(nodes, later=self.loop.call_soon, hints=HintsSection(**settings))
        self.holder = self.world[HOLDER]
        self.sender = HintSender(self.holder)
        self._taken: dict[str, Callable[..., None]] = {}

    @property
    def book(self):
        return self.holder.hints

    def key_of(self, *wanted: str, number: int = 0) -> bytes:
        """Some key that has the nodes among its primaries, and not the holder."""
        keys = (b"k%d" % n for n in range(number, 100_000))
        homes = ((key, self.world.primaries(key)) for key in keys)
        return next(key for key, home in homes if HOLDER not in home and set(wanted) <= set(home))

    def keys_of(self, target: str, count: int) -> list[bytes]:
        keys: list[bytes] = []
        while len(keys) < count:
            keys.append(self.key_of(target, number=1 + int(keys[-1][1:]) if keys else 0))
        return keys

    async def keep(self, target: str, key: bytes, record: Record) -> None:
        told = []
        self.book.store(target, "b", key, encode(record), told.append)
        await self.settle()
        assert told == [None]

    async def settle(self, ticks: int = 12) -> None:
        """Let everything happen that does not wait for the clock."""
        for _ in range(ticks):
            await asyncio.sleep(0)

    async def work(self, seconds: float = 3.0) -> None:
        """Rounds of the daemon for so long, on the world's clock."""
        until = self.world.clock.now + seconds
        while self.world.clock.now < until:
            task = self.loop.create_task(self.sender.run_once())
            await self.settle()
            while not task.done():
                self.turn(STEP_S)
                await self.settle()
            task.result()
            self.turn(0.25)

    def turn(self, seconds: float) -> None:
        self.world.clock.wall += int(seconds * 1000)
        self.world.clock.turn(seconds)

    def sent(self, to: str | None = None) -> list[Store]:
        """Everything that the holder sent to be stored."""
        return [
            message
            for sender, peer, message in self.world.network.sent
            if sender == HOLDER and isinstance(message, Store) and peer == (to or peer)
        ]

    def held(self, node: str, key: bytes) -> Record | None:
        """A node's own durable copy."""
        partition = self.holder.preference.partition("b", key)
        data = self.world.storage[node].durable[Keyspace.RECORDS].get(record_key(partition, "b", key))
        return None if data is None else decode(data)

    def refuse(self, node: str, refusal: Refused, *keys: bytes) -> None:
        """From now on a node refuses to store these keys (none: any)."""

        def store(message: Message, deadline: float, trace: str, respond) -> None:
            assert isinstance(message, Store)
            if not keys or message.key in keys:
                respond(refusal)
            else:
                taken(message, deadline, trace, respond)

        taken = self._taken.setdefault(node, self.world[node]._handlers[Store])
        self.world[node]._handlers[Store] = store

    def accept(self, node: str) -> None:
        """It stores again."""
        self.world[node]._handlers[Store] = self._taken[node]

    def counted(self, event: str) -> int:
        return self.holder.metrics.hints[event].value
