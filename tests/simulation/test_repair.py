"""Anti-entropy in whole clusters: replicas that were away or lost their disk come back to what the others hold."""

from __future__ import annotations

import pytest

from dynamo.config import HintsSection, RepairSection
from dynamo.errors import DynamoError
from dynamo.layout.digests import LEAVES
from dynamo.layout.keyspaces import Keyspace
from dynamo.node.rebuilding import AWAY_S
from dynamo.protocol.commands import ReadOutcome
from dynamo.simulation.cluster import PARTITIONS, Cluster, Shape
from dynamo.simulation.disk import DiskHabits
from dynamo.simulation.inspection import holdings
from dynamo.simulation.network import Weather
from dynamo.simulation.world import World
from tests.simulation.stage import Stage, play

PERIOD_S = 20.0
CONVERGED_S = 2 * PERIOD_S
"""The promise: two periods after the last fault has ended, replicas are alike, whoever reads or not."""
KEYS = [b"user%d/cart" % number for number in range(40)]


def alone(*, enabled: bool = True, nodes: int = 3) -> Shape:
    """Nothing but anti-entropy brings replicas together."""
    return Shape(
        nodes=nodes,
        read_all_share=0.0,
        hints=HintsSection(enabled=False),
        repair=RepairSection(enabled=enabled, period_s=PERIOD_S),
    )


async def write_all(stage: Stage, via: str, keys: list[bytes] = KEYS, *, w: int = 2) -> None:
    for key in keys:
        outcome = await stage.write(via, key, b"value of " + key, w=w)
        assert not isinstance(outcome, DynamoError), outcome


async def write_without(stage: Stage, away: str, keys: list[bytes] = KEYS) -> None:
    """A node misses everything that is written through n1, and is back."""
    stage.cluster.crash(away)
    await write_all(stage, "n1", keys)
    stage.cluster.start(away)
    await stage.connected()


def alike(stage: Stage) -> bool:
    """Whether every node holds every key of its own, in the same bytes."""
    held = holdings(stage.cluster)
    assert not any(holding.wrong_leaves for holding in held.values())
    return all(
        len({held[node].copies[place].form if place in held[node].copies else "" for node in stage.primaries(key)}) == 1
        for key in KEYS
        for place in [("carts", key.decode())]
    )


def settled(stage: Stage) -> bool:
    return not any(len(running.node.rebuilding) for running in stage.cluster.running.values())


@pytest.mark.parametrize("nodes", [3, 5])
def test_a_replica_that_was_away_converges_without_reads_and_hints(nodes):
    """Within two periods after it is back."""

    async def story(stage: Stage) -> None:
        stage.cluster.crash("n3")
        for key in KEYS:
            via = next(node for node in stage.primaries(key) if node != "n3")
            await write_all(stage, via, [key])
        stage.cluster.start("n3")
        await stage.connected()
        assert not alike(stage)
        await stage.until(lambda: alike(stage), CONVERGED_S)

    play(story, alone(nodes=nodes))


def test_without_anti_entropy_it_stays_behind():
    """What the test above finds is the repairer's doing."""

    async def story(stage: Stage) -> None:
        stage.cluster.crash("n3")
        await write_all(stage, "n1")
        stage.cluster.start("n3")
        await stage.world.sleep(5 * CONVERGED_S)
        assert not alike(stage)

    play(story, alone(enabled=False))


def test_two_that_were_parted_converge_on_what_both_took():
    """Siblings of both sides, and what was deleted on one."""

    async def story(stage: Stage) -> None:
        await write_all(stage, "n1", w=3)
        for other in ("n1", "n2"):
            stage.cluster.network.cut("n3", other)
            stage.cluster.network.cut(other, "n3")
        for number, key in enumerate(KEYS):
            await stage.write("n1", key, None if number % 3 else b"left", w=1)
            await stage.write("n3", key, b"right", w=1)
        stage.cluster.network.mend_all()
        await stage.until(lambda: alike(stage), CONVERGED_S + 10)
        assert stage.values("n2", KEYS[0]) == {b"value of " + KEYS[0], b"left", b"right"}

    play(story, alone())


