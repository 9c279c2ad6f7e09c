"""What a simulated disk keeps of what it was given, and who a node is after a crash."""

from __future__ import annotations

import pytest

from dynamo.errors import StorageFull, StorageRefused
from dynamo.layout.keyspaces import Keyspace
from dynamo.simulation.disk import DiskHabits, Platter, SimulatedIdentity, SimulatedStorage
from dynamo.simulation.world import Life, World

RECORDS = Keyspace.RECORDS


class Machine:
    """A disk that is put from one life of a node into the next."""

    def __init__(self, seed: int = 1, **habits: object) -> None:
        self.world = World(seed)
        self.platter = Platter("n1", DiskHabits(**habits))
        self.lives = 0
        self.told: list[Exception | None] = []
        self.boot()

    def boot(self) -> None:
        self.lives += 1
        self.life = Life("n1", self.lives)
        self.storage = SimulatedStorage(self.world, self.life, self.platter)
        self.identity = SimulatedIdentity(self.world, self.life, self.platter)

    def write(self, key: bytes, value: bytes | None, *, durable: bool = True) -> None:
        self.storage.write([(RECORDS, key, value)], durable, self.told.append)

    def crash(self) -> None:
        self.storage.crash()
        self.life.alive = False
        self.boot()

    def stop(self, counter: int) -> None:
        self.identity.close(counter)
        self.life.alive = False
        self.boot()

    def wait(self, seconds: float) -> None:
        self.world.loop.call_later(seconds, self.world.loop.stop)
        self.world.loop.run_forever()


@pytest.fixture
def make():
    machines: list[Machine] = []

    def make(seed: int = 1, **habits: object) -> Machine:
        machines.append(Machine(seed, **habits))
        return machines[-1]

    yield make
    for machine in machines:
        machine.world.loop.close()
        assert machine.world.unhandled == []


def test_what_was_acknowledged_survives_a_crash(make):
    """And what was not handed over is gone."""
    machine = make()
    machine.write(b"k", b"kept")
    machine.wait(1)
    assert machine.told == [None]
    machine.crash()
    assert machine.storage.read(RECORDS, b"k") == machine.storage.latest(RECORDS, b"k") == b"kept"
    assert machine.storage.scan(RECORDS, b"", None, 9) == [(b"k", b"kept")]


def test_a_crash_in_the_middle_keeps_a_group_whole_or_loses_it(make):
    """Batches of one group share their fate; those that only waited are lost. Over many seeds both fates happen."""
    fates = set()
    for seed in range(40):
        machine = make(seed)
        machine.write(b"first", b"1")
        machine.wait(0.0001)
        machine.write(b"a", b"1")
        machine.write(b"b", b"1")
        machine.wait(0.0051)
        machine.write(b"waiting", b"1")
        busy = not machine.storage.idle
        machine.crash()
        kept = [machine.storage.read(RECORDS, key) is not None for key in (b"first", b"a", b"b")]
        assert kept[1] == kept[2]
        assert kept[0] or not kept[1], "groups are kept in order"
        assert busy
        fates.add(tuple(kept))
        assert machine.storage.read(RECORDS, b"waiting") is None or kept[1]
    assert len(fates) > 1


def test_what_is_on_the_disk_does_not_get_there_again(make):
    """A crash between the sync and the report: whoever watches the disk would see a key go back and forth."""
    unreported = 0
    for seed in range(40):
        machine, synced = make(seed), []
        machine.platter.on_synced = lambda *seen, synced=synced: synced.append(seen[-1])
        for value in (b"0", b"1", b"2"):
            machine.write(b"k", value)
        while len(synced) < 3:
            machine.wait(0.00005)
        unreported += not machine.storage.idle
        machine.crash()
        assert synced == [b"0", b"1", b"2"]
    assert unreported > 10


def test_nobody_is_told_after_the_crash(make):
    """The callbacks of a dead node do not run."""
    machine = make()
    machine.write(b"k", b"v")
    machine.crash()
    machine.wait(1)
    assert machine.told == []


def test_what_need_not_be_durable_is_read_and_may_be_lost(make):
    """Until something durable is written after it."""
    machine = make()
    machine.write(b"k", b"1", durable=False)
    machine.wait(1)
    assert machine.told == [None]
    assert machine.storage.read(RECORDS, b"k") == b"1"
    machine.crash()
    assert machine.storage.read(RECORDS, b"k") is None
    machine.write(b"k", b"2", durable=False)
    machine.wait(1)
    machine.write(b"l", b"3")
    machine.wait(1)
    machine.crash()
    assert machine.storage.read(RECORDS, b"k") == b"2"


def test_a_full_disk_fails_writes_and_serves_reads(make):
    """All that wait, and nothing is left of them, also after a crash."""
    machine = make()
    machine.write(b"k", b"old")
    machine.wait(1)
    machine.platter.habits.full = True
    machine.write(b"k", b"new")
    machine.write(b"l", b"new")
    machine.wait(1)
    assert [type(error) for error in machine.told] == [type(None), StorageFull, StorageFull]
    assert machine.storage.latest(RECORDS, b"k") == b"old"
    machine.crash()
    assert machine.storage.read(RECORDS, b"k") == b"old"


