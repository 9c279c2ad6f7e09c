import asyncio

import pytest

from dynamo.errors import (
    Applied,
    BucketExists,
    BucketNotEmpty,
    BucketNotFound,
    InvalidParameter,
    QuorumUnavailable,
    WriteTimeout,
)
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.messages import ShareBuckets
from dynamo.versioning.record import Sibling
from tests.unit.node.test_listing import put
from tests.unit.node.world import World


@pytest.fixture
async def world() -> World:
    """Three nodes, worked off by the test's loop."""
    return World(3, later=asyncio.get_running_loop().call_soon)


async def settled(world: World) -> World:
    """The world when nothing is under way any more."""
    for _ in range(20):
        await asyncio.sleep(0)
    return world


def known(world: World, name: str = "b") -> list[BucketProperties | None]:
    return [node.buckets.known(name) for node in world.network.nodes.values()]


async def change(world: World, at: str = "node1", name: str = "b", **properties) -> BucketProperties:
    return await world[at].put_bucket(BucketProperties(name=name, **properties), world.clock.now + 2)


async def test_a_bucket_is_made_on_every_node(world):
    """Durable here before anyone else hears of it."""
    world.storage["node1"].held = True
    making = asyncio.ensure_future(change(world, mode=Mode.LWW, n=3, ttl_s=9))
    await settled(world)
    assert world.network.sent == []
    world.storage["node1"].release()
    made = await making
    assert (made.mode, made.ttl_s) == (Mode.LWW, 9)
    await settled(world)
    assert known(world) == [made] * 3


async def test_a_bucket_is_changed_from_any_node(world):
    """What is fixed stays; the newest change counts everywhere."""
    await change(world, n=3, ttl_s=9)
    await settled(world)
    changed = await change(world, "node2", n=3, w="all")
    await settled(world)
    assert known(world) == [changed] * 3
    with pytest.raises(BucketExists):
        await change(world, "node3", n=2)


@pytest.mark.parametrize("lost", ["down", "silent", "mute"])
async def test_a_majority_is_enough(world, lost):
    """One node that is away hears of it later."""
    getattr(world.network, lost).add("node3")
    made = await change(world)
    assert known(world)[:2] == [made, made]


async def test_without_a_majority_nothing_is_changed(world):
    """If that is known before."""
    world.network.down = {"node2", "node3"}
    with pytest.raises(QuorumUnavailable) as refusal:
        await change(world)
    assert refusal.value.members == {"required": 2, "alive": 1}
    assert known(world) == [None] * 3


@pytest.mark.parametrize("lost", ["silent", "mute"])
async def test_without_answers_it_is_unknown(world, lost):
    """It is here already, and may spread."""
    getattr(world.network, lost).update({"node2", "node3"})
    with pytest.raises(WriteTimeout) as refusal:
        await change(world)
    assert refusal.value.members == {"received": 1, "required": 2}
    assert known(world)[0] is not None


async def test_a_disk_that_is_full(world):
    """Ours: it was not kept, but is known here and may be shared, so the outcome is open. Another one's: one fewer."""
    world.storage["node1"].full = True
    with pytest.raises(WriteTimeout) as refusal:
        await change(world)
    assert refusal.value.applied is Applied.UNKNOWN
    assert [message for _, _, message in world.network.sent if isinstance(message, ShareBuckets)] == []
    world.storage["node1"].full, world.storage["node3"].full = False, True
    made = await change(world)
    assert known(world)[:2] == [made, made]


async def test_two_that_make_a_bucket_at_the_same_moment(world):
    """The earlier creation decides what is fixed, everywhere; whoever wanted something else is told."""
    world.clock.wall += 1
    outcomes = await asyncio.gather(
        change(world, "node1", mode=Mode.LWW), change(world, "node2"), return_exceptions=True
    )
    await settled(world)
    assert len(set(map(str, known(world)))) == 1
    final = known(world)[0]
    for outcome, wanted in zip(outcomes, (Mode.LWW, Mode.SIBLINGS), strict=True):
        assert isinstance(outcome, BucketProperties | BucketExists)
        assert isinstance(outcome, BucketExists) == (final.mode is not wanted)


async def test_a_bucket_that_only_another_node_knows(world):
    """Made there by a first write that this node has not heard of: what is fixed is fixed, and the client is told."""
    earlier = world["node2"].buckets.for_writing("b")
    await settled(world)
    world.clock.wall += 1
    with pytest.raises(BucketExists):
        await change(world, "node1", mode=Mode.LWW)
    await settled(world)
    assert [bucket.mode for bucket in known(world)[:2]] == [Mode.SIBLINGS] * 2
    assert world["node1"].buckets.known("b").created == earlier.created


@pytest.mark.parametrize(
    ("properties", "error"),
    [
        ({"mode": Mode.LINEARIZABLE, "ttl_s": 60}, InvalidParameter),
        ({"mode": Mode.LINEARIZABLE, "require_context": True}, InvalidParameter),
        ({"r": 9}, InvalidParameter),
        ({"name": "B"}, InvalidParameter),
    ],
)
async def test_what_cannot_be_made(world, properties, error):
    """Refused before anything is kept."""
    with pytest.raises(error):
        await change(world, **properties)
    assert known(world, properties.get("name", "b")) == [None] * 3


async def test_a_linearizable_bucket_is_made_by_name(world):
    """Everywhere; `sloppy` is shown as what it is there."""
    made = await change(world, mode=Mode.LINEARIZABLE)
    await settled(world)
    assert (made.mode, made.sloppy) == (Mode.LINEARIZABLE, False)
    assert known(world) == [made] * 3


async def test_an_empty_bucket_is_dropped_everywhere(world):
    """Tombstones do not count as keys; afterwards it is unknown, and may be made again."""
    made = await change(world)
    await settled(world)
    for node in world.network.nodes:
        put(world, node, b"k", Sibling("a", 1, 1, None))
    await world["node2"].delete_bucket("b", world.clock.now + 2)
    await settled(world)
    assert known(world) == [None] * 3
    with pytest.raises(BucketNotFound):
        await world["node1"].delete_bucket("b", world.clock.now + 2)
    again = await change(world, "node3", n=2)
    assert again.generation == made.generation + 1


async def test_a_bucket_with_keys_is_not_dropped(world):
    """A key on a quorum of its replicas is found."""
    await change(world)
    first, second, _ = world.primaries(b"k")
    put(world, first, b"k")
    put(world, second, b"k")
    with pytest.raises(BucketNotEmpty):
        await world["node1"].delete_bucket("b", world.clock.now + 2)
    await settled(world)
    assert None not in known(world)


async def test_a_drop_that_cannot_look(world):
    """Where the keys cannot be listed, the bucket stays."""
    await change(world)
    await settled(world)
    world.network.down = {"node2", "node3"}
    with pytest.raises(QuorumUnavailable):
        await world["node1"].delete_bucket("b", world.clock.now + 2)
    assert None not in known(world)


async def test_more_copies_than_nodes_are_refused(world):
    """No write of such a bucket could ever be answered at all of them."""
    with pytest.raises(InvalidParameter):
        await change(world, n=4)
    assert known(world) == [None, None, None]


def test_a_small_cluster_makes_small_buckets():
    """Where nobody names a number there are as many copies as nodes, and three at the most."""
    assert [World(nodes)["node1"].buckets.for_writing("b").n for nodes in (1, 2, 3, 5)] == [1, 2, 3, 3]
