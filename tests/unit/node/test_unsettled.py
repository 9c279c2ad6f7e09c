"""A change that the disk refused was not applied only if nothing of it has left the node."""

from dynamo.errors import Applied, StorageFull
from dynamo.node.unsettled import UnsettledChanges

FULL = StorageFull("no room")


def test_a_change_that_stayed_alone():
    """Its refusal is passed on as it is, and so is success."""
    changes = UnsettledChanges()
    assert changes.settle(changes.begin(b"k", is_new=True), FULL) is FULL
    assert changes.settle(changes.begin(b"k", is_new=True), None) is None


def test_a_change_that_a_later_write_took_along():
    """Its fate is unknown where it is refused; the later one's is not, and another key's neither."""
    changes = UnsettledChanges()
    first, other = changes.begin(b"k", is_new=True), changes.begin(b"l", is_new=True)
    changes.carry_away(b"k")
    second = changes.begin(b"k", is_new=True)
    told = changes.settle(first, FULL)
    assert told is not None
    assert told.applied is Applied.UNKNOWN
    assert changes.settle(second, FULL) is FULL
    assert changes.settle(other, FULL) is FULL


def test_a_change_that_was_taken_along_and_kept():
    """Is kept."""
    changes = UnsettledChanges()
    change = changes.begin(b"k", is_new=True)
    changes.carry_away(b"k")
    assert changes.settle(change, None) is None


def test_a_change_that_comes_a_second_time():
    """It may be the very one that was taken along already."""
    changes = UnsettledChanges()
    changes.begin(b"k", is_new=False)
    changes.carry_away(b"k")
    told = changes.settle(changes.begin(b"k", is_new=False), FULL)
    assert told is not None
    assert told.applied is Applied.UNKNOWN


def test_what_is_settled_is_forgotten():
    """A key that is quiet again starts afresh, and takes no memory."""
    changes = UnsettledChanges()
    first = changes.begin(b"k", is_new=True)
    changes.carry_away(b"k")
    changes.settle(first, FULL)
    changes.carry_away(b"k")
    assert changes.settle(changes.begin(b"k", is_new=False), FULL) is FULL
    assert changes._by_key == {}
