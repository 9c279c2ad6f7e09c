import pytest

from dynamo.config import LimitsSection
from dynamo.errors import (
    CorruptValue,
    DynamoError,
    PreconditionRequired,
    StorageFull,
    TooManySiblings,
    ValueTooLarge,
    WriteTimeout,
)
from dynamo.protocol.bucket import BucketProperties
from dynamo.protocol.messages import Scan, Store
from dynamo.versioning.hybrid_time import stamp
from dynamo.versioning.record import Record, Sibling, decode, encode
from tests.unit.node.lone import Begun, Lone, of, theirs
from tests.unit.node.world import START_MS

# --- dots and durability


def test_readers_see_only_what_is_durable(lone):
    """A write that is queued is the base of the next one, and nobody's answer."""
    lone.storage.held = True
    first = lone.begin(b"k", b"one")
    second = lone.begin(b"k", b"two", context=decode(first.data).clock)
    assert lone.replica.fetch("b", b"k") == b""
    lone.storage.release()
    lone.world.agenda.run()
    assert first.outcomes == second.outcomes == [None]
    assert lone.replica.fetch("b", b"k") == second.data
    assert lone.values(b"k") == [b"two"]


def test_queued_writes_build_on_each_other(lone):
    """Two blind writes before either is on disk are siblings with dots of their own."""
    lone.storage.held = True
    lone.begin(b"k", b"one")
    last = lone.begin(b"k", b"two")
    assert [s.dot for s in decode(last.data).siblings] == [("node1.00000001", 1), ("node1.00000001", 2)]


def test_after_a_failed_batch_the_node_is_another_actor(lone):
    """The failed dot may have left the node: it is not in the next clock, and never minted again."""
    lone.storage.full = True
    first, second = lone.begin(b"k", b"one"), lone.begin(b"k", b"two")
    lone.world.agenda.run()
    assert [type(e) for e in first.outcomes + second.outcomes] == [WriteTimeout, StorageFull]
    lone.storage.full = False
    assert lone.write(b"k", b"three").clock == {"node1.00000002": 1}
    assert lone.metrics.incarnation_renewals.value == 1
    lost = decode(first.data)
    lone.store(b"k", lost)
    assert lone.values(b"k") == [b"one", b"three"]


def test_whoever_hears_of_a_failure_first_may_write_at_once(lone):
    """A store of another replica failed, and with it our write behind it. A new write, made before ours is told, must
    not claim to have seen what is lost here and lives elsewhere.
    """
    lone.storage.full = True
    renewed: list[Begun] = []

    def write_again(_: DynamoError | None) -> None:
        lone.storage.full = False
        renewed.append(lone.begin(b"k", b"again"))

    lone.replica.store(Store("b", b"other", encode(of(theirs()))), write_again)
    lost = lone.begin(b"k", b"lost here")
    lone.world.agenda.run()
    assert renewed[0].outcomes == [None]
    lone.store(b"k", decode(lost.data))
    assert sorted(lone.values(b"k")) == [b"again", b"lost here"]


def test_a_context_that_knows_more_of_us_than_we_do(lone):
    """A client carries an event of ours that we have forgotten. A new dot must lie outside of what it has seen."""
    forgotten = of(Sibling("node1.00000001", 7, stamp(START_MS), b"forgotten"))
    lone.write(b"k", b"new", context=forgotten.clock)
    lone.store(b"k", forgotten)
    assert lone.values(b"k") == [b"new"]
    assert lone.record(b"k").siblings[0].actor == "node1.00000002"


def test_a_message_that_knows_more_of_us_than_we_do(lone):
    """Not only on the key that is written next."""
    lone.store(b"other", of(Sibling("node1.00000001", 7, stamp(START_MS), b"forgotten")))
    assert lone.write(b"k", b"new").clock == {"node1.00000002": 1}


# --- what a write supersedes


