import asyncio

import pytest

from dynamo.daemons import healer
from dynamo.daemons.healer import Healer
from dynamo.errors import CorruptValue
from dynamo.layout.keyspaces import Keyspace
from dynamo.node.asking import ask
from dynamo.protocol.messages import Fetch
from tests.unit.daemons.rounds import harm, settle, worked_off, written
from tests.unit.node.world import World


@pytest.fixture
async def world() -> World:
    return World(3, later=asyncio.get_running_loop().call_soon)


def doubted(world: World, key: bytes, at: str = "node1") -> bytes:
    """A record is found damaged."""
    stored = harm(world, at, key)
    with pytest.raises(CorruptValue):
        world[at].replica.fetch("b", key)
    return stored


async def test_a_damaged_record_comes_back_from_the_others(world):
    """Byte for byte, and is read again."""
    await written(world, "node1", b"k", b"v")
    whole = dict(world.records("node1"))
    doubted(world, b"k")
    await settle()
    await worked_off(world, Healer(world["node1"]).run_once())
    assert world.records("node1") == whole
    assert world["node1"].replica.fetch("b", b"k")
    assert world["node1"].quarantine.open == {}
    assert world["node1"].metrics.audit_healed["repaired"].value == 1


@pytest.mark.parametrize("away", ["down", "silent"])
async def test_the_doubt_lasts_while_too_few_others_answer(world, away):
    """One of two may be the one that lacks what this node acknowledged together with the other."""
    await written(world, "node1", b"k", b"v")
    doubted(world, b"k")
    await settle()
    getattr(world.network, away).add("node3")
    await worked_off(world, Healer(world["node1"]).run_once(), step_s=0.5)
    with pytest.raises(CorruptValue):
        world["node1"].replica.fetch("b", b"k")
    getattr(world.network, away).clear()
    await worked_off(world, Healer(world["node1"]).run_once())
    assert world["node1"].replica.fetch("b", b"k")


async def test_what_one_of_the_others_holds_is_enough(world):
    """The merge of what they say is stored, though one of them has missed it."""
    world.network.down = {"node3"}
    await written(world, "node1", b"k", b"v")
    world.network.down = set()
    stored = doubted(world, b"k")
    await settle()
    await worked_off(world, Healer(world["node1"]).run_once())
    assert world.records("node1")[stored] == world.records("node2")[stored]


async def test_what_nobody_else_holds_is_lost(world):
    """It was on this disk alone; the key is free again, and the loss is counted."""
    world.network.down = {"node2", "node3"}
    await written(world, "node1", b"k", b"v", w=1)
    world.network.down = set()
    doubted(world, b"k")
    await settle()
    await worked_off(world, Healer(world["node1"]).run_once())
    assert world["node1"].replica.fetch("b", b"k") == b""
    assert world["node1"].metrics.audit_healed["nothing"].value == 1


async def test_a_damaged_copy_vouches_for_nothing(world):
    """It refuses to be asked, so it is not taken for one that holds nothing. The sound one's is all there is."""
    await written(world, "node1", b"k", b"v")
    stored = doubted(world, b"k", "node1")
    doubted(world, b"k", "node2")
    await settle()
    world.network.down = {"node3"}
    await worked_off(world, Healer(world["node1"]).run_once())
    assert list(world["node1"].quarantine.open) == [stored]
    world.network.down = set()
    for node in ("node1", "node2"):
        await worked_off(world, Healer(world[node]).run_once())
        assert world.records(node)[stored] == world.records("node3")[stored]
        assert world[node].quarantine.open == {}


async def test_a_key_that_is_lost_everywhere_is_an_error_until_it_is_written(world):
    """It was acknowledged, so nobody says that there is nothing; a write takes its place, and all are whole again."""
    await written(world, "node1", b"k", b"v")
    nodes = ("node1", "node2", "node3")
    for node in nodes:
        doubted(world, b"k", node)
    await settle()
    for node in nodes:
        await worked_off(world, Healer(world[node]).run_once())
        with pytest.raises(CorruptValue):
            world[node].replica.fetch("b", b"k")
    await written(world, "node1", b"k", b"new")
    for node in nodes:
        await worked_off(world, Healer(world[node]).run_once())
        assert world[node].replica.fetch("b", b"k")
    assert world.records("node1") == world.records("node2") == world.records("node3")


async def test_a_sound_node_asks_nobody(world):
    """A round without damage costs nothing."""
    await written(world, "node1", b"k", b"v")
    world.network.sent.clear()
    await worked_off(world, Healer(world["node1"]).run_once())
    assert [m for _, _, m in world.network.sent if isinstance(m, Fetch)] == []


async def test_damage_that_could_not_be_taken_out_is_taken_out_now(world):
    """The store was full when it was found."""
    await written(world, "node1", b"k", b"v")
    world.storage["node1"].full = True
    stored = doubted(world, b"k")
    await settle()
    await worked_off(world, Healer(world["node1"]).run_once())
    assert stored in world["node1"].quarantine.open
    world.storage["node1"].full = False
    await worked_off(world, Healer(world["node1"]).run_once())
    assert world.storage["node1"].durable[Keyspace.RECORDS][stored] == world.records("node2")[stored]
    assert world["node1"].quarantine.open == {}


async def test_what_is_damaged_while_the_others_are_asked_stays_in_doubt(world, monkeypatch):
    """A newer write was acknowledged here, and rotted at once: what the others had said is no word on it."""
    written_over = asyncio.Event()

    async def ask_slowly(*question):
        answers = await ask(*question)
        await written_over.wait()
        return answers

    monkeypatch.setattr(healer, "ask", ask_slowly)
    await written(world, "node1", b"k", b"v")
    stored = doubted(world, b"k")
    first_round = asyncio.ensure_future(Healer(world["node1"]).run_once())
    await settle()
    await written(world, "node3", b"k", b"newer")
    newer = world.records("node1")[stored]
    doubted(world, b"k")
    written_over.set()
    await worked_off(world, first_round)
    assert stored in world["node1"].quarantine.open
    await worked_off(world, Healer(world["node1"]).run_once())
    assert world["node1"].quarantine.open == {}
    assert world.records("node1")[stored] == newer


async def test_keys_that_cannot_be_healed_hold_up_no_others(world, monkeypatch):
    """More of them than a round takes: those behind them have their turn all the same."""
    monkeypatch.setattr(healer, "ROUND_MAX", 2)
    lost, sound = [b"k0", b"k1", b"k2"], b"k3"
    for key in (*lost, sound):
        await written(world, "node1", key, b"v")
    for node in ("node1", "node2", "node3"):
        for key in lost:
            doubted(world, key, node)
    stored = doubted(world, sound)
    await settle()
    for _ in range(2):
        await worked_off(world, Healer(world["node1"]).run_once())
    assert stored not in world["node1"].quarantine.open
    assert len(world["node1"].quarantine.open) == len(lost)
