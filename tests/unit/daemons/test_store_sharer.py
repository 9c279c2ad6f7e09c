"""The news of a store that replaced another reaches everybody, and then nothing more is sent."""

from __future__ import annotations

import asyncio

from dynamo.daemons.store_sharer import HASTE_S, PERIOD_S, StoreSharer
from dynamo.protocol.messages import StoreAge, TellStores
from tests.unit.daemons.rounds import settle, worked_off
from tests.unit.node.strict_world import StrictWorld


def made(**settings) -> tuple[StrictWorld, dict[str, StoreSharer]]:
    world = StrictWorld(later=asyncio.get_running_loop().call_soon, **settings)
    return world, {name: StoreSharer(node) for name, node in world.network.nodes.items()}


async def rounds(world: StrictWorld, sharers: dict[str, StoreSharer]) -> None:
    for sharer in sharers.values():
        await worked_off(world, sharer.run_once())
        await settle()


async def test_nodes_that_have_not_met_the_new_store_hear_of_it() -> None:
    """Only one has; after a round all say the same."""
    world, sharers = made()
    await settle()
    await rounds(world, sharers)
    world.network.sent.clear()
    world.network.down.add("node2")
    world.wipe("node3")
    sharers["node3"] = StoreSharer(world["node3"])
    await settle()
    world.network.down.clear()
    assert world["node2"].store_ages.stores != world["node1"].store_ages.stores
    await rounds(world, {"node1": sharers["node1"]})
    assert world["node2"].store_ages.stores == world["node1"].store_ages.stores
    await rounds(world, sharers)
    world.network.sent.clear()
    await rounds(world, sharers)
    assert world.sent(TellStores) == []


async def test_what_a_node_did_not_get_it_is_told_again() -> None:
    """It was down, or its disk did not take it."""
    world, sharers = made()
    world.network.silent.add("node2")
    await settle()
    await rounds(world, {"node1": sharers["node1"]})
    assert [to for _, to, _ in world.sent(TellStores)] == ["node2", "node3"]
    world.network.silent.clear()
    await rounds(world, {"node1": sharers["node1"]})
    await rounds(world, {"node1": sharers["node1"]})
    assert [to for _, to, _ in world.sent(TellStores)] == ["node2", "node3", "node2"]


async def test_a_note_that_the_disk_refused_is_written_later() -> None:
    """Votes count only with what is on disk, so it must get there."""
    world, sharers = made()
    await settle()
    before = world["node1"].store_ages.stores
    world.storage["node1"].full = True
    world["node1"].store_ages.judge(StoreAge("node2", "f" * 16, 1, "r"))
    await settle()
    assert world["node1"].store_ages.stores == before
    world.storage["node1"].full = False
    await rounds(world, {"node1": sharers["node1"]})
    assert world["node1"].store_ages.stores != before


async def test_it_hurries_while_the_node_may_not_vote() -> None:
    """A new cluster waits for nothing else."""
    world, sharers = made()
    assert sharers["node1"].period_s == PERIOD_S
    world.wipe("node1")
    assert StoreSharer(world["node1"]).period_s == HASTE_S
