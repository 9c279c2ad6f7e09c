"""The simulated clients of a linearizable bucket: what they ask for, drawn from the seed.

Few keys, many hands. Each client works in sequence: it reads, puts, deletes, adds, and changes under a condition that
names what it has seen, or what was there some time ago. It repeats requests under the same name, through the same node
or another, one after the other or at once, and asks what became of those whose outcome it does not know. Every value is
unique, and so is every sum: whatever is read says where it comes from.
"""

from __future__ import annotations

import asyncio
from random import Random

import msgspec

from dynamo.layout.register import decode
from dynamo.protocol.commands import Action, ChangeCommand, Condition
from dynamo.simulation.recorder import Reply
from dynamo.simulation.register_plan import RegisterHabits
from dynamo.simulation.register_recorder import RegisterRecorder
from dynamo.simulation.world import World

LEDGER = "ledger"
"""The linearizable bucket, made before the clients begin."""
AMOUNT_MAX = 10**12
"""So many that no two sums are equal."""
RESOLVE_TRIES = 3
CLOCKS_APART_MS = 40_000
"""By so much two clocks of one plan can differ, and a little."""
REST_S = 0.2
"""Mean pause of a client that was not served."""
Seen = tuple[int, bytes | None]
"""A version and its value."""


class Rivals:
    """All clients of one simulation, and what they share: nodes, keys, and what became of nobody knows what."""

    def __init__(self, world: World, recorder: RegisterRecorder, nodes: list[str], habits: RegisterHabits) -> None:
        self.world = world
        self.recorder = recorder
        self.nodes = nodes
        self.habits = habits
        self.registers = [b"r%d" % number for number in range(1, habits.registers + 1)]
        self.counters = [b"c%d" % number for number in range(1, habits.counters + 1)]
        self.doubtful: dict[tuple[bytes, bytes], None] = {}
        """Keys and requests that nobody has resolved."""
        self._values = 0

    def places(self) -> list[tuple[str, bytes]]:
        """The bucket and every key that is worked on."""
        return [(LEDGER, key) for key in self.registers + self.counters]

    async def run(self) -> None:
        """Run all clients to the end of their work."""
        await asyncio.gather(*(_Client(self, f"c{number + 1}").run() for number in range(self.habits.clients)))

    def value(self) -> bytes:
        """A value that was never written before."""
        self._values += 1
        return b"v%d" % self._values