def test_equal_replicas_cost_roots_only():
    """A sweep over what is alike repairs nothing and looks at no key."""

    async def story(stage: Stage) -> None:
        await write_all(stage, "n1", w=3)
        await stage.world.sleep(3 * PERIOD_S)
        for running in stage.cluster.running.values():
            board = running.node.repairs
            assert board.total.keys_compared == board.total.keys_repaired == board.total.failed == 0
            assert board.total.exchanges >= 2 * 2 * PARTITIONS
            assert board.last_full_sweep_at is not None

    play(story, alone())


def test_an_operators_run_does_not_wait_for_the_sweep():
    """Seconds, where the sweep's turn may be minutes away."""

    async def story(stage: Stage) -> None:
        await write_without(stage, "n3")
        run = stage.cluster.running["n3"].node.repairs.request("", -1)
        await stage.until(lambda: run.finished, 5 * PARTITIONS)
        assert alike(stage)
        assert (run.tally.failed, run.tally.keys_failed, run.peers_away) == (0, 0, [])
        assert run.tally.keys_repaired >= len(KEYS)
        assert run.tally.exchanges == run.exchanges_due == 2 * PARTITIONS

    shape = alone()
    shape.repair = RepairSection(period_s=36_000.0)
    play(story, shape)


# --- a disk that was lost


async def lose_disk(stage: Stage, node: str) -> None:
    if node in stage.cluster.running:
        stage.cluster.crash(node)
    stage.cluster.wipe(node)
    stage.cluster.start(node)


async def leave_all_to_n1(stage: Stage) -> None:
    """Everything was acknowledged by n1 and n3; n2 missed it, n3 loses its disk, n1 is away."""
    stage.cluster.crash("n2")
    await write_all(stage, "n1")
    stage.cluster.crash("n1")
    stage.cluster.start("n2")
    await lose_disk(stage, "n3")


@pytest.mark.parametrize("seed", range(1, 9))
def test_a_lost_disk_never_adds_a_false_nothing(seed):
    """Each key was acknowledged by the node that loses its disk and one other. From the first moment a majority read
    through any node shows the value or fails; it never says that there is nothing.
    """

    async def story(stage: Stage) -> None:
        keys = [b"user%d/cart" % number for number in range(200)]
        await write_without(stage, "n2", keys)
        await lose_disk(stage, "n3")
        # Each key is read once: a second read would find what the first has repaired.
        shown = 0
        for number, key in enumerate(keys):
            via = ("n2", "n3")[number % 2]
            outcome = await stage.read(via, key)
            if isinstance(outcome, ReadOutcome):
                assert outcome.record is not None, f"{via} says that there is no {key!r}"
                shown += 1
            await stage.world.sleep(0.01)
        assert shown > len(keys) / 2
        await stage.until(lambda: settled(stage), 5)
        assert all(stage.values("n3", key) == {b"value of " + key} for key in keys)

    play(story, alone(enabled=False), seed)


def test_it_does_not_call_itself_rebuilt_without_the_replica_that_has_the_rest():
    """The one other copy is on a node that cannot be reached for a while: a majority of the two others fails, and says
    no "nothing"; when the node is back, the value is.
    """

    async def story(stage: Stage) -> None:
        await leave_all_to_n1(stage)
        await stage.world.sleep(AWAY_S / 2)
        for key in KEYS:
            outcome = await stage.read("n2", key)
            assert isinstance(outcome, DynamoError), outcome
        stage.cluster.start("n1")
        await stage.until(lambda: settled(stage), 10)
        for key in KEYS:
            outcome = await stage.read("n2", key)
            assert isinstance(outcome, ReadOutcome)
            assert outcome.record is not None

    play(story, alone(enabled=False))


