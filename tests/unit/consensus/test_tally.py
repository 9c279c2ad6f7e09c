from hypothesis import given
from hypothesis import strategies as st

from dynamo.consensus.tally import Tally, majority_of

REPLIES = st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 2)), max_size=20)


@given(st.integers(1, 9))
def test_any_two_majorities_meet(n):
    """Of all n, not of those alive; and one fewer would not do (row 16)."""
    assert 2 * majority_of(n) > n
    assert 2 * (majority_of(n) - 1) <= n


@given(REPLIES, st.integers(1, 3))
def test_a_group_is_of_distinct_replicas_that_know_the_same_stores(replies, needed):
    """However often somebody answers, and whatever else the others say (row 15)."""
    tally: Tally[int] = Tally(needed)
    heard: dict[int, set[str]] = {}
    for replica, stores in replies:
        heard.setdefault(stores, set()).add(replica)
        group = tally.add(replica, stores, stores)
        assert (group is not None) == (len(heard[stores]) >= needed)
        if group is not None:
            assert set(group) == heard[stores]
            assert set(group.values()) == {stores}
        assert replica in tally


def test_answers_of_a_replica_before_and_after_the_loss_of_its_disk_do_not_count_together():
    """One of two answered, and then lost its disk; the other knows. A majority of one time is needed (row 11)."""
    tally: Tally[str] = Tally(2)
    assert tally.add("c", 1, "old") is None
    assert tally.add("b", 2, "new") is None
    assert tally.add("a", 2, "new") == {"b": "new", "a": "new"}


def test_the_latest_reply_of_a_replica_counts():
    """One that is asked again may know more by then."""
    tally: Tally[str] = Tally(2)
    tally.add("a", 1, "first")
    tally.add("a", 1, "second")
    assert tally.add("b", 1, "other") == {"a": "second", "b": "other"}


def test_a_reply_that_cannot_be_used_is_taken_out():
    tally: Tally[str] = Tally(2)
    tally.add("a", 1, "damaged")
    tally.discard("a")
    assert "a" not in tally
    assert tally.add("b", 1, "sound") is None
