"""The contract of `ports.Peers`, played on the simulated network: without faults on the way it is as good as TCP."""

import asyncio
import itertools

import pytest

from dynamo.ports import Inbound, Peers
from dynamo.simulation.network import Network, Weather
from dynamo.simulation.world import Life, SimulatedClock, World
from tests.contract.peers_contract import CLAIMS, Claim


class SimulatedStage:
    """A network on virtual time; all nodes share one monotonic clock, as processes of one machine do."""

    def __init__(self, world: World, weather: Weather) -> None:
        self.epoch = 1
        self.network = Network(world, weather)
        self._world = world
        self._lives = itertools.count(1)
        self._running: dict[str, Life] = {}

    def now(self) -> float:
        return self._world.now()

    async def start(self, node: str, inbound: Inbound) -> Peers:
        life = Life(node, next(self._lives))
        clock = SimulatedClock(self._world, life)
        clock._origin_s = 0.0
        peers = self.network.attach(life, clock, lambda: self.epoch)
        self.network.listen(node, inbound)
        self._running[node] = life
        return peers

    async def crash(self, node: str) -> None:
        self._running.pop(node).alive = False
        self.network.detach(node)


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
def test_the_simulated_network(claim: Claim, in_order: bool):
    """Whether or not messages may overtake each other."""
    world = World(7)
    world.run(asyncio.wait_for(claim(SimulatedStage(world, Weather(in_order=in_order))), 600))
    assert world.unhandled == []
