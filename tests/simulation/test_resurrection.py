"""Deletes that stay deleted: everything that could bring a deleted key back is tried, on whole simulated clusters.

Periods are tiny here: a key is dead for three seconds before anybody asks, and the two looks are as far apart as the
longest request of this cluster lives. Nodes are away for many times that.
"""

from __future__ import annotations

from random import Random

import pytest

from dynamo.config import HintsSection, RepairSection, TombstonesSection
from dynamo.layout.keyspaces import Keyspace
from dynamo.protocol.commands import ReadOutcome, WriteOutcome
from dynamo.simulation.clients import Habits
from dynamo.simulation.cluster import Shape
from dynamo.simulation.disk import DiskHabits
from dynamo.simulation.network import Weather
from dynamo.simulation.plan import Plan
from dynamo.simulation.run import run_seed
from dynamo.versioning.context import Context
from dynamo.versioning.record import decode
from tests.simulation.stage import BUCKET, Stage, play

pytestmark = pytest.mark.simulation

KEY = b"k"
SETTLE_S = 22.5
"""2 s of a request, half a second until a hint, 5 s for each of three nodes that may keep it, 5 s on the wire."""
LONG_S = 10 * SETTLE_S


def shape(nodes: int = 3, *, hints: bool = True, repair: bool = True) -> Shape:
    return Shape(
        nodes=nodes,
        timeout_max_s=2.0,
        hints=HintsSection(enabled=hints),
        repair=RepairSection(enabled=repair, period_s=5.0),
        tombstones=TombstonesSection(age_min_s=3.0, settle_s=1.0, period_s=2.0),
    )


async def deleted(stage: Stage, *, w: int = 3) -> None:
    """A value on all replicas, deleted on `w`."""
    first = stage.primaries(KEY)[0]
    written = await stage.write(first, KEY, b"old", w=3)
    assert isinstance(written, WriteOutcome)
    assert isinstance(await stage.write(first, KEY, None, w=w), WriteOutcome)


def forgotten(stage: Stage) -> bool:
    return all(stage.record(node, KEY) is None for node in stage.cluster.running)


async def shows_nothing(stage: Stage) -> None:
    """No replica has anything alive, and no read shows anything, whoever is asked and however many."""
    for node in stage.cluster.running:
        assert stage.values(node, KEY) in (None, {None})
        for r in (1, 2, 3):
            found = await stage.read(node, KEY, r=r)
            assert isinstance(found, ReadOutcome), found
            assert found.record is None or found.record.live(2**62) == []


async def everybody_answers(stage: Stage, via: str) -> None:
    """Read from all replicas, as soon as all are held to be alive; this repairs what differs."""
    for _ in range(60):
        if isinstance(await stage.read(via, KEY, r=3), ReadOutcome):
            return
        await stage.world.sleep(0.5)
    raise AssertionError("a read of all replicas never succeeds")


def test_a_deleted_key_is_forgotten_everywhere():
    """Records and Merkle leaves: nothing is left of it on any node."""

    async def story(stage: Stage) -> None:
        await deleted(stage)
        await stage.until(lambda: forgotten(stage), 3 * SETTLE_S)
        for node in stage.cluster.ids:
            assert stage.cluster.platters[node].synced[Keyspace.DIGESTS] == {}
        await shows_nothing(stage)

    play(story, shape())


def test_nothing_is_forgotten_before_its_second_look():
    """Nor before it is old enough."""

    async def story(stage: Stage) -> None:
        await deleted(stage)
        began = stage.world.now()
        await stage.until(lambda: stage.record(stage.primaries(KEY)[0], KEY) is None, 3 * SETTLE_S)
        assert stage.world.now() - began > 3.0 + SETTLE_S

    play(story, shape())


def test_nothing_is_forgotten_while_a_node_is_away():
    """Not even if it is no replica of the key: it may keep a hint."""

    async def story(stage: Stage) -> None:
        bystander = next(node for node in stage.cluster.ids if node not in stage.primaries(KEY))
        await deleted(stage)
        stage.cluster.crash(bystander)
        await stage.world.sleep(LONG_S)
        assert all(stage.values(node, KEY) == {None} for node in stage.primaries(KEY))
        stage.cluster.start(bystander)
        await stage.until(lambda: forgotten(stage), 3 * SETTLE_S)

    play(story, shape(nodes=4))


