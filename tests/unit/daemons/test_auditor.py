import asyncio
import contextlib

import pytest

from dynamo.config import AuditSection
from dynamo.daemons.auditor import Auditor
from dynamo.errors import CorruptValue
from dynamo.layout.digests import contribution, decode_leaf, leaf_of
from dynamo.layout.keyspaces import Keyspace, digest_key, split_record_key
from dynamo.ring.token import key_hash
from dynamo.versioning.record import decode, digest
from tests.unit.daemons.rounds import harm, settle, until, worked_off, written
from tests.unit.node.world import MemoryStorage, World

DIGESTS, RECORDS = Keyspace.DIGESTS, Keyspace.RECORDS


@pytest.fixture
async def world() -> World:
    return World(1, later=asyncio.get_running_loop().call_soon)


def leaves_due(storage: MemoryStorage) -> dict[bytes, int]:
    """What the leaves must be."""
    due: dict[bytes, int] = {}
    for stored, data in storage.durable[RECORDS].items():
        partition, bucket, key = split_record_key(stored)
        place = key_hash(bucket, key)
        leaf = digest_key(partition, bucket, leaf_of(place))
        due[leaf] = due.get(leaf, 0) ^ contribution(place, digest(decode(data)))
    return due


def leaves(storage: MemoryStorage) -> dict[bytes, int]:
    """What they are."""
    return {key: decode_leaf(data) for key, data in storage.durable[DIGESTS].items()}


async def audited(world: World) -> Auditor:
    """A whole pass at once."""
    auditor = Auditor(world["node1"])
    world["node1"].audit.ask()
    await worked_off(world, auditor.run_once())
    await settle()
    return auditor


async def test_a_sound_store_is_left_as_it_is(world):
    """Everything is looked at once, and nothing is written but the progress."""
    for number in range(200):
        await written(world, "node1", b"k%d" % number, b"v", bucket=f"b{number % 3}")
    before = dict(world.storage["node1"].durable[RECORDS]), leaves(world.storage["node1"])
    await audited(world)
    assert (world.storage["node1"].durable[RECORDS], leaves(world.storage["node1"])) == before
    book = world["node1"].audit
    assert (book.checked, book.found, book.rewritten) == (200 + 3, 0, 0), "records, and properties of buckets"
    assert book.progress.finished_ms == world.clock.wall


async def test_damage_is_found_that_nobody_reads(world):
    """It is out of the way after a pass, and in doubt."""
    for number in range(100):
        await written(world, "node1", b"k%d" % number, b"v")
    stored = harm(world, "node1", b"k42")
    await audited(world)
    assert stored not in world.storage["node1"].durable[RECORDS]
    assert list(world["node1"].quarantine.open) == [stored]
    assert leaves(world.storage["node1"]) == leaves_due(world.storage["node1"])
    assert world["node1"].metrics.audit_damaged["records"].value == 1


async def test_leaves_are_made_to_fit(world):
    """Wrong ones, missing ones, those of no record, of no bucket, and those of an earlier form."""
    for number in range(50):
        await written(world, "node1", b"k%d" % number, b"v")
    kept = world.storage["node1"].durable[DIGESTS]
    wrong, missing = sorted(kept)[:2]
    kept[wrong] = bytes(8)
    del kept[missing]
    for partition in range(8):
        kept[partition.to_bytes(2, "big") + b"\x03\xff"] = b"earlier!"
        kept[digest_key(partition, "gone", 7)] = b"orphaned"
    await audited(world)
    assert leaves(world.storage["node1"]) == leaves_due(world.storage["node1"])
    assert world["node1"].audit.rewritten == 2 + 16


async def test_leaves_are_judged_beside_writes(world):
    """A write that comes in while its bucket is walked leaves no wrong leaf behind, nor is it undone."""
    for number in range(150):
        await written(world, "node1", b"u/%d" % number, b"v")
    node = world["node1"]
    auditor = Auditor(node)
    (partition,) = {split_record_key(s)[0] for s in world.storage["node1"].durable[RECORDS]}
    walk = asyncio.ensure_future(auditor.walk(partition, "b"))
    await settle()
    for number in range(150):
        await written(world, "node1", b"u/%d" % number, b"again")
    world.storage["node1"].held = True
    await written(world, "node1", b"u/0", b"queued")
    await until(world, walk.done)
    assert leaves(world.storage["node1"]) == leaves_due(world.storage["node1"])
    world.storage["node1"].release()
    await settle()
    assert leaves(world.storage["node1"]) == leaves_due(world.storage["node1"])