def test_a_blind_write_stands_beside_what_it_did_not_see(lone):
    """Two values, until a write that has seen both."""
    lone.write(b"k", b"one")
    both = lone.write(b"k", b"two")
    assert lone.values(b"k") == [b"one", b"two"]
    lone.write(b"k", b"three", context=both.clock)
    assert lone.values(b"k") == [b"three"]


def test_a_delete_without_a_context_deletes_all_that_is_here(lone):
    """Every sibling; what comes from elsewhere, unseen, stays."""
    lone.write(b"k", b"one")
    lone.write(b"k", b"two")
    lone.write(b"k", None)
    assert lone.values(b"k") == []
    assert [s.value for s in lone.record(b"k").siblings] == [None]
    lone.store(b"k", of(theirs()))
    assert lone.values(b"k") == [b"theirs"]


def test_a_delete_with_a_context_deletes_what_was_seen(lone):
    """A value that came afterwards survives."""
    seen = lone.write(b"k", b"one")
    lone.write(b"k", b"two")
    lone.write(b"k", None, context=seen.clock)
    assert lone.values(b"k") == [b"two"]


def test_a_delete_with_an_empty_context_deletes_nothing(lone):
    """It says that nothing was seen."""
    lone.write(b"k", b"one")
    lone.write(b"k", None, context={})
    assert lone.values(b"k") == [b"one"]


def test_a_blind_write_over_a_tombstone_gives_one_live_value(lone):
    """The tombstone has done its work; what it superseded stays superseded."""
    first = lone.write(b"k", b"one")
    lone.write(b"k", None)
    lone.write(b"k", b"two")
    assert [s.value for s in lone.record(b"k").siblings] == [b"two"]
    lone.store(b"k", first)
    assert lone.values(b"k") == [b"two"]


@pytest.mark.parametrize(
    ("bucket_ttl_s", "ttl_ms", "lives_ms"),
    [(0, 500, 500), (3, None, 3000), (3, 500, 500), (3, 0, None), (0, None, None)],
)
def test_a_value_expires(lone, bucket_ttl_s, ttl_ms, lives_ms):
    """The request's time to live, else the bucket's; 0 is for ever. A write over what has expired finds nothing."""
    bucket = BucketProperties(name="b", ttl_s=bucket_ttl_s)
    lone.write(b"k", b"one", bucket=bucket, ttl_ms=ttl_ms)
    lone.world.clock.wall += (lives_ms or 10**12) - 1
    assert lone.values(b"k") == [b"one"]
    lone.world.clock.wall += 1
    assert lone.values(b"k") == ([b"one"] if lives_ms is None else [])
    if lives_ms is not None:
        lone.write(b"k", b"two")
        assert [s.value for s in lone.record(b"k").siblings] == [b"two"]


def test_a_tombstone_does_not_expire(lone):
    """A delete of a bucket with a time to live must outlive what it deleted."""
    lone.write(b"k", None, bucket=BucketProperties(name="b", ttl_s=1), ttl_ms=1)
    assert lone.record(b"k").siblings[0].expires_ms == 0


@pytest.mark.parametrize(("bucket_ttl_s", "ttl_ms"), [(10**18, None), (0, 2**63)])
def test_an_endless_time_to_live(lone, bucket_ttl_s, ttl_ms):
    """One beyond what a record can hold is as good as never."""
    lone.write(b"k", b"one", bucket=BucketProperties(name="b", ttl_s=bucket_ttl_s), ttl_ms=ttl_ms)
    lone.world.clock.wall = 2**62
    assert lone.values(b"k") == [b"one"]


# --- refusals


def test_a_bucket_that_requires_a_context(lone):
    """Of writes and deletes of a known key, tombstones included; the first write of a key needs none."""
    strict = BucketProperties(name="b", require_context=True)
    seen = lone.write(b"k", b"one", bucket=strict)
    for value in (b"two", None):
        with pytest.raises(PreconditionRequired):
            lone.begin(b"k", value, bucket=strict)
    lone.write(b"k", b"two", bucket=strict, context=seen.clock)
    lone.write(b"k", b"three", bucket=strict, context={})
    assert lone.values(b"k") == [b"two", b"three"]


