import asyncio

import pytest

from dynamo.daemons.supervisor import Supervisor
from dynamo.protocol.bucket import BucketProperties
from tests.unit.node.world import World


@pytest.fixture
async def world() -> World:
    return World(2, later=asyncio.get_running_loop().call_soon)


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


async def test_daemons_run_while_the_node_does(world):
    """Round after round, and none after the stop; then nothing is left behind."""
    before = asyncio.all_tasks()
    supervisor = Supervisor(world["node1"])
    supervisor.start()
    for name in ("first", "second"):
        world["node2"].buckets.learn([BucketProperties(name=name)], lambda _: None)
        world.clock.turn(2.0)
        await settle()
        assert world["node1"].buckets.known(name) is not None
    await supervisor.stop()
    world["node2"].buckets.learn([BucketProperties(name="third")], lambda _: None)
    world.clock.turn(5.0)
    await settle()
    assert world["node1"].buckets.known("third") is None
    assert asyncio.all_tasks() == before


async def test_a_stop_in_the_middle_of_a_round(world):
    """A round that waits for an answer is given up."""
    supervisor = Supervisor(world["node1"])
    supervisor.start()
    await asyncio.sleep(0)
    await supervisor.stop()
    await settle()
    await supervisor.stop()
