import asyncio

import pytest

from dynamo.daemons import settler
from dynamo.daemons.settler import Settler
from dynamo.protocol.commands import Consistency
from dynamo.protocol.paxos import Accept, Inspect, Learn, LearnMany
from tests.unit.daemons.rounds import settle, worked_off
from tests.unit.node.strict_world import BUCKET, StrictWorld

KEY = b"k"


@pytest.fixture
async def world() -> StrictWorld:
    world = StrictWorld(later=asyncio.get_running_loop().call_soon)
    await settle()
    return world


async def changed(world: StrictWorld, value: bytes) -> None:
    """A change whose coordinator tells nobody that it was chosen."""
    for node in world.network.nodes.values():
        node._handlers[LearnMany] = _deaf
    outcomes = world.begin(world.order(KEY)[0], world.make(KEY, value=value))
    await settle()
    assert outcomes[0].applied
    world.tell()
    await settle()
    for node in world.network.nodes.values():
        node._handlers[LearnMany] = node.learning.learn_many


def _deaf(*_: object) -> None:
    """Handles nothing."""


async def round_of(world: StrictWorld, name: str) -> None:
    world.clock.turn(settler.AGE_S)
    await worked_off(world, Settler(world[name]).run_once())
    await settle()


def shown(world: StrictWorld) -> list[list[bytes | None]]:
    """What reads at one show at each node, without repairing anything."""
    found = []
    for name in world.order(KEY):
        outcomes = []
        world.begin_read(name, KEY, outcomes, BUCKET, consistency=Consistency.ONE)
        record = outcomes[0].record
        found.append([] if record is None else [s.value for s in record.live(world.clock.wall)])
    return found


async def test_what_nobody_was_told_is_learnt(world):
    """By all replicas, from the first one that looks; then nothing is left to look at, at none of them."""
    await changed(world, b"v")
    assert shown(world) == [[], [], []]
    await round_of(world, world.order(KEY)[1])
    assert shown(world) == [[b"v"]] * 3
    assert [len(world[name].unlearned) for name in world.network.nodes] == [0, 0, 0]
    world.network.sent.clear()
    await round_of(world, world.order(KEY)[0])
    assert world.sent(Inspect, Learn, Accept) == []


async def test_a_change_on_a_minority_is_settled(world):
    """One replica alone has accepted it when its coordinator dies: afterwards it is chosen, and everybody shows it."""
    first, second, third = world.order(KEY)
    world.network.lost = {second, third}
    outcomes = world.begin(first, world.make(KEY, value=b"new"), timeout_s=0.5)
    await settle()
    world.network.lost = set()
    state = world.state(first, KEY)
    assert state is not None
    assert state.value is None, "a first change begins with a Prepare, which nobody answered"
    world.clock.turn(0.6)
    assert len(outcomes) == 1
    await changed(world, b"old")
    world.network.lost = {second, third}
    world.begin(first, world.make(KEY, value=b"new"), timeout_s=0.5)
    await settle()
    world.clock.turn(0.6)
    await settle()
    world.network.lost = set()
    await round_of(world, first)
    assert shown(world) == [[b"new"]] * 3


async def test_what_cannot_be_settled_now_waits(world):
    """Nobody else is there; later somebody is."""
    await changed(world, b"v")
    first, second, third = world.order(KEY)
    world.network.down = {second, third}
    await round_of(world, first)
    assert world[first].unlearned.since(world.clock.now) == [world.stored_key(KEY)]
    world.network.down = set()
    await round_of(world, first)
    assert len(world[first].unlearned) == 0


async def test_what_is_young_is_left_to_its_coordinator(world):
    """It is about to tell."""
    await changed(world, b"v")
    world.network.sent.clear()
    await worked_off(world, Settler(world[world.order(KEY)[0]]).run_once())
    assert world.sent(Inspect) == []