@pytest.mark.parametrize("hints", [True, False])
def test_a_replica_that_was_away_for_long_brings_nothing_back(hints: bool):
    """It slept through the delete and through every period there is, and holds the value when it comes back."""

    async def story(stage: Stage) -> None:
        first, second, third = stage.primaries(KEY)
        assert isinstance(await stage.write(first, KEY, b"old", w=3), WriteOutcome)
        stage.cluster.crash(third)
        await stage.until(lambda: not stage.cluster.running[first].node.peers.is_up(third), 5)
        assert isinstance(await stage.write(first, KEY, None, w=2, sloppy=False), WriteOutcome)
        await stage.world.sleep(LONG_S)
        assert stage.values(first, KEY) == stage.values(second, KEY) == {None}
        stage.cluster.start(third)
        assert stage.values(third, KEY) == {b"old"}
        await stage.connected()
        await everybody_answers(stage, second)
        await stage.until(lambda: forgotten(stage), 4 * SETTLE_S)
        await shows_nothing(stage)

    play(story, shape(hints=hints))


def test_nothing_is_forgotten_while_a_hint_waits():
    """A hint from before the delete waits on a node that reaches all but its target."""

    async def story(stage: Stage) -> None:
        first, second, third = stage.primaries(KEY)
        bystander = next(node for node in stage.cluster.ids if node not in (first, second, third))
        stage.cluster.crash(third)
        await stage.until(lambda: not stage.cluster.running[first].node.liveness.is_alive(third), 30)
        assert isinstance(await stage.write(first, KEY, b"old", w=2), WriteOutcome)
        hints = stage.cluster.running[bystander].node.hints
        await stage.until(lambda: hints.holds_any(BUCKET, KEY), 5)
        await stage.cluster.running[bystander].node.hint_desk.pause()
        stage.cluster.start(third)
        await stage.until(lambda: stage.cluster.running[first].node.liveness.is_alive(third), 60)
        assert isinstance(await stage.write(first, KEY, None, w=3, sloppy=False), WriteOutcome)
        await stage.world.sleep(LONG_S)
        assert [stage.values(node, KEY) for node in (first, second, third)] == [{None}] * 3
        await stage.cluster.running[bystander].node.hint_desk.resume()
        await stage.until(lambda: forgotten(stage), 4 * SETTLE_S)
        await stage.world.sleep(SETTLE_S)
        await shows_nothing(stage)

    play(story, shape(nodes=4))


def test_a_message_from_before_the_delete_comes_in_time():
    """It is on its way at the first look and arrives before the second one, at a replica that still knows better."""

    async def story(stage: Stage) -> None:
        first, _, third = stage.primaries(KEY)
        stage.cluster.network.delays[first, third] = 15.0
        assert isinstance(await stage.write(first, KEY, b"old", w=2, sloppy=False), WriteOutcome)
        stage.cluster.network.delays.clear()
        assert isinstance(await stage.write(first, KEY, None, w=3), WriteOutcome)
        await stage.world.sleep(LONG_S)
        assert forgotten(stage)
        await shows_nothing(stage)

    play(story, shape(hints=False))


def test_a_disk_from_before_the_delete_is_not_let_in():
    """Copied while the node ran, put back after the key was forgotten: by its starts alone it could be a crash."""

    async def story(stage: Stage) -> None:
        first = stage.primaries(KEY)[0]
        assert isinstance(await stage.write(first, KEY, b"old", w=3), WriteOutcome)
        copy = stage.cluster.copy_disk(first)
        assert isinstance(await stage.write(first, KEY, None, w=3), WriteOutcome)
        await stage.until(lambda: forgotten(stage), 4 * SETTLE_S)
        stage.cluster.crash(first)
        stage.cluster.put_back(first, copy)
        stage.cluster.start(first)
        await stage.world.sleep(10.0)
        assert first not in stage.cluster.running, "it was refused, and ended itself"
        stage.cluster.wipe(first)
        stage.cluster.start(first)
        await stage.world.sleep(LONG_S)
        await shows_nothing(stage)

    play(story, shape())


def test_a_replica_that_refused_brings_back_a_tombstone_at_most():
    """One replica misses the removal; what it spreads is dead, and is forgotten again."""

    async def story(stage: Stage) -> None:
        first, second, third = stage.primaries(KEY)
        await deleted(stage)
        platter = stage.cluster.platters[third]
        await stage.world.sleep(SETTLE_S)
        platter.habits.full = True
        await stage.until(lambda: stage.record(first, KEY) is None or stage.world.now() > LONG_S, LONG_S)
        platter.habits.full = False
        await everybody_answers(stage, second)
        await shows_nothing(stage)
        await stage.until(lambda: forgotten(stage), 6 * SETTLE_S)

    play(story, shape())