def test_the_limit_of_siblings():
    """At the limit it is taken, one more is not; a write that has seen them is."""
    lone = Lone(limits=LimitsSection(siblings_max=3))
    for value in (b"1", b"2", b"3"):
        last = lone.write(b"k", value)
    with pytest.raises(TooManySiblings) as refusal:
        lone.begin(b"k", b"4")
    assert refusal.value.members == {"limit": 3}
    assert lone.values(b"k") == [b"1", b"2", b"3"]
    lone.write(b"k", b"4", context=last.clock)
    assert lone.values(b"k") == [b"4"]


def test_the_limit_of_a_record():
    """Counted with all siblings, in its byte form."""
    size = len(
        encode(Record({"node1.00000001": 1}, [Sibling("node1.00000001", 1, 2**60, b"x" * 1000, request=b"r" * 16)]))
    )
    exact = Lone(limits=LimitsSection(value_bytes_max=1, object_bytes_max=size))
    exact.write(b"k", b"x" * 1000)
    with pytest.raises(ValueTooLarge):
        exact.begin(b"k", b"x")
    with pytest.raises(ValueTooLarge):
        exact.begin(b"other", b"x" * 1001)
    assert exact.values(b"k") == [b"x" * 1000]
    assert exact.values(b"other") == []


def test_a_message_that_is_no_record_is_refused(lone):
    """Nor one that gives a dot of ours another value."""
    ours = lone.write(b"k", b"one")
    forged = Record(ours.clock, [Sibling("node1.00000001", 1, ours.siblings[0].hybrid, b"other")])
    for data in (b"", b"\x01damaged", encode(forged)):
        with pytest.raises(CorruptValue):
            lone.replica.store(Store("b", b"k", data), lambda _: None)
    assert lone.record(b"k") == ours


# --- merging


def test_a_store_may_come_twice_and_late(lone):
    """Each is acknowledged, behind everything queued before it; nothing is lost, nothing is written twice."""
    ours = lone.write(b"k", b"ours")
    newer = of(theirs(2, b"newer"), **ours.clock)
    assert lone.store(b"k", newer) is None
    held = lone.replica.fetch("b", b"k")
    for late in (newer, of(theirs(1, b"older")), ours):
        assert lone.store(b"k", late) is None
        assert lone.replica.fetch("b", b"k") == held
    assert lone.values(b"k") == [b"newer"]


def test_a_store_that_changes_nothing_waits_for_what_it_repeats(lone):
    """Its acknowledgement says durable: it may not come before the record that it repeats is."""
    outcomes: list = []
    lone.storage.held = True
    message = Store("b", b"k", encode(of(theirs())))
    lone.replica.store(message, outcomes.append)
    lone.replica.store(message, outcomes.append)
    lone.world.agenda.run()
    assert outcomes == []
    lone.storage.full = True
    lone.storage.release()
    lone.world.agenda.run()
    assert [type(outcome) for outcome in outcomes] == [StorageFull, StorageFull]


@pytest.mark.parametrize(
    ("durability", "asked", "synced"), [("sync", False, 1), ("sync", True, 1), ("async", False, 0), ("async", True, 1)]
)
def test_how_durable_a_store_is(durability, asked, synced):
    """As the node is configured, or as the message asks; the same where it changes nothing."""
    lone = Lone(durability=durability)
    for _ in range(2):
        before = lone.storage.synced
        lone.store(b"k", of(theirs()), durable=asked)
        assert lone.storage.synced - before == synced


def test_a_page_of_keys(lone):
    """The replica's own, in order, as they are stored."""
    world = lone.world
    lists = world["node1"].preference
    keys = sorted(f"p/{i}".encode() for i in range(5))
    for key in keys:
        lone.write(key, b"v")
    partition = lists.partition("b", b"p/")
    scanned = lone.replica.scan(Scan("b", partition, b"", b"", b"", 3, values=True))
    assert [(key, decode(data).siblings[0].value) for key, data in scanned.entries] == [(key, b"v") for key in keys[:3]]
    assert scanned.more
