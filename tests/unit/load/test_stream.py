from collections import Counter
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamo.load.levels import weighted
from dynamo.load.stream import Stream, preload_size
from dynamo.workload.mixes import Mix, Values
from dynamo.workload.stages import Stage
from tests.unit.load.stage import plan

MIX = Mix(operations={"get": 60, "put": 20, "insert": 5, "rmw": 10, "scan": 5}, values=Values("uniform:100-200"))


@settings(max_examples=20)
@given(st.integers(1, 5), st.integers(0, 2**32))
def test_the_run_is_the_same_whatever_the_number_of_workers(parts, seed):
    """Together they ask for what one alone would; each for its own keys only."""
    asked = plan(mix=MIX, seed=seed)
    alone = list(Stream(asked, 0, 1))
    shared = [list(Stream(asked, part, parts)) for part in range(parts)]
    assert sorted(op for each in shared for op in each) == sorted(alone)
    assert all(op.key % parts == part for part, each in enumerate(shared) for op in each)


def test_shares_are_as_asked():
    """Kinds by their weights, levels by theirs."""
    asked = plan(mix=MIX, stages=(Stage(1, 40_000, 40_000),), reads=weighted("one=3,quorum=1"))
    found = list(Stream(asked, 0, 1))
    kinds = Counter(op.kind for op in found)
    assert {kind: round(count / len(found), 2) for kind, count in kinds.items()} == {
        "get": 0.6,
        "put": 0.2,
        "insert": 0.05,
        "rmw": 0.1,
        "scan": 0.05,
    }
    levels = Counter(op.level for op in found if op.kind == "get")
    assert levels[0] / levels.total() == pytest.approx(0.75, abs=0.01)
    pairs = Counter((op.level, op.write_level) for op in found if op.kind == "rmw")
    assert len(pairs) == 4


def test_levels_meet_the_same_keys():
    """No level has keys of its own: their shares of the hottest key are alike."""
    found = list(Stream(plan(stages=(Stage(1, 40_000, 40_000),)), 0, 1))
    hottest = Counter(op.key for op in found).most_common(1)[0][0]
    for kind in ("get", "put"):
        at = [[op.key for op in found if op.kind == kind and op.level == level] for level in (0, 1)]
        shares = [keys.count(hottest) / len(keys) for keys in at]
        assert shares[0] == pytest.approx(shares[1], rel=0.15)


def test_inserts_make_new_keys():
    """One after the other from where the preload ended."""
    stream = Stream(plan(mix=Mix(operations={"insert": 1}), stages=(Stage(1, 10, 10),), spacing="constant"), 0, 1)
    assert [op.key for op in stream] == list(range(50, 60))
    assert stream.records == 60


def test_sizes_are_those_of_the_mix():
    """Of writes; a scan has a number of keys in that place, a get nothing."""
    found = list(Stream(plan(mix=MIX, scan_length=5, stages=(Stage(1, 5_000, 5_000),)), 0, 1))
    assert {op.size for op in found if op.kind == "put"} == set(range(100, 201))
    assert {op.size for op in found if op.kind == "scan"} == {1, 2, 3, 4, 5}
    assert {op.size for op in found if op.kind == "get"} == {0}
    assert 100 <= preload_size(plan(mix=MIX), 3) == preload_size(plan(mix=MIX), 3) <= 200
    assert {preload_size(plan(mix=MIX, sizes=(64,)), key) for key in range(9)} == {64}


def test_a_closed_loop_never_ends_by_itself():
    """And nothing in it is due at a time."""
    assert {op.due_s for op in islice(Stream(plan(closed=True), 0, 1), 1000)} == {0.0}


def test_the_rate_leaves_the_operations_as_they_are():
    """Arrivals have dice of their own: at another rate the same operations come, at other times."""
    slow, fast = (list(islice(Stream(plan(stages=(Stage(9, rate, rate),)), 0, 1), 50)) for rate in (100, 200))
    assert [op[1:] for op in slow] == [op[1:] for op in fast]
    assert [op.due_s for op in slow] != [op.due_s for op in fast]
