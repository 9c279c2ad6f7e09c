import asyncio

import pytest

from dynamo.daemons import repairer
from dynamo.daemons.pace import BUSY_INFLIGHT, LATE_S, Pace
from dynamo.daemons.repairer import Repairer
from dynamo.errors import StorageFull
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.messages import AskRoots, Store
from tests.unit.node.world import START_MS, World

KEYS = [b"user%d" % number for number in range(12)]


class Turning:
    """Turns the world's clock while something on its loop runs."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def to_its_end(self, work) -> None:
        task = asyncio.get_running_loop().create_task(work)
        for _ in range(20_000):
            if task.done():
                return await task
            await asyncio.sleep(0)
            self.world.clock.turn(0.01)
        raise AssertionError("it does not end")


@pytest.fixture
async def world() -> World:
    return World(3, later=asyncio.get_running_loop().call_soon, partitions=4)


@pytest.fixture
def turning(world: World) -> Turning:
    for node in world.network.nodes.values():
        node.buckets.compared = True
    return Turning(world)


async def write(world: World, keys: list[bytes], bucket: str = "b") -> None:
    """On node1 and node2 only."""
    world.network.down = {"node3"}
    for key in keys:
        world["node1"].write(world.command(key, b"of " + key, bucket), world.clock.now + 2, "", lambda _: None)
    for _ in range(50):
        await asyncio.sleep(0)
    world.network.down = set()
    world.network.sent.clear()


async def test_a_run_repairs_what_differs(world, turning):
    """Here what is missing here; and it is counted."""
    await write(world, KEYS)
    node = world["node3"]
    run = node.repairs.request("", -1)
    await turning.to_its_end(Repairer(node).run_once())
    assert world.records("node3") == world.records("node1")
    assert run.finished
    assert run.tally.keys_repaired >= len(KEYS)
    assert (run.tally.keys_failed, run.tally.failed) == (0, 0)
    assert run.tally.exchanges == run.exchanges_due == 8
    assert node.metrics.repair_keys_repaired.value == run.tally.keys_repaired
    assert node.metrics.repair_exchanges["differed"].value + node.metrics.repair_exchanges["equal"].value == 8
    assert node.repairs.last_full_sweep_at is not None
    successes = node.metrics.antientropy_last_success
    assert {peer: cell.value for peer, cell in successes.items()} == dict.fromkeys(("node1", "node2"), START_MS / 1000)


async def test_a_run_repairs_the_other_side_too(world, turning):
    """Whoever compares, both sides are alike afterwards."""
    await write(world, KEYS)
    world["node1"].repairs.request("", -1)
    await turning.to_its_end(Repairer(world["node1"]).run_once())
    assert world.records("node3") == world.records("node1")


async def test_a_run_of_a_part(world, turning):
    """One bucket, one partition: the rest stays as it is, and no full sweep is claimed."""
    await write(world, KEYS, "b")
    await write(world, KEYS, "c")
    node = world["node3"]
    node.repairs.request("c", -1)
    await turning.to_its_end(Repairer(node).run_once())
    assert len(world.records("node3")) == len(KEYS)
    partition = node.preference.partition("b", KEYS[0])
    node.repairs.request("", partition)
    await turning.to_its_end(Repairer(node).run_once())
    same = [key for key in KEYS if node.preference.partition("b", key) == partition]
    assert len(world.records("node3")) == len(KEYS) + len(same)
    assert node.repairs.last_full_sweep_at is None


async def test_a_replica_that_is_away_is_named(world, turning):
    """It is not asked, and no full sweep is claimed."""
    world.network.down = {"node2"}
    node = world["node3"]
    run = node.repairs.request("", -1)
    await turning.to_its_end(Repairer(node).run_once())
    assert run.peers_away == ["node2"]
    assert run.exchanges_due == run.tally.exchanges == 4
    assert node.repairs.last_full_sweep_at is None


async def test_a_failure_is_counted_and_the_next_pair_comes(world, turning):
    """A peer that does not answer holds up nothing but its own comparisons."""
    await write(world, KEYS)
    world.network.silent = {"node2"}
    node = world["node3"]
    run = node.repairs.request("", -1)
    await turning.to_its_end(Repairer(node).run_once())
    assert run.tally.failed == 4
    assert node.metrics.repair_exchanges["failed"].value == 4
    assert world.records("node3") == world.records("node1")


async def test_only_buckets_of_both_are_compared(world, turning):
    """With n=2 in a bucket the third node is no replica, and gets nothing of it."""
    bucket = BucketProperties(name="two", n=2, created=(1, "x"), changed=(1, "x"))
    for node in world.network.nodes.values():
        node.buckets.learn([bucket], lambda _: None)
    for key in KEYS:
        homes = world.primaries(key, "two", 2)
        world[homes[0]].write(world.command(key, b"x", "two"), world.clock.now + 2, "", lambda _: None)
    for _ in range(50):
        await asyncio.sleep(0)
    before = {name: dict(world.records(name)) for name in world.network.nodes}
    for node in world.network.nodes.values():
        node.repairs.request("", -1)
        await turning.to_its_end(Repairer(node).run_once())
    assert {name: dict(world.records(name)) for name in world.network.nodes} == before


async def test_books_that_differ_cause_no_endless_repairs(world, turning):
    """One node takes a bucket for last-write-wins, the others do not: after two runs nothing is left to do."""
    await write(world, KEYS)
    world["node3"].buckets.learn(
        [BucketProperties(name="b", mode=Mode.LWW, created=(1, "x"), changed=(1, "x"))], lambda _: None
    )
    world.network.down = {"node1", "node2"}
    for key in KEYS:
        world["node3"].write(world.command(key, b"other", "b", w=1), world.clock.now + 2, "", lambda _: None)
    for _ in range(50):
        await asyncio.sleep(0)
    world.network.down = set()
    repaired = []
    for _ in range(3):
        repaired.append(0)
        for node in world.network.nodes.values():
            run = node.repairs.request("", -1)
            await turning.to_its_end(Repairer(node).run_once())
            repaired[-1] += run.tally.keys_repaired
    assert repaired[0] > 0
    assert repaired[2] == 0


async def test_a_sweep_takes_one_pair_at_a_time(world, turning):
    """Each when its time has come; over when all were taken, and not begun anew before the period is over."""
    node = world["node1"]
    daemon = Repairer(node)
    period_s = node.config.repair.period_s
    await turning.to_its_end(daemon.run_once())
    started = world.clock.now
    while not node.repairs.sweep.finished:
        world.clock.turn(daemon.period_s)
        await turning.to_its_end(daemon.run_once())
    assert 0.7 * period_s < world.clock.now - started < 1.1 * period_s
    assert node.repairs.sweep.tally.exchanges == 8
    assert node.repairs.last_full_sweep_at is not None
    number = node.repairs.sweep.number
    world.clock.turn(period_s)
    await turning.to_its_end(daemon.run_once())
    assert node.repairs.sweep.number == number + 1


async def test_the_rate_is_bounded_and_falls_with_load(world):
    """Half of it with some requests in flight, half again when wake-ups come late."""
    node = world["node1"]
    pace = Pace(node)
    most = node.config.repair.keys_per_s_max
    assert pace.rate() == most
    assert pace.rate(10.0) == 10 * most
    for _ in range(BUSY_INFLIGHT):
        assert node.admission.enter() is None
    assert pace.rate() == most / 2
    await pace.wait(32)
    late = asyncio.get_running_loop().create_task(pace.wait(32))
    await asyncio.sleep(0)
    world.clock.now += 1.0
    world.clock.turn(LATE_S)
    await late
    assert pace.rate() == most / 4


async def test_a_rate_holds_over_all_who_share_it(world, turning):
    """Sixty-four keys beyond the first thirty-two wait for their time."""
    pace = Pace(world["node1"])
    started = world.clock.now

    async def all_of_it() -> None:
        await asyncio.gather(*(pace.wait(32) for _ in range(3)))

    await turning.to_its_end(all_of_it())
    assert world.clock.now - started >= 64 / world["node1"].config.repair.keys_per_s_max


async def test_an_empty_node_is_rebuilt(turning):
    """From all others, before anything else; nothing is asked before the buckets are known."""
    world = World(3, later=asyncio.get_running_loop().call_soon, partitions=4, empty=True)
    turning = Turning(world)
    node = world["node3"]
    daemon = Repairer(node)
    node.buckets.compared = False
    await turning.to_its_end(daemon.run_once())
    assert len(node.rebuilding) == 4
    for each in world.network.nodes.values():
        each.buckets.compared = True
    world.network.sent.clear()
    await turning.to_its_end(daemon.run_once())
    assert len(node.rebuilding) == 0
    asked = [(peer, m.partition) for _, peer, m in world.network.sent if isinstance(m, AskRoots)]
    assert set(asked) >= {(peer, partition) for peer in ("node1", "node2") for partition in range(4)}


async def test_a_peer_that_fails_is_left_alone_for_a_while(turning):
    """A rebuild asks the others meanwhile, and the peer again after a second."""
    world = World(3, later=asyncio.get_running_loop().call_soon, partitions=4, empty=True)
    turning = Turning(world)
    node = world["node3"]
    node.buckets.compared = True
    world.network.silent = {"node2"}
    daemon = Repairer(node)
    await turning.to_its_end(daemon.run_once())
    asked = [m.partition for _, peer, m in world.network.sent if peer == "node2" and isinstance(m, AskRoots)]
    assert len(asked) == 1
    assert len(node.rebuilding) == 4
    world.network.silent = set()
    world.clock.turn(repairer.AVOID_S)
    await turning.to_its_end(daemon.run_once())
    assert len(node.rebuilding) == 0


async def test_a_key_that_cannot_be_repaired_is_counted(world, turning):
    """And the others are repaired all the same."""
    await write(world, KEYS)
    node = world["node3"]
    store = node.replica.store

    def refusing(message: Store, done) -> None:
        if message.key == KEYS[0]:
            done(StorageFull("no room"))
        else:
            store(message, done)

    node.replica.store = refusing
    run = node.repairs.request("", -1)
    await turning.to_its_end(Repairer(node).run_once())
    assert len(world.records("node3")) == len(KEYS) - 1
    assert run.tally.keys_failed > 0
