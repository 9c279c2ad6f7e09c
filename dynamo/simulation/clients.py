"""The simulated clients: what they ask for, drawn from the seed.

Few keys, many hands. Each client works in sequence: it reads, writes with what it (or, now and then, somebody else) has
seen, writes blindly, deletes, demands an answer as new as a context, and repeats requests through the same or another
node, also while the first try is still under way. Every value is unique.
"""

from __future__ import annotations

import asyncio
from random import Random

import msgspec

from dynamo.protocol.commands import Consistency, ReadCommand, WriteCommand
from dynamo.simulation.cluster import N
from dynamo.simulation.recorder import Recorder, Reply
from dynamo.simulation.world import World
from dynamo.versioning.context import NOTHING, Context

CARTS = "carts"
"""A siblings bucket that is made before the clients begin."""
NAMES = "names"
"""An lww bucket, made before as well."""
LOOSE = "loose"
"""A siblings bucket that the first write makes."""
BUCKETS = (CARTS, NAMES, LOOSE)
REMEMBERED = 8
TTL_MAX_MS = 5_000
Place = tuple[str, bytes]


class Habits(msgspec.Struct):
    """How the clients of one simulation behave. Shares are probabilities."""

    clients: int = 4
    operations: int = 40
    """A client's."""
    keys: int = 3
    """A bucket's."""
    bucket_weights: tuple[int, int, int] = (5, 3, 1)
    """Of carts, names and loose."""
    level_weights: tuple[int, int, int] = (1, 3, 1)
    """Of one, quorum and all."""
    write_share: float = 0.5
    delete_share: float = 0.15
    """Of writes."""
    context_share: float = 0.7
    """Writes that say what they have seen, where anything was."""
    borrow_share: float = 0.1
    """Contexts taken from another client."""
    demand_share: float = 0.2
    """Reads that demand a context."""
    repeat_share: float = 0.15
    ttl_share: float = 0.0
    """Values that live for a few seconds only."""
    pause_s: float = 0.05
    """Mean pause between two operations."""
    timeout_min_s: float = 0.3
    timeout_max_s: float = 2.0


class Clients:
    """All clients of one simulation, and what they share: nodes, keys, and contexts passed from hand to hand."""

    def __init__(self, world: World, recorder: Recorder, nodes: list[str], habits: Habits) -> None:
        self.world = world
        self.recorder = recorder
        self.nodes = nodes
        self.habits = habits
        self._seen: dict[Place, list[Context]] = {}
        self._values = 0

    def places(self) -> list[Place]:
        """Every bucket and key that is worked on."""
        keys = [f"k{number}".encode() for number in range(1, self.habits.keys + 1)]
        return [(bucket, key) for bucket in BUCKETS for key in keys]

    async def run(self) -> None:
        """Run all clients to the end of their work."""
        await asyncio.gather(*(_Client(self, f"c{number + 1}").run() for number in range(self.habits.clients)))

    def value(self) -> bytes:
        """A value that was never written before."""
        self._values += 1
        return f"v{self._values}".encode()

    def publish(self, place: Place, context: Context) -> None:
        """Let others know a context."""
        contexts = self._seen.setdefault(place, [])
        contexts.append(context)
        del contexts[:-REMEMBERED]

    def anyones(self, place: Place) -> list[Context]:
        """Contexts that anybody got for a key lately."""
        return self._seen.get(place, [])


class _Client:
    """One process that works in sequence."""

    def __init__(self, crowd: Clients, name: str) -> None:
        self._crowd = crowd
        self._name = name
        self._dice: Random = crowd.world.stream("client", name)
        self._habits = crowd.habits
        self._last: dict[Place, Context] = {}
        self._session: dict[Place, Context] = {}

    async def run(self) -> None:
        for _ in range(self._habits.operations):
            await self._crowd.world.sleep(self._dice.expovariate(1 / self._habits.pause_s))
            bucket = self._dice.choices(BUCKETS, self._habits.bucket_weights)[0]
            place = (bucket, f"k{self._dice.randint(1, self._habits.keys)}".encode())
            if self._dice.random() < self._habits.write_share:
                await self._write(place)
            else:
                await self._read(place)

    async def _read(self, place: Place) -> None:
        needed = self._level()
        demanded = self._demanded(place)
        command = ReadCommand(
            bucket=place[0],
            key=place[1],
            r=needed,
            context=None if demanded is NOTHING else demanded.clock,
            context_hybrid=demanded.hybrid,
        )
        if needed == N:
            command.r, command.consistency = None, Consistency.ALL
        self._learn(
            place, await self._crowd.recorder.read(self._name, self._node(), command, needed, self._timeout_s())
        )

    async def _write(self, place: Place) -> None:
        needed = self._level()
        seen = self._context(place)
        command = WriteCommand(
            bucket=place[0],
            key=place[1],
            value=None if self._dice.random() < self._habits.delete_share else self._crowd.value(),
            request=self._dice.randbytes(16),
            context=None if seen is NOTHING else seen.clock,
            context_hybrid=seen.hybrid,
            w=needed,
            dw=needed,
            ttl_ms=self._dice.randint(100, TTL_MAX_MS) if self._dice.random() < self._habits.ttl_share else None,
        )
        tries = [self._node()]
        while self._dice.random() < self._habits.repeat_share:
            tries.append(self._dice.choice((tries[0], self._node())))
        at_once = self._dice.random() < 0.5
        replies = []
        for via in tries:
            replies.append(self._crowd.recorder.write(self._name, via, command, needed, self._timeout_s()))
            if not at_once:
                await replies[-1]
        for reply in replies:
            self._learn(place, await reply)

    def _learn(self, place: Place, reply: Reply) -> None:
        if reply.record is None:
            return
        context = Context(reply.record.clock, reply.record.hybrid_max())
        self._last[place] = context
        self._session[place] = self._session.get(place, NOTHING).joined(context)
        self._crowd.publish(place, context)

    def _context(self, place: Place) -> Context:
        """What a write says it has seen."""
        if self._dice.random() >= self._habits.context_share:
            return NOTHING
        others = self._crowd.anyones(place)
        if others and self._dice.random() < self._habits.borrow_share:
            return self._dice.choice(others)
        return self._last.get(place, NOTHING)

    def _demanded(self, place: Place) -> Context:
        """What a read demands: all that this session has seen, or what somebody passed on."""
        if self._dice.random() >= self._habits.demand_share:
            return NOTHING
        others = self._crowd.anyones(place)
        if others and self._dice.random() < 0.5:
            return self._dice.choice(others)
        return self._session.get(place, NOTHING)

    def _level(self) -> int:
        return self._dice.choices((1, 2, N), self._habits.level_weights)[0]

    def _node(self) -> str:
        return self._dice.choice(self._crowd.nodes)

    def _timeout_s(self) -> float:
        return self._dice.uniform(self._habits.timeout_min_s, self._habits.timeout_max_s)
