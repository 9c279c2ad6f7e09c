import asyncio
from collections.abc import Callable

import msgspec
import pytest

from dynamo.daemons.audit_notes import NotesAudit
from dynamo.daemons.auditor import Auditor
from dynamo.layout import damage, note
from dynamo.layout.keyspaces import Keyspace
from dynamo.replication.hints import HintTotals
from dynamo.versioning.record import encode
from tests.unit.daemons.rounds import settle, worked_off, written
from tests.unit.node.lone import of, theirs
from tests.unit.node.world import World

HINTS, META = Keyspace.HINTS, Keyspace.META


@pytest.fixture
async def world() -> World:
    return World(1, later=asyncio.get_running_loop().call_soon)


async def audited(world: World) -> None:
    """A whole pass at once."""
    world["node1"].audit.ask()
    await worked_off(world, Auditor(world["node1"]).run_once())
    await settle()


async def hinted(world: World, target: str, key: bytes) -> bytes:
    """A hint that node1 keeps for another node; its stored key."""
    record = encode(of(theirs()))
    world["node1"].hints.store(target, "b", key, record, lambda _: None)
    await settle()
    return next(s for s in world.storage["node1"].durable[HINTS] if s.endswith(key) and s.startswith(target.encode()))


async def test_a_damaged_hint_is_kept_and_ends(world):
    """With its share of the totals; the sound ones stay, and so do those for others."""
    world = World(3, later=asyncio.get_running_loop().call_soon)
    node = world["node1"]
    stored = [await hinted(world, target, b"k%d" % n) for target in ("node2", "node3") for n in range(3)]
    bad = bytearray(world.storage["node1"].durable[HINTS][stored[1]])
    bad[-1] ^= 1
    world.storage["node1"].durable[HINTS][stored[1]] = bytes(bad)
    await audited(world)
    assert sorted(world.storage["node1"].durable[HINTS]) == sorted(set(stored) - {stored[1]})
    assert node.hints.totals("node2").count == 2
    assert node.metrics.audit_damaged["hints"].value == 1
    kept = [damage.decode(d) for k, d in world.storage["node1"].durable[META].items() if k.startswith(b"damage/")]
    assert [(entry.stored, entry.kept) for entry in kept] == [(stored[1], bytes(bad))]


@pytest.mark.parametrize("wrong", [note.encode(HintTotals(7, 7, 7)), b"\x01damaged", None])
async def test_totals_of_hints_are_put_right(wrong):
    """Too many would refuse hints that there is room for; none at all would leave them undelivered."""
    world = World(3, later=asyncio.get_running_loop().call_soon)
    for number in range(3):
        await hinted(world, "node2", b"k%d" % number)
    right = world["node1"].hints.totals("node2")
    held = world.storage["node1"].durable[META]
    if wrong is None:
        del held[b"hints/totals/node2"]
    else:
        held[b"hints/totals/node2"] = wrong
    await audited(world)
    found = world["node1"].hints.totals("node2")
    assert (found.count, found.size_bytes) == (right.count, right.size_bytes)


async def test_hints_that_come_while_others_are_counted_do_not_make_the_totals_wrong():
    """The walk counts what is on the disk; the totals count what waits for it too, and it may be there in the end."""
    waiting: list[Callable[[], None]] = []
    is_slow = False

    def later(action: Callable[[], None]) -> None:
        if is_slow:
            waiting.append(action)
        else:
            asyncio.get_running_loop().call_soon(action)

    world = World(3, later=later)
    await hinted(world, "node2", b"k1")
    is_slow = True
    world["node1"].hints.store("node2", "b", b"k2", encode(of(theirs())), lambda _: None)
    walk = asyncio.ensure_future(NotesAudit(world["node1"]).run())
    await settle()
    is_slow = False
    for commit in waiting:
        commit()
    await worked_off(world, walk)
    assert world["node1"].hints.totals("node2").count == 2


async def test_damaged_bucket_properties_are_written_anew(world):
    """From memory; a start before that leaves the bucket out, for other nodes to bring back."""
    await written(world, "node1", b"k", b"v")
    held = world.storage["node1"].durable[META]
    due = held[b"bucket/b"]
    held[b"bucket/b"] = due[:-1] + bytes([due[-1] ^ 1])
    assert world.crash("node1").buckets.known("b") is None
    world["node1"].buckets.for_writing("b")
    await settle()
    held = world.storage["node1"].durable[META]
    due = held[b"bucket/b"]
    held[b"bucket/b"] = due[:-1] + bytes([due[-1] ^ 1])
    await audited(world)
    assert held[b"bucket/b"] == due
    assert world["node1"].metrics.audit_damaged["meta"].value == 1


async def test_properties_of_an_earlier_store_are_sealed(world):
    """And are no damage."""
    await written(world, "node1", b"k", b"v")
    held = world.storage["node1"].durable[META]
    due = held[b"bucket/b"]
    held[b"bucket/b"] = msgspec.msgpack.encode(world["node1"].buckets.known("b"))
    assert world.crash("node1").buckets.known("b") is not None
    await audited(world)
    assert world.storage["node1"].durable[META][b"bucket/b"] == due
    assert world["node1"].audit.found == 0
