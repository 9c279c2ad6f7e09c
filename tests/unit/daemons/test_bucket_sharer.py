import asyncio

import pytest

from dynamo.daemons.bucket_sharer import BucketSharer
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.messages import ShareBuckets
from tests.unit.node.world import World


@pytest.fixture
async def world() -> World:
    return World(3, later=asyncio.get_running_loop().call_soon)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def bucket(name: str, **properties) -> BucketProperties:
    return BucketProperties(name=name, created=(1, "node9"), changed=(1, "node9"), **properties)


def shared(world: World) -> list[tuple[str, str, list[str]]]:
    return [(a, b, [p.name for p in m.buckets]) for a, b, m in world.network.sent if isinstance(m, ShareBuckets)]


async def test_a_first_write_is_announced_to_everyone(world):
    """Nobody waits for it; whoever was away misses it."""
    BucketSharer(world["node1"])
    world.network.down = {"node3"}
    world["node1"].buckets.for_writing("b")
    await settle()
    assert shared(world) == [("node1", "node2", ["b"]), ("node1", "node3", ["b"])]
    assert world["node2"].buckets.known("b") is not None
    assert world["node3"].buckets.known("b") is None


async def test_the_announcement_goes_before_the_write(world):
    """On each connection, so that a replica knows the bucket's mode when its first record comes."""
    BucketSharer(world["node1"])
    world["node1"].write(world.command(b"k", b"x", w=1), 102.0, "t", lambda _: None)
    await settle()
    for peer in ("node2", "node3"):
        to_peer = [type(message).__name__ for _, to, message in world.network.sent if to == peer]
        assert to_peer == ["ShareBuckets", "Store"]


async def test_a_round_brings_two_books_together(world):
    """Each learns what the other has, whoever asks; equal books cost one small message."""
    sharer = BucketSharer(world["node1"])
    world["node1"].buckets.learn([bucket("mine")], lambda _: None)
    world["node3"].buckets.learn([bucket("theirs", mode=Mode.LWW)], lambda _: None)
    world.dice.thrown = 0.99
    await sharer.run_once()
    assert world["node1"].buckets.digest() == world["node3"].buckets.digest()
    assert len(world["node1"].buckets.all()) == 2
    world.network.sent.clear()
    await sharer.run_once()
    assert shared(world) == [("node1", "node3", [])]


@pytest.mark.parametrize(("thrown", "peer"), [(0.0, "node2"), (0.49, "node2"), (0.5, "node3"), (0.999, "node3")])
async def test_the_peer_is_drawn_from_those_that_are_up(world, thrown, peer):
    """All alike; one that is down is not asked."""
    sharer = BucketSharer(world["node1"])
    world.dice.thrown = thrown
    await sharer.run_once()
    assert [to for _, to, _ in shared(world)] == [peer]
    world.network.sent.clear()
    world.network.down = {peer}
    await sharer.run_once()
    assert [to for _, to, _ in shared(world)] == [{"node2": "node3", "node3": "node2"}[peer]]


async def test_a_node_is_ready_once_it_has_compared(world):
    """Not while nobody is up, not by a peer that does not answer."""
    node = world["node1"]
    node.buckets.compared = False
    sharer = BucketSharer(node)
    world.network.down = {"node2", "node3"}
    await sharer.run_once()
    assert node.readiness() != []
    world.network.down, world.network.silent = set(), {"node2", "node3"}
    await sharer.run_once()
    assert node.readiness() != []
    world.network.silent = set()
    await sharer.run_once()
    assert node.readiness() == []


async def test_a_bucket_dropped_meanwhile_stays_dropped(world):
    """A node that was away learns of the drop, instead of bringing the bucket back."""
    for node in world.network.nodes.values():
        node.buckets.learn([bucket("b")], lambda _: None)
    for name in ("node1", "node2"):
        node = world[name]
        node.buckets.learn([bucket("b", deleted=True)], lambda _: None)
    await BucketSharer(world["node3"]).run_once()
    assert [node.buckets.known("b") for node in world.network.nodes.values()] == [None] * 3