async def test_a_wrong_leaf_is_left_alone_while_a_write_of_it_is_queued(world):
    """The queued one was computed from the wrong leaf, and would come on top of the right one."""
    await written(world, "node1", b"k", b"v")
    node, storage = world["node1"], world.storage["node1"]
    ((leaf, _),) = storage.durable[DIGESTS].items()
    storage.durable[DIGESTS][leaf] = b"wrong!!!"
    storage.held = True
    await written(world, "node1", b"k", b"queued")
    walked = asyncio.ensure_future(Auditor(node).walk(split_record_key(leaf)[0], "b"))
    await until(world, walked.done)
    assert walked.result() is False
    storage.release()
    await settle()
    await worked_off(world, Auditor(node).walk(split_record_key(leaf)[0], "b"))
    await settle()
    assert leaves(storage) == leaves_due(storage)


async def test_damage_found_by_a_reader_is_seen_to_at_once(world):
    """The leaf still counts what is gone; the next round puts it right, without a pass."""
    for number in range(20):
        await written(world, "node1", b"k%d" % number, b"v")
    harm(world, "node1", b"k7")
    with pytest.raises(CorruptValue):
        world["node1"].replica.fetch("b", b"k7")
    await settle()
    assert leaves(world.storage["node1"]) != leaves_due(world.storage["node1"])
    world["node1"].audit.progress.began_ms = world.clock.wall
    await worked_off(world, Auditor(world["node1"]).run_once())
    assert leaves(world.storage["node1"]) == leaves_due(world.storage["node1"])
    assert world["node1"].quarantine.unsure == {}


async def test_a_pass_takes_its_period():
    """The partitions are spread over it; an operator who asks meanwhile does not wait for the rest."""
    world = World(1, later=asyncio.get_running_loop().call_soon, audit=AuditSection(period_s=800.0))
    node = world["node1"]
    await written(world, "node1", b"k", b"v")
    task = asyncio.ensure_future(Auditor(node).run_once())
    await until(world, lambda: node.audit.progress.next_partition == 1, step_s=0.1)
    began = world.clock.now
    await until(world, lambda: node.audit.progress.next_partition == 3, step_s=1.0)
    assert world.clock.now - began == pytest.approx(200, abs=5)
    node.audit.ask()
    await until(world, task.done, step_s=0.1)
    assert world.clock.now - began < 205
    assert node.audit.progress.finished_ms > 0


async def test_a_pass_goes_on_after_a_restart(world):
    """Where it was, not from the beginning."""
    node = world["node1"]
    node.audit.begin(world.clock.wall)
    node.audit.reached(7)
    await settle()
    world.crash("node1")
    again = world["node1"]
    await worked_off(world, Auditor(again).run_once(), step_s=3600.0)
    assert again.audit.progress.finished_ms > 0
    assert again.audit.found == again.audit.rewritten == 0


async def test_a_page_that_cannot_be_read_is_reported_and_passed_over(world, monkeypatch):
    """What lies in other buckets and partitions is still audited."""
    for number in range(40):
        await written(world, "node1", b"k%d" % number, b"v", bucket=f"b{number % 2}")
    harm(world, "node1", b"k1")
    storage = world.storage["node1"]
    whole = storage.scan

    def scan(space, start, end, limit):
        found = whole(space, start, end, limit)
        if space is RECORDS and any(split_record_key(stored)[1] == "b0" for stored, _ in found):
            raise CorruptValue("a page of records cannot be read")
        return found

    monkeypatch.setattr(storage, "scan", scan)
    await audited(world)
    assert world["node1"].audit.unreadable > 0
    assert world["node1"].metrics.audit_damaged["page"].value > 0
    assert len(world["node1"].quarantine.open) == 1


@pytest.mark.parametrize("bad", [DIGESTS, Keyspace.HINTS])
async def test_a_page_of_any_keyspace_that_cannot_be_read_ends_no_pass(world, monkeypatch, bad):
    """A pass that began again at such a page each time would never come to what lies beyond it."""
    for number in range(40):
        await written(world, "node1", b"k%d" % number, b"v")
    harm(world, "node1", b"k1")
    storage = world.storage["node1"]
    whole = storage.scan

    def scan(space, start, end, limit):
        if space is bad:
            raise CorruptValue("a page cannot be read")
        return whole(space, start, end, limit)

    monkeypatch.setattr(storage, "scan", scan)
    await audited(world)
    assert world["node1"].audit.progress.finished_ms > 0
    assert world["node1"].audit.unreadable > 0
    assert len(world["node1"].quarantine.open) == (bad is Keyspace.HINTS)


async def test_it_can_be_switched_off():
    """Then only an operator starts a pass."""
    world = World(1, later=asyncio.get_running_loop().call_soon, audit=AuditSection(enabled=False))
    await worked_off(world, Auditor(world["node1"]).run_once())
    assert world["node1"].audit.progress.began_ms == 0
    await audited(world)
    assert world["node1"].audit.progress.finished_ms > 0


async def test_a_pass_that_is_cut_off_is_not_running(world):
    """A stop of the node cancels it between two awaits."""
    task = asyncio.ensure_future(Auditor(world["node1"]).run_once())
    await settle()
    assert world["node1"].audit.running
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert not world["node1"].audit.running