def test_one_that_stays_away_is_given_up_on():
    """Otherwise a second loss would keep keys that nobody has from being read as missing, for ever."""

    async def story(stage: Stage) -> None:
        stage.cluster.crash("n1")
        await lose_disk(stage, "n3")
        await stage.world.sleep(AWAY_S / 2)
        assert not settled(stage)
        await stage.until(lambda: settled(stage), AWAY_S)
        outcome = await stage.read("n2", b"nobody has this")
        assert isinstance(outcome, ReadOutcome)
        assert outcome.record is None

    play(story, alone())


def test_a_restart_in_the_middle_goes_on():
    """The mark is in the store: a node that has received something meanwhile is not taken for whole."""

    async def story(stage: Stage) -> None:
        await leave_all_to_n1(stage)
        await stage.world.sleep(5)
        await stage.write("n3", b"fresh", b"new", w=2)
        stage.cluster.crash("n3")
        stage.cluster.start("n3")
        await stage.world.sleep(5)
        assert not settled(stage)
        assert isinstance(await stage.read("n2", KEYS[0]), DynamoError)
        stage.cluster.start("n1")
        await stage.until(lambda: settled(stage), 15)
        assert stage.values("n3", KEYS[0]) == {b"value of " + KEYS[0]}

    play(story, alone(enabled=False))


def test_it_takes_writes_at_once():
    """An empty disk is no reason to refuse what is new."""

    async def story(stage: Stage) -> None:
        await lose_disk(stage, "n3")
        await stage.connected()
        assert not settled(stage)
        await stage.until(lambda: stage.cluster.running["n3"].node.buckets.compared, 5)
        outcome = await stage.write("n3", b"k", b"new", w=3)
        assert not isinstance(outcome, DynamoError), outcome
        assert stage.values("n3", b"k") == {b"new"}

    play(story, alone())


# --- clusters that never had anything


def new_cluster(nodes: int) -> Cluster:
    return Cluster(World(7), Shape(nodes=nodes), Weather(), DiskHabits())


@pytest.mark.parametrize("nodes", [1, 3, 5])
def test_a_new_cluster_is_through_in_seconds(nodes):
    """Nobody has anything; that is found out before a client could be kept waiting. A node alone need not ask."""
    cluster = new_cluster(nodes)

    async def story() -> None:
        cluster.start_all()
        if nodes == 1:
            assert settled(Stage(cluster))
        await Stage(cluster).until(lambda: settled(Stage(cluster)), 3.0)

    cluster.world.run(story())


def test_a_cluster_started_one_by_one_works():
    """The first is alone, and takes writes at W=1; the last one completes the picture."""
    cluster = new_cluster(3)
    stage = Stage(cluster)

    async def story() -> None:
        cluster.start("n1")
        await stage.world.sleep(10)
        assert not isinstance(await stage.write("n1", b"k", b"first", w=1), DynamoError)
        cluster.start("n2")
        await stage.world.sleep(10)
        outcome = await stage.read("n2", b"k")
        assert isinstance(outcome, ReadOutcome)
        assert outcome.record is not None
        cluster.start("n3")
        await stage.until(lambda: settled(stage), 5)
        assert isinstance(await stage.read("n3", b"missing"), ReadOutcome)

    cluster.world.run(story())


def test_leaves_of_the_earlier_form_disturb_nobody():
    """A store of an earlier version has them beside the new ones; no comparison takes them for a bucket's."""

    async def story(stage: Stage) -> None:
        await write_all(stage, "n1", w=3)
        stage.cluster.crash("n3")
        for partition in range(PARTITIONS):
            for leaf in (0, 1, LEAVES - 1):
                old = partition.to_bytes(2, "big") + leaf.to_bytes(2, "big")
                stage.cluster.platters["n3"].synced[Keyspace.DIGESTS][old] = b"\1" * 8
        stage.cluster.start("n3")
        await stage.world.sleep(3 * PERIOD_S)
        for running in stage.cluster.running.values():
            assert running.node.repairs.total.keys_compared == 0

    play(story, alone())
