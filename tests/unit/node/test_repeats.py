"""A repeated request mints no second dot, however soon it comes, and is no repeat if the first try was not kept."""

import time

import pytest

from dynamo.config import Config
from dynamo.errors import DynamoError, IdempotencyMismatch
from dynamo.node.buckets import BucketBook
from dynamo.node.quarantine import Quarantine
from dynamo.node.rebuilding import Rebuilding
from dynamo.node.records import Records
from dynamo.node.repeats import Repeats
from dynamo.node.replica import Minted, Replica
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.commands import WriteCommand
from dynamo.protocol.messages import Store
from dynamo.ring.preference_list import PreferenceLists
from dynamo.ring.ring import Member, first_ring
from dynamo.simulation.disk import DiskHabits, Platter, SimulatedIdentity, SimulatedStorage
from dynamo.simulation.world import Life, SimulatedClock, World
from dynamo.telemetry.metrics import Metrics
from dynamo.versioning.record import Record, Sibling, decode, encode

NAMES = BucketProperties(name="names", mode=Mode.LWW, n=1)
CARTS = BucketProperties(name="carts", n=1)


class OneReplica:
    """A replica on a simulated disk whose commits take as long as the test likes."""

    def __init__(self) -> None:
        self.world = World(1)
        self.platter = Platter("node1", DiskHabits())
        life = Life("node1", 1)
        clock = SimulatedClock(self.world, life)
        storage = SimulatedStorage(self.world, life, self.platter)
        config = Config()
        buckets = BucketBook("node1", config.buckets, clock, storage)
        buckets.learn([NAMES, CARTS], lambda _: None)
        metrics = Metrics([], "test")
        preference = PreferenceLists(first_ring([Member("node1", "", 0, 0, 0)], 1))
        records = Records(storage, preference, Quarantine(storage, clock, metrics), sync=True)
        identity = SimulatedIdentity(self.world, life, self.platter)
        rebuilding = Rebuilding(1, 0, clock, storage)
        self.replica = Replica(config, clock, identity, records, buckets, rebuilding, metrics)
        self.settled: list[DynamoError | None] = []

    def write(self, bucket: BucketProperties, value: bytes, request: bytes) -> Minted:
        command = WriteCommand(bucket=bucket.name, key=b"k", value=value, request=request)
        minted = self.replica.write(command, bucket, durable=True)
        minted.on_settled = self.settled.append
        return minted

    def commit(self) -> None:
        self.world.loop.call_later(1.0, self.world.loop.stop)
        self.world.loop.run_forever()


@pytest.fixture
def one():
    rig = OneReplica()
    yield rig
    rig.world.loop.close()


def test_a_repeat_of_a_write_that_was_superseded_before_it_was_on_disk(one: OneReplica):
    """Both writes are still on their way to the disk when the first is repeated."""
    one.write(NAMES, b"first", b"1" * 16)
    one.write(NAMES, b"second", b"2" * 16)
    repeat = one.write(NAMES, b"first", b"1" * 16)
    assert repeat.repeated
    assert [s.value for s in decode(repeat.data).siblings] == [b"second"]
    one.commit()
    assert one.settled == [None, None, None]


def test_a_write_that_was_not_kept_is_no_repeat(one: OneReplica):
    """The disk was full; the same request then is a new write, under another actor."""
    one.platter.habits.full = True
    failed = one.write(NAMES, b"first", b"1" * 16)
    one.commit()
    assert [type(error).__name__ for error in one.settled] == ["StorageFull"]
    one.platter.habits.full = False
    again = one.write(NAMES, b"first", b"1" * 16)
    assert not again.repeated
    assert decode(again.data).siblings[0].actor != decode(failed.data).siblings[0].actor


def test_a_repeat_of_a_write_that_another_replica_brought_too_late(one: OneReplica):
    """What arrives here already superseded was applied all the same."""
    old = Sibling("node2.00000001", 1, 1, b"old", request=b"1" * 16)
    new = Sibling("node2.00000001", 2, 2, b"new", request=b"2" * 16)
    for record in (Record({"node2.00000001": 2}, [new]), Record({"node2.00000001": 1}, [old])):
        one.replica.store(Store("carts", b"k", encode(record)), one.settled.append)
        one.commit()
    assert one.write(CARTS, b"old", b"1" * 16).repeated


def test_a_repeat_that_says_something_else_is_refused(one: OneReplica):
    """An Idempotency-Key names one write."""
    one.write(CARTS, b"first", b"1" * 16)
    with pytest.raises(IdempotencyMismatch):
        one.write(CARTS, b"other", b"1" * 16)
    one.commit()


class Remembering:
    """A memory of a few requests, each of which wrote the same value."""

    def __init__(self, remembered_max: int) -> None:
        self.repeats = Repeats(remembered_max)

    def remember(self, request: bytes) -> list[bytes]:
        return self.repeats.remember(Record({"n.1": 1}, [Sibling("n.1", 1, 1, b"v", request=request)]))

    def known(self, requests: list[bytes]) -> list[bytes]:
        return [r for r in requests if self.repeats.is_repeat(Record({}, []), r, b"v", "")]


def test_the_oldest_requests_are_forgotten_first():
    """Memory is bounded by a count."""
    memory = Remembering(2)
    for request in (b"a", b"b", b"c"):
        assert memory.remember(request) == [request]
    assert memory.known([b"a", b"b", b"c"]) == [b"b", b"c"]


def test_a_request_that_was_not_kept_and_came_again_is_forgotten_once():
    """It keeps its place, and nobody else loses one by it."""
    memory = Remembering(3)
    memory.remember(b"a")
    memory.repeats.forget([b"a", b"never seen"])
    assert memory.known([b"a"]) == []
    assert memory.remember(b"a") == [b"a"]
    assert memory.remember(b"a") == []
    memory.remember(b"b")
    memory.remember(b"c")
    assert memory.known([b"a", b"b", b"c"]) == [b"a", b"b", b"c"]
    memory.remember(b"d")
    assert memory.known([b"a", b"b", b"c", b"d"]) == [b"b", b"c", b"d"]


def test_a_full_memory_takes_no_longer_than_one_that_fills():
    """Each write there forgets one; the oldest is not searched for among the places of all that were forgotten before.

    (Twentyfold, where it is.)
    """
    memory = Remembering(65_536)
    filling_s = sorted(_spans_s(memory, 0, 65))
    full_s = sorted(_spans_s(memory, 65, 130))
    assert full_s[32] < 5 * filling_s[32]


def _spans_s(memory: Remembering, begin: int, end: int) -> list[float]:
    """Processor time of a thousand writes each."""
    spans = []
    for thousand in range(begin, end):
        requests = [(thousand * 1000 + i).to_bytes(16, "big") for i in range(1000)]
        records = [Record({"n.1": 1}, [Sibling("n.1", 1, 1, b"v", request=request)]) for request in requests]
        started = time.process_time()
        for record in records:
            memory.repeats.remember(record)
        spans.append(time.process_time() - started)
    return spans
