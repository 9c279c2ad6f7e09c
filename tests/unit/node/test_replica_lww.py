import pytest

from dynamo.errors import (
    ClockDrift,
)
from dynamo.versioning.hybrid_time import stamp, wall_ms
from dynamo.versioning.record import Record
from tests.unit.node.lone import LWW, of, theirs
from tests.unit.node.world import START_MS

# --- last write wins


def test_an_lww_write_replaces_what_is_here(lone):
    """With or without a context."""
    lone.write(b"k", b"one", bucket=LWW)
    lone.write(b"k", b"two", bucket=LWW)
    lone.write(b"k", b"three", bucket=LWW, context={})
    assert [s.value for s in lone.record(b"k", "l").siblings] == [b"three"]


@pytest.mark.parametrize(("ahead_ms", "stands"), [(-1, b"ours"), (1, b"theirs")])
def test_of_concurrent_lww_writes_the_newer_stands(lone, ahead_ms, stands):
    """The other is discarded, and counted; its dot stays covered."""
    lone.write(b"k", b"ours", bucket=LWW)
    lone.store(b"k", of(theirs(hybrid=stamp(START_MS + ahead_ms))), "l")
    assert lone.values(b"k", "l") == [stands]
    assert lone.metrics.lww_discarded.value == 1
    assert set(lone.record(b"k", "l").clock) == {"node1.00000001", "node2.0000000a"}


def test_an_lww_write_is_newer_than_what_it_has_seen(lone):
    """Though this node's clock is behind: than the record here, and than the client's context."""
    lone.store(b"k", of(theirs(hybrid=stamp(START_MS + 4000))), "l")
    after = lone.write(b"k", b"ours", bucket=LWW)
    assert after.siblings[0].hybrid == stamp(START_MS + 4000) + 1
    after = lone.write(b"other", b"ours", bucket=LWW, context={}, context_hybrid=stamp(START_MS + 4500))
    assert after.siblings[0].hybrid == stamp(START_MS + 4500) + 1


def test_a_stamp_too_far_ahead_is_refused_in_an_lww_bucket(lone):
    """From a replica and from a client: then nothing is written, and the next stamp is near the clock."""
    far = stamp(START_MS + 5001)
    with pytest.raises(ClockDrift):
        lone.store(b"k", of(theirs(hybrid=far)), "l")
    with pytest.raises(ClockDrift):
        lone.begin(b"k", b"x", bucket=LWW, context={}, context_hybrid=far)
    assert lone.record(b"k", "l") == Record({}, [])
    assert wall_ms(lone.write(b"k", b"x", bucket=LWW).siblings[0].hybrid) == START_MS


def test_a_stamp_too_far_ahead_does_not_matter_in_a_siblings_bucket(lone):
    """It is taken, from a replica and from a client, and does not carry away the clock of the lww buckets."""
    far = stamp(START_MS + 10**9)
    lone.store(b"k", of(theirs(hybrid=far)))
    lone.write(b"k", b"over it")
    lone.write(b"other", b"x", context={}, context_hybrid=2**63 - 1)
    assert wall_ms(lone.write(b"k", b"x", bucket=LWW).siblings[0].hybrid) == START_MS


def test_a_clock_that_was_ahead_for_a_while_does_not_block_the_other_keys(lone):
    """Keys written meanwhile keep their stamps, and are exceeded; all others are stamped by the clock as it is now."""
    lone.write(b"a", b"x", bucket=LWW)
    lone.world.clock.wall += 10**9
    ahead = lone.write(b"k", b"from the future", bucket=LWW).siblings[0].hybrid
    lone.world.clock.wall -= 10**9
    assert wall_ms(lone.write(b"a", b"y", bucket=LWW).siblings[0].hybrid) == START_MS
    assert lone.write(b"k", b"over it", bucket=LWW).siblings[0].hybrid == ahead + 1
    assert wall_ms(lone.write(b"b", b"z", bucket=LWW).siblings[0].hybrid) == START_MS
