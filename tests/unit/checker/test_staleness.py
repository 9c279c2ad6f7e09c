"""How stale reads were: versions and seconds, by numbers and by dots."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.checker.recorded import operations
from dynamo.checker.staleness import Staleness, of_siblings, of_versions, report
from tests.unit.checker.story import Calls, Story, op, sibling, version


def judged(calls: Calls) -> list[tuple[int, float]]:
    return [(each.versions, each.seconds) for each in of_versions(operations(calls.history).keys)]


def test_a_fresh_read_and_a_stale_one():
    """Two versions were complete before it was called, the first of them four seconds before."""
    calls = Calls()
    for number in (1, 2, 3):
        calls.answer(calls.call("put", value=f"v{number}"), number=number)
    calls.answer(calls.call("get"), "v3", number=3)
    calls.answer(calls.call("get"), "v1", number=1)
    # v2 returned at 4, the stale read was called at 9.
    assert judged(calls) == [(0, 0.0), (2, 5.0)]


def test_a_version_counts_once_it_was_complete_before_the_call():
    """A write under way may be missed; a read that has shown it makes it complete."""
    calls = Calls()
    write = calls.call("put", value="v1")
    calls.answer(calls.call("get"), number=0)
    calls.answer(calls.call("get"), "v1", number=1)
    calls.answer(calls.call("get"), number=0)
    calls.answer(write, number=1)
    assert judged(calls) == [(0, 0.0), (0, 0.0), (1, 1.0)]


def test_refused_conditions_are_reads_and_answers_without_a_number_are_left_out():
    """The report says how many could not be judged."""
    ops = [
        op(1, "put", 1, 2, written="x", number=1, returned_s=2),
        op(2, "cas", 3, 4, condition="absent", written="y", applied=False, number=0, called_s=3),
        op(3, "get", 5, 6, seen="x"),
    ]
    found = of_versions({"b/k": ops})
    assert found == [Staleness(2, "b/k", 1, 1.0)]
    assert report(found, reads=2).unjudged == 1


V1, V2 = sibling("v1", "a", 1), sibling("v2", "b", 1)


@pytest.mark.parametrize(
    ("shown", "late"),
    [
        (version({"a": 1, "b": 1}, V1, V2), (0, 0.0)),
        (version({"b": 1}, V2), (1, 3.0)),
        (version({"a": 1}, V1), (1, 1.0)),
        (None, (2, 3.0)),
    ],
)
def test_with_siblings_what_the_clock_does_not_cover_is_newer(shown, late):
    """Two concurrent writes were acknowledged, at 2 and at 4; the read is called at 5."""
    story = Story()
    story.put("v1", shown=version({"a": 1}, V1), quorum=1)
    story.put("v2", shown=version({"b": 1}, V2), quorum=1)
    story.get(shown, quorum=1)
    (found,) = of_siblings(story.history)
    assert (found.versions, found.seconds) == late


def test_the_report_counts_by_versions_and_by_powers_of_ten():
    """The worst is the one that is behind by most versions, then for longest."""
    each = [Staleness(1, "k", 0, 0.0), Staleness(2, "k", 2, 0.03), Staleness(3, "k", 2, 0.5), Staleness(4, "k", 1, 9.0)]
    total = report(each)
    assert (total.reads, total.stale, total.versions_max, total.seconds_max) == (4, 3, 2, 9.0)
    assert (total.by_versions, total.by_seconds) == ({0: 1, 1: 1, 2: 2}, {0.0: 1, 0.1: 1, 1.0: 1, 10.0: 1})
    assert total.worst == each[2]
    assert total.stale_share == 0.75
    assert report([]).stale_share == 0.0


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 5), st.integers(0, 20), st.integers(1, 6)), max_size=8))
def test_one_sweep_finds_what_the_definition_says(drawn):
    """Against all pairs: distinct newer numbers that any answer had shown before the call."""
    ops = [
        op(index, "get" if reads else "put", at, at + length, number=number, called_s=at, returned_s=at + length)
        for index, (reads, number, at, length) in enumerate(drawn)
    ]
    expected = {}
    for read in ops:
        if read.kind == "get":
            newer = [each for each in ops if each.returned < read.called and each.number > read.number]
            late = read.called - min((each.returned for each in newer), default=read.called)
            expected[read.index] = (len({each.number for each in newer}), late)
    found = of_versions({"b/k": ops})
    assert {each.operation: (each.versions, each.seconds) for each in found} == expected
