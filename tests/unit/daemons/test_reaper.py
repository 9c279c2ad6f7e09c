import asyncio
import contextlib

import pytest

from dynamo.config import RequestsSection, TombstonesSection
from dynamo.daemons.reaper import Reaper
from dynamo.errors import CorruptValue
from dynamo.layout.keyspaces import Keyspace, split_record_key
from tests.unit.daemons.rounds import settle, worked_off, written
from tests.unit.node.world import World

AGE_MIN_S = 10.0
RECORDS = Keyspace.RECORDS


@pytest.fixture
async def world() -> World:
    """One node with forty keys that have been dead for long, in all partitions."""
    world = World(
        1,
        later=asyncio.get_running_loop().call_soon,
        tombstones=TombstonesSection(age_min_s=AGE_MIN_S, settle_s=1.0),
        requests=RequestsSection(timeout_max_s=0.5, read_all_share=0.0),
    )
    for number in range(40):
        await written(world, "node1", b"k%d" % number, None)
    grow_old(world)
    return world


def grow_old(world: World) -> None:
    for _ in range(40):
        world.clock.wall += 500
        world.clock.turn(0.5)


async def reaped(world: World, reaper: Reaper) -> None:
    """Two walks, with the pause that the rule asks for."""
    await worked_off(world, reaper.run_once())
    grow_old(world)
    await worked_off(world, reaper.run_once())
    await settle()


async def test_what_has_been_dead_for_long_goes(world):
    """After the second look, and nothing else does."""
    await written(world, "node1", b"alive", b"v")
    await reaped(world, Reaper(world["node1"]))
    assert [split_record_key(stored)[2] for stored in world.records("node1")] == [b"alive"]


async def test_what_is_alive_is_read_once(world, monkeypatch):
    """A walk meets every record of the node, and nearly all are alive: the page itself says so."""
    await reaped(world, Reaper(world["node1"]))
    for number in range(40):
        await written(world, "node1", b"k%d" % number, b"v")
    read = []
    for way in ("read", "latest"):
        monkeypatch.setattr(world.storage["node1"], way, lambda space, key: read.append((space, key)))
    await worked_off(world, Reaper(world["node1"]).run_once())
    assert read == []


async def test_a_page_that_cannot_be_read_keeps_no_other_partition_from_being_walked(world, monkeypatch):
    """Otherwise nothing beyond it would ever be forgotten on this node."""
    storage = world.storage["node1"]
    whole = storage.scan

    def scan(space, start, end, limit):
        found = whole(space, start, end, limit)
        if space is RECORDS and any(split_record_key(stored)[0] == 0 for stored, _ in found):
            raise CorruptValue("a page of records cannot be read")
        return found

    monkeypatch.setattr(storage, "scan", scan)
    await reaped(world, Reaper(world["node1"]))
    assert {split_record_key(stored)[0] for stored in storage.durable[RECORDS]} == {0}
    assert world["node1"].metrics.audit_damaged["page"].value > 0


async def test_a_disk_that_answers_after_the_end_of_a_round_disturbs_nobody(world):
    """The node stops while its own consent is on the way to the disk."""
    storage = world.storage["node1"]
    storage.held = True
    task = asyncio.ensure_future(Reaper(world["node1"]).run_once())
    await settle()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    storage.release()
    await settle()
    assert complaints == []
