"""Each mechanism alone does its part: with the others switched off, one story that only it can end well.

These are the tests that `make mutants` holds against the mechanisms taken out of order.
"""

import pytest

from dynamo.protocol.commands import ReadOutcome, WriteOutcome
from tests.simulation.stage import Stage, play

pytestmark = pytest.mark.simulation

KEY = b"k"


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

    play(story)


def test_a_node_that_forgot_a_dot_mints_as_somebody_else():
    """Its write left it, was acknowledged by the others, and was not on its own disk when it crashed."""

    async def story(stage: Stage) -> None:
        first, second, _ = stage.primaries(KEY)
        stage.cluster.platters[first].habits.sync_s = 1.0
        assert isinstance(await stage.write(first, KEY, b"before", sloppy=False), WriteOutcome)
        assert stage.values(first, KEY) is None
        stage.cluster.crash(first)
        stage.cluster.platters[first].habits.sync_s = 0.002
        stage.cluster.start(first)
        await stage.connected()
        assert stage.values(first, KEY) is None, "a seed must be chosen in which the crash loses the write"
        assert isinstance(await stage.write(first, KEY, b"after", sloppy=False), WriteOutcome)
        found = await stage.read(second, KEY, r=3)
        assert isinstance(found, ReadOutcome)
        assert found.record is not None
        assert {sibling.value for sibling in found.record.siblings} == {b"before", b"after"}

    play(story, seed=2)
