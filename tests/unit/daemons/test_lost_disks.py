"""Whole nodes that lose their disks, one after the other, while clients count: nothing that was acknowledged is lost.

Messages, answers and batches arrive in a drawn order, some are lost, some nodes are cut off for a while. A disk is lost
only where all other nodes vote: more than that nobody promises. At the end the counter holds at least what was
acknowledged, and at most what was ever asked for.
"""

from __future__ import annotations

import asyncio
import itertools
from random import Random

import pytest

from dynamo.daemons.rejoiner import Rejoiner
from dynamo.daemons.store_sharer import StoreSharer
from dynamo.errors import Applied, DynamoError
from dynamo.layout.register import decode
from dynamo.node.voting import Voting
from dynamo.protocol.commands import Action, ChangeOutcome
from tests.unit.node.strict_world import BUCKET, Outcome, StrictWorld

KEYS = [b"a", b"b"]
STEPS = 90
TICKS = 60


class Disorder:
    """What is to happen happens in a drawn order, within a few turns of the loop."""

    def __init__(self, draw: Random) -> None:
        self._draw = draw
        self._waiting: list = []

    def later(self, action) -> None:
        self._waiting.append(action)
        asyncio.get_running_loop().call_soon(self._one)

    def _one(self) -> None:
        if self._draw.random() < 0.3:
            asyncio.get_running_loop().call_soon(self._one)
            return
        self._waiting.pop(self._draw.randrange(len(self._waiting)))()


class Storm:
    """One seed."""

    def __init__(self, seed: int, nodes: int) -> None:
        self.draw = Random(seed)
        self.world = StrictWorld(nodes, n=nodes, later=Disorder(self.draw).later)
        self.names = list(self.world.network.nodes)
        self.sharers: dict[str, StoreSharer] = {}
        self.rejoiners: dict[str, Rejoiner] = {}
        for name in self.names:
            self.restart_daemons(name)
        self.outcomes: dict[bytes, list[list[Outcome]]] = {key: [] for key in KEYS}
        self.tasks: list[asyncio.Task] = []
        self.wiped = 0

    def restart_daemons(self, name: str) -> None:
        self.sharers[name] = StoreSharer(self.world[name])
        self.rejoiners[name] = Rejoiner(self.world[name])

    async def settle(self, ticks: int = TICKS) -> None:
        for _ in range(ticks):
            await asyncio.sleep(0)

    async def turn(self) -> None:
        self.world.clock.turn(0.05)
        self.world.clock.wall += 50
        await self.settle(self.draw.randrange(TICKS))

    def step(self) -> None:
        roll = self.draw.random()
        name = self.draw.choice(self.names)
        network = self.world.network
        if roll < 0.45:
            key = self.draw.choice(KEYS)
            self.outcomes[key].append(self.world.begin(name, self.world.make(key, Action.ADD, amount=1), 1.0))
        elif roll < 0.75:
            daemon = self.draw.choice([self.sharers, self.rejoiners])[name]
            self.tasks.append(asyncio.create_task(daemon.run_once()))
        elif roll < 0.85:
            where = self.draw.choice([network.silent, network.mute, network.down])
            where.symmetric_difference_update({name})
        elif roll < 0.92:
            for where in (network.silent, network.mute, network.down):
                where.clear()
        elif self.may_lose(name):
            self.wiped += 1
            self.world.wipe(name)
            self.restart_daemons(name)

    def may_lose(self, name: str) -> bool:
        """Whether a majority keeps its memory."""
        return all(not self.world[other].voting.waiting() for other in self.names if other != name)

    async def run(self) -> str:
        """What went wrong; empty if nothing did."""
        await self.settle()
        for _ in range(STEPS):
            self.step()
            await self.turn()
        for where in (self.world.network.silent, self.world.network.mute, self.world.network.down):
            where.clear()
        for _ in range(40):
            for daemon in [*self.sharers.values(), *self.rejoiners.values()]:
                self.tasks.append(asyncio.create_task(daemon.run_once()))
            await self.settle(4 * TICKS)
            self.meet()
            self.world.clock.turn(0.2)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        return await self.verdict()

    def meet(self) -> None:
        """Everybody connects with everybody."""
        for one, other in itertools.permutations(self.world.network.nodes.values(), 2):
            one.store_ages.judge(other.store_ages.mine)

    async def verdict(self) -> str:
        if any(self.world[name].voting.waiting() for name in self.names):
            return "somebody does not vote"
        for key in KEYS:
            for name in self.names:
                found: list[Outcome] = []
                self.world[name].read_register(BUCKET, key, self.world.clock.now + 3, "t", found.append)
                for _ in range(80):
                    await self.settle()
                    self.world.clock.turn(0.05)
                if not found or isinstance(found[0], DynamoError):
                    return f"no answer: {found}"
                if wrong := self.judge(key, found[0]):
                    return wrong
        return ""

    def judge(self, key: bytes, found: ChangeOutcome) -> str:
        told = [outcomes[0] for outcomes in self.outcomes[key] if outcomes]
        silent = len(self.outcomes[key]) - len(told)
        acknowledged = [each for each in told if isinstance(each, ChangeOutcome) and each.applied]
        unknown = sum(isinstance(each, DynamoError) and each.applied is not Applied.NO for each in told)
        count = int(decode(found.register).value or b"0")
        if len({each.version for each in acknowledged}) != len(acknowledged):
            return "two changes made one version"
        if not len(acknowledged) <= count <= len(acknowledged) + unknown + silent:
            return f"{count} of {len(acknowledged)} acknowledged, {unknown + silent} unknown"
        return ""


async def failures(nodes: int, seeds: range) -> tuple[list[tuple[int, str]], int]:
    found, wiped = [], 0
    for seed in seeds:
        storm = Storm(seed, nodes)
        if wrong := await storm.run():
            found.append((seed, wrong))
        wiped += storm.wiped
    return found, wiped


@pytest.mark.parametrize(("nodes", "seeds"), [(3, range(8)), (5, range(4))])
async def test_nothing_acknowledged_is_lost(nodes: int, seeds: range) -> None:
    """However disks, messages and batches are lost and delayed."""
    found, wiped = await failures(nodes, seeds)
    assert found == []
    assert wiped > len(seeds)


async def test_a_node_that_votes_without_asking_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The storm is hard enough to show it."""
    monkeypatch.setattr(Voting, "may_vote", lambda *_: True)
    found, _ = await failures(3, range(2, 6))
    assert found != []