class _Client:
    """One process that works in sequence."""

    def __init__(self, crowd: Rivals, name: str) -> None:
        self._crowd = crowd
        self._name = name
        self._dice: Random = crowd.world.stream("client", name)
        self._names: Random = crowd.world.stream("names", name)
        self._habits = crowd.habits
        self._seen: dict[bytes, list[Seen]] = {key: [(0, None)] for _, key in crowd.places()}

    async def run(self) -> None:
        for number in range(self._habits.operations):
            if self._habits.rest_s and number == self._habits.operations // 2:
                await self._rest()
            await self._crowd.world.sleep(self._dice.expovariate(1 / self._habits.pause_s))
            key = self._dice.choice(self._crowd.registers + self._crowd.counters)
            if self._dice.random() < self._habits.read_share:
                replies = [await self._crowd.recorder.look(self._name, self._node(), LEDGER, key, self._patience_s())]
            else:
                replies = await self._change(self._command(key))
            for reply in replies:
                self._learn(key, reply)
            if all(reply.outcome != "ok" for reply in replies):
                await self._crowd.world.sleep(self._dice.expovariate(1 / REST_S))

    async def _rest(self) -> None:
        """Leave nothing behind, and let the store forget it."""
        for _, key in self._crowd.places():
            command = ChangeCommand(bucket=LEDGER, key=key, action=Action.DELETE, request=self._dice.randbytes(16))
            await self._change(command)
        await self._crowd.world.sleep(self._habits.rest_s)

    async def _change(self, command: ChangeCommand) -> list[Reply]:
        tries = [self._node()]
        while self._dice.random() < self._habits.repeat_share:
            tries.append(self._dice.choice((tries[0], self._node())))
        at_once = self._dice.random() < 0.5
        meddling = self._meddle(command) if self._dice.random() < self._habits.meddle_share else None
        # Who gave it no name can neither repeat it nor ask what became of it.
        command.named = len(tries) > 1 or meddling is not None or self._names.random() < 0.5
        is_candid = self._names.random() < self._habits.candid_share
        began = self._crowd.world.now()
        replies: list[asyncio.Future[Reply]] = []
        for via in tries:
            asked = self._repeated(command, via, began) if replies and is_candid else command
            replies.append(self._crowd.recorder.change(self._name, via, asked, self._patience_s()))
            if not at_once:
                await replies[-1]
        answers = [await reply for reply in replies]
        if meddling is not None:
            await meddling
        outcomes = [answer.outcome for answer in answers]
        if command.named and "ok" not in outcomes and "unknown" in outcomes:
            await self._unknown(command)
        return answers

    def _repeated(self, command: ChangeCommand, via: str, began: float) -> ChangeCommand:
        """An attempt that is not the first, as a node takes it from a client that says so."""
        age_ms = int(1000 * (self._crowd.world.now() - began)) + CLOCKS_APART_MS
        born = max(1, self._crowd.recorder.wall_ms(via) - age_ms)
        return msgspec.structs.replace(command, repeated=True, born=born)

    def _meddle(self, command: ChangeCommand) -> asyncio.Task[Reply]:
        async def meddle() -> Reply:
            await self._crowd.world.sleep(self._dice.random() * 0.2)
            return await self._resolve(command)

        return self._crowd.world.loop.create_task(meddle())

    async def _unknown(self, command: ChangeCommand) -> None:
        """Resolve it, or leave it to others."""
        if self._dice.random() < self._habits.resolve_share:
            for _ in range(RESOLVE_TRIES):
                if (await self._resolve(command)).outcome == "ok":
                    return
        self._crowd.doubtful[command.key, command.request] = None

    async def _resolve(self, command: ChangeCommand) -> Reply:
        asked = ChangeCommand(
            bucket=LEDGER,
            key=command.key,
            action=Action.RESOLVE,
            request=self._dice.randbytes(16),
            target=command.request,
        )
        return await self._crowd.recorder.change(self._name, self._node(), asked, self._patience_s())

    def _command(self, key: bytes) -> ChangeCommand:
        command = ChangeCommand(bucket=LEDGER, key=key, action=Action.SET, request=self._dice.randbytes(16))
        if self._dice.random() < self._habits.delete_share:
            command.action = Action.DELETE
        elif key in self._crowd.counters:
            command.action, command.amount = Action.ADD, self._dice.randint(-AMOUNT_MAX, AMOUNT_MAX)
        else:
            command.value = self._crowd.value()
        if self._dice.random() < self._habits.condition_share:
            command.condition = self._condition(key)
        return command

    def _condition(self, key: bytes) -> Condition:
        stale = self._dice.random() < self._habits.stale_share
        version, value = self._dice.choice(self._seen[key]) if stale else self._seen[key][-1]
        by_version = self._dice.random() < 0.5
        if by_version and (value is not None or not self._habits.rest_s):
            return Condition(version=version)
        return Condition(exists=False) if value is None else Condition(value=value)

    def _learn(self, key: bytes, reply: Reply) -> None:
        if reply.change is not None and reply.change.register:
            register = decode(reply.change.register)
            self._seen[key].append((register.version, register.value))

    def _node(self) -> str:
        """Any node; where it is down, another one, which may be down as well."""
        node, other = self._dice.choice(self._crowd.nodes), self._dice.choice(self._crowd.nodes)
        return node if self._crowd.recorder.is_up(node) else other

    def _patience_s(self) -> float:
        return self._dice.uniform(self._habits.timeout_min_s, self._habits.timeout_max_s)
