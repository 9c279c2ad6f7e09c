from hypothesis import given
from hypothesis import strategies as st

from dynamo.versioning.ballot import ZERO, after, hearsay, is_hearsay, plain

ballots = st.tuples(st.integers(0, 2**48), st.text(max_size=5), st.integers(0, 9))


@given(ballots, st.integers(0, 2**48))
def test_the_next_is_above_whatever_the_clock_says(highest, wall_ms):
    """A clock that jumped back, or another's that is ahead, makes no ballot that is not the later one."""
    made = after(highest, wall_ms, "node1~0", 1)
    assert made > highest
    assert made[0] > wall_ms
    assert made > ZERO


def test_two_proposers_never_make_the_same():
    """Of equal counters the proposer decides; of one node, the run and the start."""
    made = {after(ZERO, 5, who, boot) for who in ("node1~a", "node1~b", "node2~a") for boot in (1, 2)}
    assert len(made) == 6


proposed = st.tuples(st.integers(1, 2**48), st.sampled_from(["node1~a", "node1~ab", "node2~a"]), st.just(1))


@given(proposed, proposed)
def test_hearsay_lies_just_above_its_ballot(ballot, other):
    """Above what was proposed, below everything later, and no two stores say the same."""
    heard = hearsay(ballot, "s1")
    assert heard > ballot
    assert (other > heard) == (other > ballot)
    assert is_hearsay(heard)
    assert not is_hearsay(ballot)
    assert plain(heard) == plain(ballot) == ballot
    assert heard != hearsay(ballot, "s2")