def test_a_waiter_that_raises_keeps_no_other_from_being_told(make):
    """And is reported."""
    machine = make()

    def broken(_: Exception | None) -> None:
        raise LookupError("a bug")

    machine.storage.write([], True, broken)
    machine.write(b"k", b"v")
    machine.wait(1)
    assert machine.told == [None]
    assert "a bug" in machine.world.unhandled.pop()


def test_a_crash_makes_another_actor(make):
    """Eight hex digits, never the same twice, counting from the start."""
    machine = make()
    seen = {machine.identity.incarnation}
    for lives in range(2, 6):
        machine.crash()
        seen.add(machine.identity.incarnation)
        assert len(seen) == lives
        assert machine.identity.counter == 0
    assert all(len(bytes.fromhex(incarnation)) == 4 for incarnation in seen)


def test_a_clean_stop_keeps_the_actor(make):
    """With its counter; but only for the very next run."""
    machine = make()
    before = machine.identity.incarnation
    machine.stop(17)
    assert (machine.identity.incarnation, machine.identity.counter) == (before, 17)
    machine.crash()
    assert machine.identity.incarnation != before


def test_an_actor_can_be_renewed_while_there_is_room(make):
    """StorageFull otherwise, and the old one stays."""
    machine = make()
    before = machine.identity.incarnation
    machine.platter.habits.full = True
    with pytest.raises(StorageFull):
        machine.identity.renew()
    assert machine.identity.incarnation == before
    machine.platter.habits.full = False
    machine.identity.renew()
    assert machine.identity.incarnation != before


def test_the_deliberate_fault(make):
    """The node that forgets to renew itself keeps its name, and counts from where it last stopped."""
    machine = make(forgets_incarnation=False)
    before = machine.identity.incarnation
    machine.stop(5)
    machine.crash()
    assert (machine.identity.incarnation, machine.identity.counter) == (before, 5)


def test_a_sync_that_fails_is_the_end(make):
    """All waiters are refused, the group may be on the disk or not, and nothing is taken any more in this life."""
    fates = set()
    for seed in range(20):
        machine = make(seed)
        broken: list[bool] = []
        machine.storage.on_broken = lambda broken=broken: broken.append(True)
        machine.write(b"k", b"old")
        machine.wait(1)
        machine.platter.habits.broken = True
        machine.write(b"k", b"new")
        machine.write(b"l", b"new")
        machine.wait(1)
        machine.write(b"k", b"later")
        machine.wait(1)
        assert broken == [True]
        assert [type(error) for error in machine.told] == [type(None), *[StorageRefused] * 3]
        assert machine.storage.read(RECORDS, b"k") == machine.storage.latest(RECORDS, b"k") == b"old"
        machine.platter.habits.broken = False
        machine.crash()
        fates.add((machine.storage.read(RECORDS, b"k"), machine.storage.read(RECORDS, b"l")))
        machine.write(b"k", b"again")
        machine.wait(1)
        assert machine.told[-1] is None
    assert {(b"old", None), (b"new", None)} >= fates > {(b"old", None)}


def test_bits_flip_at_rest_and_stay_flipped(make):
    """One bit of one value, seen by readers and by the next write's base at once, and still there after a crash."""
    machine = make()
    for number in range(4):
        machine.write(b"k%d" % number, b"value")
    machine.wait(1)
    key = machine.storage.rot(RECORDS, machine.world.stream("rot"))
    harmed = machine.storage.read(RECORDS, key)
    assert sum((a ^ b).bit_count() for a, b in zip(harmed, b"value", strict=True)) == 1
    assert machine.storage.latest(RECORDS, key) == harmed
    assert [v for _, v in machine.storage.scan(RECORDS, b"", None, 9)].count(b"value") == 3
    machine.crash()
    assert machine.storage.read(RECORDS, key) == harmed


def test_what_is_being_written_does_not_rot(make):
    """Nor is there anything to harm on an empty disk."""
    machine = make()
    dice = machine.world.stream("rot")
    assert machine.storage.rot(RECORDS, dice) is None
    machine.write(b"k", b"old")
    machine.wait(1)
    machine.write(b"k", b"new")
    assert machine.storage.rot(RECORDS, dice) is None
    machine.wait(1)
    assert machine.storage.rot(RECORDS, dice) == b"k"


def test_a_paused_node_hears_of_its_disk_when_it_is_resumed(make):
    """And of nothing before."""
    machine = make()
    machine.write(b"k", b"kept")
    machine.life.pause()
    machine.wait(5)
    assert machine.told == []
    machine.life.resume(machine.world)
    machine.wait(1)
    assert machine.told == [None]
    assert machine.storage.read(RECORDS, b"k") == b"kept"
