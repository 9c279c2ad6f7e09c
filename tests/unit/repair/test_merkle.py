from hypothesis import given
from hypothesis import strategies as st

from dynamo.layout.digests import LEAVES, contribution
from dynamo.repair.merkle import BRANCHES, branch_of, branches, differing, leaves_below, root

# As in a store, where equal hashes in two leaves would be a collision of 64 bits.
trees = st.dictionaries(st.integers(0, LEAVES - 1), st.integers(1, 3), max_size=40).map(
    lambda tree: {leaf: contribution(leaf, version) for leaf, version in tree.items()}
)


def test_every_leaf_is_below_one_branch():
    """32 branches share the 1024 leaves evenly, in order."""
    assert [leaf for branch in range(BRANCHES) for leaf in leaves_below(branch)] == list(range(LEAVES))
    assert all(branch_of(leaf) == branch for branch in range(BRANCHES) for leaf in leaves_below(branch))


@given(trees)
def test_each_level_sums_up_the_one_below(leaves):
    """The root over branches is the root over leaves; an empty branch is not named."""
    above = branches(leaves.items())
    assert root(above.values()) == root(leaves.values())
    assert all(hashed == root(h for leaf, h in leaves.items() if branch_of(leaf) == b) for b, hashed in above.items())
    assert 0 not in above.values()


@given(trees, trees)
def test_a_difference_shows_on_every_level(left, right):
    """Leaves that differ lie below branches that differ, and there are none if there is no difference."""
    leaves = differing(left.items(), right.items())
    assert leaves == [leaf for leaf in range(LEAVES) if left.get(leaf) != right.get(leaf)]
    above = differing(branches(left.items()).items(), branches(right.items()).items())
    assert above == list(dict.fromkeys(map(branch_of, leaves)))
    assert (root(left.values()) == root(right.values())) == (not leaves)


def test_a_place_that_one_side_lacks_differs():
    """And it is found whichever side has it."""
    assert differing([("a", 1)], []) == differing([], [("a", 1)]) == ["a"]
    assert differing([("a", 1), ("b", 2)], [("a", 1), ("b", 3)]) == ["b"]
