"""Bits flip on a simulated disk while nodes serve: nothing wrong is read, and all is whole again by itself."""

import pytest

from dynamo.config import AuditSection
from dynamo.errors import CorruptValue
from dynamo.layout.keyspaces import Keyspace
from dynamo.protocol.commands import ReadOutcome, WriteOutcome
from dynamo.simulation.cluster import Shape
from dynamo.simulation.inspection import holdings
from dynamo.versioning.record import decode
from tests.simulation.stage import BUCKET, Stage, play

pytestmark = pytest.mark.simulation

KEYS = [b"k%d" % number for number in range(40)]
PASS_S = 5.0


async def filled(stage: Stage) -> None:
    for key in KEYS:
        assert isinstance(await stage.write(stage.primaries(key)[0], key, b"value of " + key, w=3), WriteOutcome)


def harmed(stage: Stage, node: str, times: int) -> None:
    for turn in range(times):
        stage.cluster.running[node].storage.rot(Keyspace.RECORDS, stage.world.stream("rot", node, turn))


async def read_right(stage: Stage, r: int) -> int:
    """Read every key through every node: right, or damage reported. How many were damage."""
    refused = 0
    for key in KEYS:
        for node in stage.cluster.ids:
            found = await stage.read(node, key, r=r)
            if isinstance(found, CorruptValue):
                refused += 1
                continue
            assert isinstance(found, ReadOutcome)
            assert found.record is not None, "damage is not nothing"
            assert [s.value for s in found.record.siblings] == [b"value of " + key]
    return refused


def doubts(stage: Stage) -> int:
    return sum(len(running.node.quarantine.open) for running in stage.cluster.running.values())


def test_reads_are_right_and_damage_is_repaired():
    """With a third of a node's records harmed, reads of one replica and of a quorum all give the right value."""

    async def story(stage: Stage) -> None:
        await filled(stage)
        harmed(stage, "n2", len(KEYS) // 3)
        assert await read_right(stage, 1) == 0
        assert await read_right(stage, 2) == 0
        await stage.until(lambda: doubts(stage) == 0, 10)
        assert await read_right(stage, 3) == 0

    play(story)


def test_what_nobody_reads_is_found_by_the_auditor():
    """Within a pass and a few seconds all replicas are equal again, and so are their leaves."""

    async def story(stage: Stage) -> None:
        await filled(stage)
        for node in ("n1", "n2"):
            harmed(stage, node, 5)
        await stage.world.sleep(2 * PASS_S + 10.0)
        assert doubts(stage) == 0
        held = holdings(stage.cluster)
        assert held["n1"] == held["n2"] == held["n3"]
        assert len(held["n1"].copies) == len(KEYS)
        assert [holding.wrong_leaves for holding in held.values()] == [()] * 3

    play(story, Shape(audit=AuditSection(period_s=PASS_S)))


def test_writes_over_damage_lose_nothing():
    """A write through the damaged replica stands beside the value that the others still have."""

    async def story(stage: Stage) -> None:
        await filled(stage)
        node = stage.primaries(KEYS[0])[0]
        harmed(stage, node, 20)
        for key in KEYS:
            assert isinstance(await stage.write(node, key, b"second"), WriteOutcome)
        await stage.until(lambda: doubts(stage) == 0, 20)
        for key in KEYS:
            found = await stage.read(node, key, r=3)
            assert isinstance(found, ReadOutcome)
            assert found.record is not None
            assert {s.value for s in found.record.siblings} == {b"second", b"value of " + key}

    play(story)


def test_a_copy_that_was_harmed_during_a_request_counted_for_it():
    """The checker asks who holds an answer: damage after the request came says nothing against it, earlier does."""

    async def story(stage: Stage) -> None:
        key = KEYS[0]
        wrote = await stage.write(stage.primaries(key)[0], key, b"value", w=3)
        assert isinstance(wrote, WriteOutcome)
        before = stage.world.now()
        clock = decode(wrote.record).clock
        harmed(stage, "n2", 1)
        disk = stage.cluster.platters["n2"].synced[Keyspace.RECORDS]
        del disk[next(iter(disk))]
        assert stage.cluster.holders(BUCKET, key, clock, before) == 3
        assert stage.cluster.holders(BUCKET, key, clock, before + 0.001) == 2

    play(story)
