"""Predicted freshness against what reads really find, on clusters whose network delays are known and unequal."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from dynamo.config import PbsSection, RepairSection
from dynamo.daemons.predictor import Predictor
from dynamo.protocol.commands import ReadOutcome, WriteOutcome
from dynamo.simulation.cluster import Shape
from dynamo.telemetry.prediction import CURVE_S, Prediction, QuorumPrediction
from tests.simulation.stage import Stage, play

pytestmark = pytest.mark.simulation

AFTER_S = tuple(seconds for seconds in CURVE_S if seconds == 0 or 0.009 < seconds < 0.05)
DELAY_S = 0.015
FAR_S = 0.02
SLOW_DISK_S = 0.04
WRITES = 1500
QUIET_S = 0.12
"""After which a write is everywhere."""
KEYS = [f"k{number}".encode() for number in range(400)]
POINTS = 0.02
"""How far the prediction may be off, beside what the number of reads leaves open."""

Found = dict[float, list[bool]]


async def measured(stage: Stage, via: str, *, r: int, w: int, writes: int) -> Found:
    """Write through one node; so long after the acknowledgement read through another, by chance."""
    dice = stage.world.stream("readers")
    others = [node for node in stage.cluster.ids if node != via]
    found: Found = {after_s: [] for after_s in AFTER_S}

    async def look(key: bytes, value: bytes, after_s: float) -> None:
        await stage.world.sleep(after_s)
        answer = await stage.read(others[dice.randrange(len(others))], key, r=r)
        assert isinstance(answer, ReadOutcome)
        values = {each.value for each in answer.record.siblings} if answer.record else set()
        found[after_s].append(value in values)

    for number in range(writes):
        key, value = KEYS[number % len(KEYS)], b"%d" % number
        known = stage.record(via, key)
        wrote = await stage.write(via, key, value, w=w, context=known.clock if known else None)
        assert isinstance(wrote, WriteOutcome)
        # A read of two replicas repairs them, so only one may follow each write.
        times = AFTER_S if r == 1 else [dice.choice(AFTER_S)]
        await asyncio.gather(*(look(key, value, after_s) for after_s in times))
        await stage.world.sleep(QUIET_S)
    return found


async def predicted(stage: Stage, via: str, r: int, w: int) -> QuorumPrediction:
    node = stage.cluster.running[via].node
    await Predictor(node).run_once()
    assert isinstance(node.pbs.prediction, Prediction)
    (found,) = [each for each in node.pbs.prediction.quorums if (each.read_replies, each.write_acks) == (r, w)]
    return found


def agree(prediction: QuorumPrediction, found: Found) -> None:
    """At every time, and over all times together within two points."""
    curve, gaps = dict(prediction.curve), []
    for after_s, reads in found.items():
        share = sum(reads) / len(reads)
        expected = curve[after_s]
        gaps.append(share - expected)
        doubt = 1.96 * (share * (1 - share) / len(reads)) ** 0.5
        assert abs(share - expected) <= POINTS + doubt, (after_s, share, expected)
    assert abs(sum(gaps) / len(gaps)) <= POINTS
    shares = [sum(reads) / len(reads) for reads in found.values()]
    assert max(shares) - min(shares) > 4 * POINTS, "a curve as flat as the allowance proves nothing"


def told(tell: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
    """Two near nodes and one that is far from both."""

    async def story(stage: Stage) -> None:
        network, (*near, far) = stage.cluster.network, stage.cluster.ids
        network.weather.delay_s = DELAY_S
        for other in near:
            network.delays[far, other] = network.delays[other, far] = FAR_S
        await tell(stage)

    play(story, Shape(pbs=PbsSection(period_s=3600), repair=RepairSection(enabled=False)))


def judge(via: int, r: int, w: int, writes: int) -> Callable[[Stage], Coroutine[Any, Any, None]]:
    async def tell(stage: Stage) -> None:
        node = stage.cluster.ids[via]
        found = await measured(stage, node, r=r, w=w, writes=writes)
        agree(await predicted(stage, node, r, w), found)

    return tell


def test_reads_find_what_was_predicted():
    """R=W=1, written at one of the near nodes: within two points at every time."""
    told(judge(0, 1, 1, WRITES))


def test_written_far_away():
    """The same where both others are far."""
    told(judge(2, 1, 1, WRITES // 2))


def test_writes_that_wait_for_two():
    """W=2: half of the reads go to a node that has acknowledged."""
    told(judge(0, 1, 2, WRITES // 2))


def test_reads_that_wait_for_two():
    """R=2, W=1, with disks elsewhere that are slower than the network: else a read comes late enough by itself."""

    async def tell(stage: Stage) -> None:
        for node in stage.cluster.ids[1:]:
            stage.cluster.platters[node].habits.sync_s = SLOW_DISK_S
        await judge(0, 2, 1, WRITES)(stage)

    told(tell)
