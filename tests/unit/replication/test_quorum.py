import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.errors import InvalidParameter
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.commands import Consistency, ListCommand, ReadCommand, WriteCommand
from dynamo.replication.quorum import ReadQuorum, Tally, WriteQuorum, read_quorum, write_quorum


def read(bucket: dict | None = None, **words) -> ReadQuorum:
    return read_quorum(BucketProperties(name="b", **(bucket or {})), ReadCommand(bucket="b", key=b"k", **words))


def write(bucket: dict | None = None, **words) -> WriteQuorum:
    command = WriteCommand(bucket="b", key=b"k", value=b"", request=b"", **words)
    return write_quorum(BucketProperties(name="b", **(bucket or {})), command)


ONE, QUORUM, ALL = Consistency.ONE, Consistency.QUORUM, Consistency.ALL


@pytest.mark.parametrize(
    ("bucket", "words", "needed"),
    [
        ({}, {}, 2),
        ({"r": 1}, {}, 1),
        ({"r": "all"}, {}, 3),
        ({"n": 5}, {}, 3),
        ({"n": 4}, {}, 3),
        ({"n": 1}, {}, 1),
        ({}, {"consistency": ONE}, 1),
        ({}, {"consistency": QUORUM}, 2),
        ({}, {"consistency": ALL}, 3),
        ({"r": "all"}, {"consistency": ONE}, 1),
        ({}, {"r": 1}, 1),
        ({}, {"r": "all"}, 3),
        ({"r": 1}, {"r": 3}, 3),
        ({}, {"consistency": QUORUM, "r": 2}, 2),
        ({}, {"pr": 3}, 3),
        ({"pr": "all"}, {}, 3),
        ({"pr": "all"}, {"pr": 0}, 2),
        ({}, {"r": 2, "pr": 1}, 2),
    ],
)
def test_what_a_read_waits_for(bucket, words, needed):
    """The request's number, else its consistency, else the bucket's; never fewer than `pr`."""
    assert read(bucket, **words).needed == needed


@pytest.mark.parametrize(
    ("bucket", "words", "expected"),
    [
        ({}, {}, (2, 0, 0, True)),
        ({"w": 1}, {}, (1, 0, 0, True)),
        ({}, {"consistency": ALL}, (3, 0, 0, True)),
        ({}, {"w": 1}, (1, 0, 0, True)),
        ({}, {"w": 1, "pw": 2}, (2, 2, 0, True)),
        ({}, {"w": 1, "dw": "all"}, (3, 0, 3, True)),
        ({"pw": "quorum", "dw": 1}, {"w": 1}, (2, 2, 1, True)),
        ({"pw": "quorum", "dw": 1}, {"w": 1, "pw": 0, "dw": 0}, (1, 0, 0, True)),
        ({"sloppy": False}, {}, (2, 0, 0, False)),
        ({"sloppy": False}, {"sloppy": True}, (2, 0, 0, True)),
        ({}, {"sloppy": False}, (2, 0, 0, False)),
    ],
)
def test_what_a_write_waits_for(bucket, words, expected):
    """As for reads; acknowledgements in all, of primaries, synced ones; and whether fallbacks may count."""
    quorum = write(bucket, **words)
    assert (quorum.needed, quorum.primaries, quorum.durable, quorum.sloppy) == expected


@pytest.mark.parametrize(
    "words",
    [
        {"consistency": ONE, "r": 2},
        {"consistency": ALL, "r": "quorum"},
        {"r": 0},
        {"r": 4},
        {"r": -1},
        {"r": "most"},
        {"r": True},
        {"pr": 4},
        {"pr": "none"},
    ],
)
def test_a_read_that_contradicts_itself_or_n_is_refused(words):
    """Never lowered silently."""
    with pytest.raises(InvalidParameter):
        read(**words)


@pytest.mark.parametrize(
    "words", [{"consistency": ONE, "w": 3}, {"w": 0}, {"w": 4}, {"dw": 4}, {"pw": -1}, {"pw": "x"}]
)
def test_a_write_that_contradicts_itself_or_n_is_refused(words):
    """The same."""
    with pytest.raises(InvalidParameter):
        write(**words)


def test_no_quorum_is_linearizable():
    """It is refused by name, not weakened."""
    for ask in (read, write):
        with pytest.raises(InvalidParameter):
            ask(consistency=Consistency.LINEARIZABLE)


def test_a_linearizable_bucket_has_no_fallbacks():
    """Nobody keeps hints for it, whatever it or a request says."""
    bucket = BucketProperties(name="b", mode=Mode.LINEARIZABLE, sloppy=True)
    assert not read_quorum(bucket, ReadCommand(bucket="b", key=b"k", sloppy=True)).sloppy


def test_a_listing_reads_at_the_same_levels():
    """Without `pr`, which it has not."""
    bucket = BucketProperties(name="b", pr=3)
    assert read_quorum(bucket, ListCommand(bucket="b")).needed == 3
    assert read_quorum(BucketProperties(name="b"), ListCommand(bucket="b", consistency=ONE)).needed == 1


@pytest.mark.parametrize(
    ("n", "needed", "level", "repairs"),
    [
        (3, 1, ONE, False),
        (3, 2, QUORUM, True),
        (3, 3, ALL, True),
        (1, 1, ONE, True),
        (2, 1, ONE, False),
        (2, 2, ALL, True),
        (5, 2, QUORUM, False),
        (5, 3, QUORUM, True),
        (4, 2, QUORUM, False),
        (4, 3, QUORUM, True),
    ],
)
def test_levels_and_who_repairs_first(n, needed, level, repairs):
    """From a majority on, differences are repaired before the answer; below it, never."""
    assert ReadQuorum(n, needed).level is level
    assert ReadQuorum(n, needed).repairs_first is repairs
    assert WriteQuorum(n, needed, 0, 0, sloppy=True).level is level


@given(st.integers(1, 16))
def test_majorities_intersect(n):
    """Two that repair first have a replica in common, and so have a quorum read and a quorum write."""
    smallest = min(needed for needed in range(1, n + 1) if ReadQuorum(n, needed).repairs_first)
    assert 2 * smallest > n
    assert read({"n": n}).needed + write({"n": n}).needed > n
    assert read({"n": n}).repairs_first


@given(st.integers(0, 5), st.integers(0, 5), st.lists(st.tuples(st.sampled_from("abcde"), st.booleans())))
def test_a_tally_counts_each_voter_once(needed, total, votes):
    """The first vote of each; met, impossible and complete follow from the counts, and met is never impossible."""
    tally = Tally(min(needed, total), total)
    first: dict[str, bool] = {}
    for voter, vote in votes:
        if voter not in first and len(first) == total:
            continue
        assert tally.count(voter, vote=vote) == (voter not in first)
        first.setdefault(voter, vote)
        yes = sum(first.values())
        assert (tally.yes, tally.no) == (yes, len(first) - yes)
        assert tally.met == (yes >= tally.needed)
        assert tally.impossible == (total - tally.no < tally.needed)
        assert tally.complete == (len(first) == total)
        assert not (tally.met and tally.impossible)


def test_a_bucket_that_was_merged_to_more_than_its_n_wants_all():
    """Two of one name, made at once, keep the first one's n and the last one's quorums; requests must go on."""
    bucket = BucketProperties(name="b", n=2, r=5, w=4, pr=3, pw=3, dw=3)
    assert read_quorum(bucket, ReadCommand(bucket="b", key=b"k")).needed == 2
    assert write_quorum(bucket, WriteCommand(bucket="b", key=b"k", value=b"", request=b"")).needed == 2
