"""Predictions from what a node measures: when there are any, what they say, and that nobody waits for them."""

import asyncio
from math import isnan

import pytest

from dynamo.config import PbsSection
from dynamo.daemons.predictor import FIRST_S, Predictor
from dynamo.node.pbs_book import EXCHANGES_MIN
from dynamo.protocol.messages import Fetch, Message, Store
from tests.unit.daemons.rounds import settle, worked_off, written
from tests.unit.node.world import World

TRIALS = 2000


@pytest.fixture
async def world() -> World:
    world = World(3, pbs=PbsSection(trials=TRIALS), later=asyncio.get_running_loop().call_soon)
    await settle()
    return world


async def used(world: World, times: int = EXCHANGES_MIN) -> None:
    for number in range(times):
        await written(world, "node1", b"k%d" % number, b"v")


async def asked(world: World) -> list[Message]:
    """What node2 answers a peer that asks for a record and sends it back."""
    answers: list[Message] = []
    deadline = world.clock.now + 1
    world["node2"].handle("node1", 1, Fetch("b", b"k0"), deadline, "", answers.append)
    world["node2"].handle("node1", 1, Store("b", b"k0", answers[0].record), deadline, "", answers.append)
    await settle()
    return answers


async def test_a_node_predicts_from_its_own_writes(world):
    """Nothing takes any time here, so every read elsewhere is fresh at once; all quorums are there."""
    await used(world)
    node, predictor = world["node1"], Predictor(world["node1"])
    assert predictor.period_s == FIRST_S
    await worked_off(world, predictor.run_once())
    prediction = node.pbs.prediction
    assert (prediction.replicas, prediction.trials, prediction.exchanges) == (3, TRIALS, 2 * EXCHANGES_MIN)
    assert [(each.read_replies, each.write_acks) for each in prediction.quorums] == [(1, 1), (1, 2), (2, 1)]
    assert prediction.quorums[0].curve[0] == (0.0, 1.0)
    assert prediction.made_ms == world.clock.wall
    assert node.metrics.pbs.last_run.value == world.clock.wall / 1000
    assert node.metrics.pbs._fresh[(1, 1), 0.0].value == 1.0
    assert node.metrics.pbs.legs["w"].count > 0
    assert predictor.period_s == 60.0


async def test_too_little_is_no_prediction(world):
    """A handful of messages says nothing; the reason is there to be shown."""
    await used(world, 10)
    node = world["node1"]
    await worked_off(world, Predictor(node).run_once())
    assert node.pbs.prediction is None
    assert "too few writes" in node.pbs.why_not()
    assert isnan(node.metrics.pbs._fresh[(1, 1), 0.0].value)


async def test_a_quiet_node_does_not_predict_again(world):
    """The same legs would give the same curve."""
    await used(world)
    predictor = Predictor(world["node1"])
    await worked_off(world, predictor.run_once())
    first = world["node1"].pbs.prediction
    await worked_off(world, predictor.run_once())
    assert world["node1"].pbs.prediction is first
    await used(world, 1)
    await worked_off(world, predictor.run_once())
    assert world["node1"].pbs.prediction is not first


async def test_the_loop_is_never_held_for_long(world, monkeypatch):
    """However many trials: between two pauses there are a few dozen at most."""
    await used(world)
    node, most, since = world["node1"], [0], [0]
    chance = node.randomness.random

    def counted() -> float:
        since[0] += 1
        most[0] = max(most[0], since[0])
        return chance()

    def paused(when, callback, call_at=node.clock.call_at) -> None:
        since[0] = 0
        call_at(when, callback)

    monkeypatch.setattr(node.randomness, "random", counted)
    monkeypatch.setattr(node.clock, "call_at", paused)
    await worked_off(world, Predictor(node).run_once())
    assert 100 < most[0] < 1000, "draws, ten or so a trial"


async def test_switched_off_nothing_is_measured():
    """Neither does a node keep times, nor does it tell its peers any."""
    world = World(3, pbs=PbsSection(enabled=False), later=asyncio.get_running_loop().call_soon)
    await settle()
    await used(world)
    node = world["node1"]
    await worked_off(world, Predictor(node).run_once())
    assert (node.pbs.legs, node.pbs.prediction) == (None, None)
    assert "switched off" in node.pbs.why_not()
    assert [answer.at_us for answer in await asked(world)] == [0, 0]


async def test_peers_are_told_when_it_was_so(world):
    """In microseconds of the answerer's clock."""
    await used(world, 1)
    assert [answer.at_us for answer in await asked(world)] == [int(world.clock.now * 1e6)] * 2
