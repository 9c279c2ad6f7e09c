"""A slow replica does not set the tail: reads at R=2 with one of three nodes, or some of its answers, 200 ms late."""

from collections.abc import Coroutine
from typing import Any

import pytest

from dynamo.protocol.commands import ReadOutcome
from dynamo.simulation.cluster import Shape
from tests.simulation.stage import Stage, play

pytestmark = pytest.mark.simulation

SLOW_S = 0.2
READS = 3000
RARE = 0.003
KEYS = [f"k{number}".encode() for number in range(12)]


async def tail_s(stage: Stage, nodes: list[str], reads: int = READS, beyond: float = 0.01) -> float:
    """What all but a share of reads through these nodes take, one after the other: the 99th percentile."""
    taken = []
    for number in range(reads):
        began = stage.world.now()
        found = await stage.read(nodes[number % len(nodes)], KEYS[number % len(KEYS)])
        assert isinstance(found, ReadOutcome)
        taken.append(stage.world.now() - began)
        await stage.world.sleep(0.001)
    return sorted(taken)[-int(reads * beyond) - 1]


def slow_down(stage: Stage, slow: str) -> None:
    """Everything that the node sends or gets is late."""
    for other in stage.cluster.ids:
        if other != slow:
            stage.cluster.network.delays[slow, other] = stage.cluster.network.delays[other, slow] = SLOW_S / 2


def hedges(stage: Stage, nodes: list[str], result: str) -> int:
    return sum(int(stage.cluster.running[node].node.metrics.hedges[result].value) for node in nodes)


def told(tell: Any) -> None:
    """Play a story with all keys written, hedging as it is set by default."""

    async def story(stage: Stage) -> None:
        for key in KEYS:
            await stage.write(stage.primaries(key)[0], key, b"v", w=3)
        await tell(stage)

    play(story, Shape(nodes=3))


def test_a_slow_node_is_passed_over():
    """From before the first read, or in the middle of many: the tail stays within twice that of the healthy cluster."""

    async def tell(stage: Stage) -> None:
        *quick, slow = stage.cluster.ids
        healthy_s = await tail_s(stage, quick)
        slow_down(stage, slow)
        assert await tail_s(stage, quick) <= 2 * healthy_s
        sent = hedges(stage, quick, "sent")
        assert sent <= 0.05 * 2 * READS + 20, "never over the budget"

    told(tell)


def test_answers_that_are_late_now_and_then_are_hedged():
    """The order of the replicas cannot help here: in one of a hundred reads somebody is late, it is not known who.

    A hedged read takes until its answer is late, and then a round trip: about thrice what a usual one takes.
    """

    async def tell(stage: Stage) -> None:
        nodes = stage.cluster.ids
        healthy_s = await tail_s(stage, nodes, beyond=RARE)
        weather = stage.cluster.network.weather
        weather.straggle, weather.straggle_s = 0.004, SLOW_S
        unhedged_s = await _without_hedging(stage, nodes)
        before = hedges(stage, nodes, "sent")
        hedged_s = await tail_s(stage, nodes, beyond=RARE)
        sent = hedges(stage, nodes, "sent") - before
        assert hedged_s <= 3 * healthy_s
        assert unhedged_s > 5 * healthy_s
        assert 0 < sent <= 0.05 * READS + 30
        assert hedges(stage, nodes, "won") > 0

    told(tell)


def test_where_everybody_is_slow_the_budget_holds():
    """No more than the share of extra requests, though every read would want one."""

    async def tell(stage: Stage) -> None:
        nodes = stage.cluster.ids
        await tail_s(stage, nodes, 600)
        for node in nodes:
            slow_down(stage, node)
        before = hedges(stage, nodes, "sent")
        await tail_s(stage, nodes, 400)
        assert hedges(stage, nodes, "sent") - before <= 0.05 * 1000 + 3
        assert hedges(stage, nodes, "refused") > 0

    told(tell)


def _without_hedging(stage: Stage, nodes: list[str]) -> Coroutine[Any, Any, float]:
    async def measured() -> float:
        kept = [(h, h.budget) for h in (stage.cluster.running[n].node._coordinator._hedging for n in nodes)]
        for hedging, _ in kept:
            hedging.budget = None
        tail = await tail_s(stage, nodes, beyond=RARE)
        for hedging, budget in kept:
            hedging.budget = budget
        return tail

    return measured()
