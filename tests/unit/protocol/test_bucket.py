from itertools import permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.errors import InvalidParameter
from dynamo.protocol.bucket import N_MAX, BucketProperties, Mode, check, check_name, merged, resolve_quorum

QUORUM = st.one_of(st.integers(1, 3), st.sampled_from(["one", "quorum", "all"]))
# Few values each, so that ties happen: two nodes may well make the same bucket within one tick of the clock.
STAMP = st.tuples(st.integers(0, 2), st.sampled_from(["node1", "node2"]))


@st.composite
def buckets(draw: st.DrawFn) -> BucketProperties:
    """What one node may hold of bucket `b`: a creation, perhaps changed by somebody later."""
    return BucketProperties(
        name="b",
        mode=draw(st.sampled_from(Mode)),
        n=draw(st.sampled_from([1, 3])),
        w=draw(QUORUM),
        ttl_s=draw(st.integers(0, 1)),
        staleness_sample=draw(st.sampled_from([None, 0.0, 1.0])),
        deleted=draw(st.booleans()),
        generation=draw(st.integers(1, 2)),
        created=draw(STAMP),
        changed=draw(STAMP),
    )


@given(buckets(), buckets())
def test_merge_commutes(left: BucketProperties, right: BucketProperties):
    """Two nodes that tell each other what they know end up with the same properties."""
    assert merged(left, right) == merged(right, left)


@given(buckets())
def test_merge_is_idempotent(bucket: BucketProperties):
    """Hearing the same news twice changes nothing."""
    assert merged(bucket, bucket) == bucket


@given(buckets(), buckets())
def test_merge_absorbs(left: BucketProperties, right: BucketProperties):
    """What was merged in once changes nothing when it comes again."""
    both = merged(left, right)
    assert merged(both, left) == both
    assert merged(both, right) == both


@given(buckets(), buckets(), buckets())
def test_merge_associates(one: BucketProperties, two: BucketProperties, three: BucketProperties):
    """News of three nodes give one result in whatever order and grouping they travel."""
    results = []
    for a, b, c in permutations((one, two, three)):
        results += [merged(merged(a, b), c), merged(a, merged(b, c))]
    assert results == [results[0]] * len(results)


@given(buckets(), buckets())
def test_what_is_fixed_comes_from_the_first_creation(left: BucketProperties, right: BucketProperties):
    """Mode and n are those of the earlier creation, together: nobody changes them later."""
    left = msgspec.structs.replace(left, generation=1, created=(1, "node1"))
    right = msgspec.structs.replace(right, generation=1, created=(2, "node2"))
    both = merged(left, right)
    assert (both.mode, both.n, both.created) == (left.mode, left.n, left.created)


@given(buckets(), buckets())
def test_the_rest_comes_from_the_last_change(left: BucketProperties, right: BucketProperties):
    """A later change wins, whoever made the bucket."""
    left = msgspec.structs.replace(left, generation=1, changed=(1, "node2"))
    right = msgspec.structs.replace(right, generation=1, changed=(2, "node1"))
    both = merged(left, right)
    assert (both.w, both.ttl_s, both.changed) == (right.w, right.ttl_s, right.changed)


@given(buckets(), buckets())
def test_a_dropped_bucket_stays_dropped(left: BucketProperties, right: BucketProperties):
    """Within a generation no older copy, and no later change, brings it back."""
    left = msgspec.structs.replace(left, generation=1, deleted=True)
    right = msgspec.structs.replace(right, generation=1, deleted=False)
    assert merged(left, right).deleted


def test_a_bucket_made_again_shares_nothing_with_the_one_before():
    """A later generation wins whole, with another mode and n, however new the change of the older one."""
    older = BucketProperties(name="b", mode=Mode.LWW, n=5, deleted=True, created=(1, "node1"), changed=(99, "node1"))
    newer = BucketProperties(name="b", generation=2, created=(50, "node2"), changed=(50, "node2"))
    assert merged(older, newer) == newer


@pytest.mark.parametrize(
    ("wanted", "n", "expected"),
    [
        ("one", 1, 1),
        ("one", 3, 1),
        ("quorum", 1, 1),
        ("quorum", 2, 2),
        ("quorum", 3, 2),
        ("quorum", 4, 3),
        ("quorum", 5, 3),
        ("all", 1, 1),
        ("all", 5, 5),
        (1, 3, 1),
        (3, 3, 3),
    ],
)
def test_a_quorum_resolves_to_a_number(wanted: int | str, n: int, expected: int):
    """Words and numbers, by the bucket's n."""
    assert resolve_quorum(wanted, n, "w", smallest=1) == expected


@given(st.integers(1, N_MAX))
def test_two_quorums_share_a_replica(n: int):
    """Which is the point of the word: what one wrote another reads."""
    quorum = resolve_quorum("quorum", n, "r", smallest=1)
    assert 2 * quorum > n
    assert 2 * (quorum - 1) <= n


@pytest.mark.parametrize("wanted", [0, 4, -1, "some", "", "2", True, None, 1.0])
def test_an_impossible_quorum_is_refused_by_name(wanted: object):
    """The error names the parameter, and says what would be allowed."""
    with pytest.raises(InvalidParameter) as caught:
        resolve_quorum(wanted, 3, "pw", smallest=1)  # type: ignore[arg-type]
    assert caught.value.members == {"parameter": "pw"}
    assert "pw" in caught.value.detail


def test_zero_is_a_quorum_where_the_smallest_is_zero():
    """`dw`, `pr` and `pw` may ask for nothing."""
    assert resolve_quorum(0, 3, "dw", smallest=0) == 0


@pytest.mark.parametrize("name", ["a", "0", "carts", "a.b_c-d", "x" * 63])
def test_a_good_name_passes(name: str):
    """And comes back as it was."""
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * 64, "Carts", "-a", ".a", "_a", "a/b", "a b", "ä", "a\n"])
def test_a_bad_name_is_refused(name: str):
    """Length, first character and alphabet; a line end does not slip through."""
    with pytest.raises(InvalidParameter):
        check_name(name)


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"name": "B"}, "bucket"),
        ({"n": 0}, "n"),
        ({"n": N_MAX + 1}, "n"),
        ({"r": 0}, "r"),
        ({"w": 4}, "w"),
        ({"dw": -1}, "dw"),
        ({"pr": 4}, "pr"),
        ({"pw": "most"}, "pw"),
        ({"ttl_s": -1}, "ttl_s"),
        ({"staleness_sample": -0.1}, "staleness_sample"),
        ({"staleness_sample": 1.1}, "staleness_sample"),
        ({"value_bytes_max": -1}, "value_bytes_max"),
    ],
)
def test_properties_that_nothing_could_be_served_with_are_refused(change: dict[str, object], parameter: str):
    """Each by the name of what is wrong."""
    good = BucketProperties(name="b")
    assert check(good) is good
    with pytest.raises(InvalidParameter) as caught:
        check(msgspec.structs.replace(good, **change))
    assert caught.value.members["parameter"] == parameter


def test_the_largest_bucket_passes():
    """The limits themselves are allowed."""
    check(BucketProperties(name="x" * 63, n=N_MAX, r=N_MAX, w="all", dw=N_MAX, pr=0, pw="one"))
