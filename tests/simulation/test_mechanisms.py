"""Each mechanism alone does its part: with the others switched off, one story that only it can end well.

These are the tests that `make mutants` holds against the mechanisms taken out of order.
"""

import pytest

from dynamo.config import HintsSection, RepairSection
from dynamo.protocol.commands import ReadOutcome, WriteOutcome
from dynamo.simulation.cluster import Shape
from tests.simulation.stage import TIMEOUT_S, Stage, play

pytestmark = pytest.mark.simulation

KEY = b"k"
NO_HINTS = HintsSection(enabled=False)
NO_REPAIR = RepairSection(enabled=False)
HINTS_ALONE_S = 20.0
"""From the return of a replica until it has its hints."""
REPAIR_ALONE_S = 30.0
"""Three sweeps of anti-entropy, in the shape below."""
REPAIR_OFTEN = RepairSection(period_s=10.0)


def test_read_repair_alone_brings_replicas_together():
    """A replica that missed a write has it after a quorum read that met it."""

    async def story(stage: Stage) -> None:
        first, _, third = stage.primaries(KEY)
        stage.cluster.network.cut(first, third)
        await stage.until(lambda: not stage.cluster.running[first].node.peers.is_up(third), 5)
        assert isinstance(await stage.write(first, KEY, b"v", sloppy=False), WriteOutcome)
        assert stage.values(third, KEY) is None
        stage.cluster.network.mend_all()
        await stage.connected()
        assert isinstance(await stage.read(third, KEY, r=3), ReadOutcome)
        assert stage.values(third, KEY) == {b"v"}

    play(story, Shape(hints=NO_HINTS, repair=NO_REPAIR))


@pytest.mark.parametrize("nodes", [3, 5])
def test_hints_alone_bring_a_returned_replica_up_to_date(nodes: int):
    """Nobody reads and nobody compares; with three nodes there is no fallback, and the coordinator keeps the hint."""

    async def story(stage: Stage) -> None:
        first, _, third = stage.primaries(KEY)
        stage.cluster.crash(third)
        await stage.until(lambda: not stage.cluster.running[first].node.liveness.is_alive(third), 10)
        assert isinstance(await stage.write(first, KEY, b"v"), WriteOutcome)
        stage.cluster.start(third)
        await stage.until(lambda: stage.values(third, KEY) == {b"v"}, HINTS_ALONE_S)

    play(story, Shape(nodes=nodes, repair=NO_REPAIR))


def test_the_share_of_a_silent_replica_is_kept_in_time_to_count():
    """Its connection stands and nothing comes back: W = 3 of 3 is reached with a fallback, before the deadline."""

    async def story(stage: Stage) -> None:
        first, _, third = stage.primaries(KEY)
        stage.cluster.pause(third)
        began = stage.world.now()
        written = await stage.write(first, KEY, b"v", w=3)
        assert isinstance(written, WriteOutcome)
        assert (written.primaries, written.fallbacks) == (2, 1)
        assert stage.world.now() < began + TIMEOUT_S / 2
        stage.cluster.resume(third)
        await stage.until(lambda: stage.values(third, KEY) == {b"v"}, HINTS_ALONE_S)

    play(story, Shape(nodes=5, repair=NO_REPAIR))


def test_hints_of_two_coordinators_are_merged():
    """Two that did not hear of each other leave hints for a third one with the same fallback: both values arrive."""

    async def story(stage: Stage) -> None:
        first, second, third = stage.primaries(KEY)
        stage.cluster.crash(third)
        for source, target in ((first, second), (second, first)):
            stage.cluster.network.cut(source, target)
        alive = {name: stage.cluster.running[name].node.liveness.is_alive for name in (first, second)}
        await stage.until(lambda: not any(alive[first](n) or alive[second](n) for n in (third,)), 10)
        await stage.until(lambda: not (alive[first](second) or alive[second](first)), 10)
        assert isinstance(await stage.write(first, KEY, b"a"), WriteOutcome)
        assert isinstance(await stage.write(second, KEY, b"b"), WriteOutcome)
        stage.cluster.network.mend_all()
        stage.cluster.start(third)
        await stage.until(lambda: stage.values(third, KEY) == {b"a", b"b"}, HINTS_ALONE_S)

    play(story, Shape(nodes=5, repair=NO_REPAIR))


def test_anti_entropy_alone_brings_replicas_together():
    """Nobody reads, and nobody kept a hint."""

    async def story(stage: Stage) -> None:
        first, _, third = stage.primaries(KEY)
        stage.cluster.crash(third)
        await stage.until(lambda: not stage.cluster.running[first].node.liveness.is_alive(third), 10)
        for number in range(20):
            assert isinstance(await stage.write(first, KEY + b"/%d" % number, b"v", sloppy=False), WriteOutcome)
        stage.cluster.start(third)
        keys = [KEY + b"/%d" % number for number in range(20)]
        await stage.until(lambda: all(stage.values(third, key) == {b"v"} for key in keys), REPAIR_ALONE_S)

    play(story, Shape(hints=NO_HINTS, repair=REPAIR_OFTEN))


def test_a_node_that_forgot_a_dot_mints_as_somebody_else():
    """Its write left it, was acknowledged by the others, and was not on its own disk when it crashed."""

    async def story(stage: Stage) -> None:
        first, second, _ = stage.primaries(KEY)
        lost = await _lose_one(stage, first)
        assert isinstance(await stage.write(first, lost, b"after", sloppy=False), WriteOutcome)
        found = await stage.read(second, lost, r=3)
        assert isinstance(found, ReadOutcome)
        assert found.record is not None
        assert {sibling.value for sibling in found.record.siblings} == {b"before", b"after"}

    play(story, Shape(hints=NO_HINTS, repair=NO_REPAIR))


async def _lose_one(stage: Stage, first: str) -> bytes:
    """Crash the coordinator of acknowledged writes until its own copy is lost: half of the crashes lose it."""
    for number in range(20):
        key = KEY + b"/%d" % number
        stage.cluster.platters[first].habits.sync_s = 1.0
        assert isinstance(await stage.write(first, key, b"before", sloppy=False), WriteOutcome)
        stage.cluster.crash(first)
        stage.cluster.platters[first].habits.sync_s = 0.002
        stage.cluster.start(first)
        await stage.connected()
        if stage.values(first, key) is None:
            return key
    raise AssertionError("no crash lost a write")
