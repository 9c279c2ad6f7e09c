"""Rounds of probes: whom, when, and what follows from their ends."""

import asyncio
from collections import Counter

import pytest

from dynamo.daemons.gossiper import Gossiper
from dynamo.membership.view import State
from dynamo.protocol.messages import MemberState, Probe, ProbeFor
from tests.unit.node.world import START_MS, World

PULSE_S = 0.2


class Rig:
    """Node1's gossiper, in a world of four, pulse by pulse."""

    def __init__(self) -> None:
        self.world = World(4, later=asyncio.get_running_loop().call_soon)
        self.node = self.world["node1"]
        self.gossiper = Gossiper(self.node)
        assert self.gossiper.period_s == PULSE_S

    async def pulse(self, times: int = 1) -> None:
        for _ in range(times):
            self.world.clock.turn(PULSE_S)
            await self.gossiper.run_once()
            for _ in range(20):
                await asyncio.sleep(0)

    def sent(self, kind: type = Probe) -> list[str]:
        """To whom messages of that kind were sent since the last look."""
        found = [to for sender, to, message in self.world.network.sent if sender == "node1" and type(message) is kind]
        self.world.network.sent.clear()
        return found

    def probes(self) -> dict[str, int]:
        return {result: cell.value for result, cell in self.node.metrics.probes.items() if cell.value}

    async def kill(self, *nodes: str) -> None:
        """Let node1 hold some nodes dead, which are silent."""
        self.world.network.silent |= set(nodes)
        for _ in range(200):
            await self.pulse()
            if sorted(self.node.detector.dead) == sorted(nodes):
                self.sent()
                return
        raise AssertionError("not dead")


@pytest.fixture
async def rig() -> Rig:
    return Rig()


async def test_one_other_node_is_probed_in_each_period(rig):
    """Each has a turn in each pass; a starting node waits a period, for its connections."""
    await rig.pulse(4)
    assert rig.sent() == []
    await rig.pulse(30)
    assert Counter(rig.sent()) == {"node2": 2, "node3": 2, "node4": 2}
    assert rig.probes() == {"direct": 6}


async def test_a_node_that_answers_nobody_is_suspected_then_dead(rig):
    """Helpers are asked, and are witnesses; it is reminded once a second, and the others hear of it."""
    rig.world.network.silent.add("node2")
    while not rig.node.detector.suspects():
        await rig.pulse()
    assert {to for _, to, message in rig.world.network.sent if type(message) is ProbeFor} == {"node3", "node4"}
    assert rig.probes()["failed"] == 1
    assert rig.node.detector.health.score == 0
    assert rig.node.liveness.is_alive("node2")
    rig.sent()
    await rig.pulse(10)
    assert rig.sent().count("node2") >= 2
    assert rig.node.detector.suspects() == ["node2"]
    assert rig.world["node3"].detector.view.state("node2") is State.SUSPECT
    await rig.pulse(20)
    assert not rig.node.liveness.is_alive("node2")


async def test_a_suspect_by_hearsay_is_reminded_too(rig):
    """It has to contradict to everybody whose time runs; what it says to the accuser may come here too late."""
    probed: list[str] = []
    while len(probed) < 2:
        await rig.pulse()
        probed += rig.sent()
    suspect = probed[0]  # the next turn is that of the third
    rig.node.probing.hear([MemberState(suspect, State.SUSPECT, START_MS, probed[1])])
    await rig.pulse(5)
    assert suspect in rig.sent()
    assert rig.node.detector.suspects() == []
    assert rig.node.detector.view.of(suspect).incarnation == START_MS + 1


async def test_a_node_that_can_reach_nobody_mistrusts_itself(rig):
    """Not even the helpers answer."""
    rig.world.network.down = {"node2", "node3", "node4"}
    await rig.pulse(12)
    assert rig.node.detector.health.score >= 1
    assert rig.node.metrics.health_score.value == rig.node.detector.health.score


async def test_the_dead_are_reminded_now_and_then(rig):
    """Every other period, outside the order, which leaves them out; one answer and they are back."""
    await rig.kill("node2")
    await rig.pulse(50)
    turns = Counter(rig.sent())
    assert 4 <= turns["node2"] <= 6
    assert turns["node3"] >= 4
    rig.world.network.silent.clear()
    await rig.pulse(12)
    assert rig.node.liveness.is_alive("node2")
    assert rig.node.detector.view.of("node2").incarnation == START_MS


async def test_whoever_connects_or_speaks_again_is_asked_at_once(rig):
    """In the next pulse."""
    await rig.kill("node2")
    rig.node.probing.heard_from("node2")
    await rig.pulse()
    assert "node2" in rig.sent()
    rig.world.network.down.add("node2")
    await rig.pulse()
    rig.sent()
    rig.world.network.down.clear()
    rig.world.network.silent.clear()
    await rig.pulse()
    assert "node2" in rig.sent()
    assert rig.node.liveness.is_alive("node2")


async def test_a_lost_connection_is_looked_into_at_once(rig):
    """Without waiting for the node's turn or the next period."""
    await rig.pulse(6)
    rig.world.network.down.add("node3")
    await rig.pulse()
    assert rig.node.detector.suspects() == ["node3"]


async def test_after_a_stop_everything_begins_afresh(rig):
    """The node says so of itself, accuses nobody, and gives suspects their time again."""
    rig.world.network.silent.add("node2")
    while not rig.node.detector.suspects():
        await rig.pulse()
    rig.world.clock.now += 1000.0
    await rig.gossiper.run_once()
    assert rig.node.detector.health.score == 1
    assert rig.node.detector.dead == {}
    rig.world.network.silent.clear()
    await rig.pulse(10)
    assert rig.node.detector.view.state("node2") is State.ALIVE


async def test_what_a_node_says_of_itself_goes_to_others_at_once(rig):
    """They should ask it again soon."""
    await rig.pulse()
    rig.sent()
    rig.node.probing.has_urgent_news = True
    await rig.pulse()
    assert set(rig.sent()) >= {"node2", "node3", "node4"}
    await rig.pulse()
    assert rig.sent() == []


async def test_a_node_alone_probes_nobody():
    """And needs no special case."""
    world = World(1, later=asyncio.get_running_loop().call_soon)
    gossiper = Gossiper(world["node1"])
    for _ in range(20):
        world.clock.turn(PULSE_S)
        await gossiper.run_once()
    assert world.network.sent == []