def test_an_expired_value_is_forgotten_and_never_shown():
    """By the same rule as a tombstone; a node that slept holds the value past its expiry and shows nothing."""

    async def story(stage: Stage) -> None:
        first, second, third = stage.primaries(KEY)
        assert isinstance(await stage.write(first, KEY, b"short", w=3, ttl_ms=2000), WriteOutcome)
        stage.cluster.crash(third)
        await stage.world.sleep(LONG_S)
        assert stage.values(first, KEY) == {b"short"}
        stage.cluster.start(third)
        await everybody_answers(stage, second)
        found = await stage.read(third, KEY, r=1)
        assert isinstance(found, ReadOutcome)
        now_ms = stage.cluster.running[third].clock.wall_ms()
        assert found.record is None or found.record.live(now_ms) == []
        await stage.until(lambda: forgotten(stage), 4 * SETTLE_S)

    play(story, shape())


def test_one_clock_that_is_right_keeps_a_value():
    """Two replicas think it is next year; the third one knows that the value lives."""

    async def story(stage: Stage) -> None:
        first, second, third = stage.primaries(KEY)
        assert isinstance(await stage.write(first, KEY, b"kept", w=3, ttl_ms=3_600_000), WriteOutcome)
        for node in (first, second):
            stage.cluster.skew(node, 365 * 86_400_000)
        await stage.world.sleep(LONG_S)
        assert stage.values(third, KEY) == {b"kept"}
        for node in (first, second):
            stage.cluster.skew(node, 0)
        found = await stage.read(first, KEY, r=3)
        assert isinstance(found, ReadOutcome)
        assert found.record is not None
        assert [sibling.value for sibling in found.record.live(stage.cluster.running[third].clock.wall_ms())] == [
            b"kept"
        ]

    play(story, shape())


def test_an_old_context_finds_nothing_once_the_key_is_forgotten():
    """All replicas say that there is nothing, and the context is old enough: 404, not a wait for what never comes."""

    async def story(stage: Stage) -> None:
        first = stage.primaries(KEY)[0]
        written = await stage.write(first, KEY, b"old", w=3)
        assert isinstance(written, WriteOutcome)
        record = decode(written.record)
        context = Context(record.clock, record.hybrid_max())
        assert isinstance(await stage.write(first, KEY, None, w=3), WriteOutcome)
        await stage.until(lambda: forgotten(stage), 4 * SETTLE_S)
        found = await stage.read(first, KEY, context=context)
        assert isinstance(found, ReadOutcome), found
        assert found.record is None

    play(story, shape())


def test_a_key_that_was_forgotten_can_be_written_again():
    """By clients that saw it before and by others; what they write is all there is."""

    async def story(stage: Stage) -> None:
        first, second, _ = stage.primaries(KEY)
        written = await stage.write(first, KEY, b"old", w=3)
        assert isinstance(written, WriteOutcome)
        await stage.write(first, KEY, None, w=3)
        await stage.until(lambda: forgotten(stage), 4 * SETTLE_S)
        assert isinstance(
            await stage.write(second, KEY, b"new", w=3, context=decode(written.record).clock), WriteOutcome
        )
        assert [stage.values(node, KEY) for node in stage.primaries(KEY)] == [{b"new"}] * 3

    play(story, shape())


def haunted(seed: int) -> Plan:
    """A plan that tries hard: many deletes and short lives on few keys, whose replicas are away for longer than it
    takes to forget a key, come back with old disks, and get messages late and twice.
    """
    dice = Random(seed)
    return Plan(
        shape=shape(dice.choice((3, 3, 4, 5)), hints=dice.random() < 0.8, repair=dice.random() < 0.8),
        weather=Weather(
            delay_s=0.002,
            loss=dice.choice((0.0, 0.02)),
            duplicate=dice.choice((0.0, 0.3)),
            straggle=dice.choice((0.0, 0.2)),
            straggle_s=3.0,
        ),
        disk=DiskHabits(sync_s=dice.choice((0.002, 0.05))),
        habits=Habits(
            clients=3,
            operations=dice.choice((40, 60)),
            keys=2,
            bucket_weights=(3, 2, 1),
            level_weights=(0, 3, 1),
            write_share=0.6,
            delete_share=dice.choice((0.4, 0.7)),
            context_share=dice.choice((0.5, 0.9)),
            demand_share=0.1,
            repeat_share=0.1,
            ttl_share=dice.choice((0.0, 0.4)),
            pause_s=dice.choice((2.0, 6.0)),
        ),
        away_s=dice.choice((10.0, 40.0)),
        away_max_s=3 * SETTLE_S,
        old_copy_s=dice.choice((0.0, 20.0)),
        crash_s=dice.choice((0.0, 20.0)),
        partition_s=dice.choice((0.0, 10.0)),
        stop_s=dice.choice((0.0, 30.0)),
    )


SEEDS = range(8)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_deleted_comes_back_whatever_befalls(seed: int):
    """Whole histories under these plans, judged by every rule of the checker."""
    verdict, _ = run_seed(seed, plan=haunted(seed))
    assert verdict.violations == []
