"""What a read owes to what was done before it began."""

import pytest

from dynamo.checker import sessions
from tests.unit.checker.story import Story, rules, sibling, version

V1 = sibling("v1", "a", 1)
ONE, TWO = version({"a": 1}, V1), version({"a": 1, "b": 1}, V1, sibling("v2", "b", 1))


def broken(story: Story) -> list[str]:
    return rules(sessions.check(story.history))


@pytest.mark.parametrize(
    ("w", "r", "found"),
    [(2, 2, ["missed-write"]), (3, 1, ["missed-write"]), (1, 3, ["missed-write"]), (1, 2, []), (2, 1, []), (1, 1, [])],
)
def test_a_read_that_misses_an_acknowledged_write(w: int, r: int, found: list[str]):
    """It owes it if, and only if, R + W > N."""
    story = Story()
    story.put("v1", shown=ONE, quorum=w)
    story.get(None, quorum=r)
    assert broken(story) == found


@pytest.mark.parametrize(("first", "second", "found"), [(2, 2, ["went-back"]), (1, 3, ["went-back"]), (1, 2, [])])
def test_a_read_that_goes_backwards(first: int, second: int, found: list[str]):
    """Behind what another read had returned before it began."""
    story = Story()
    story.get(TWO, quorum=first)
    story.get(ONE, quorum=second)
    assert broken(story) == found


def test_what_is_still_under_way_is_owed_to_nobody():
    """A write that is acknowledged after the read began, or never, may be missed."""
    story = Story()
    write = story.call("put", value="v1", request="r-v1")
    read = story.call("get")
    story.answer(write, "ok", ONE)
    story.answer(read, "ok", None)
    story.answer(story.call("put", value="v2", request="r-v2"), "unknown")
    assert broken(story) == []


def test_a_read_that_ignores_its_context():
    """At any R it must have seen all of it."""
    story = Story()
    story.get(TWO, seen={"a": 1, "b": 1}, quorum=1)
    assert broken(story) == []
    story.get(ONE, seen={"a": 1, "b": 1}, quorum=1)
    story.get(None, seen={"a": 1}, quorum=1)
    assert broken(story) == ["context-not-honoured"]


def test_keys_of_buckets_that_the_history_does_not_describe_are_not_judged():
    """Without N nobody can say what a quorum is."""
    story = Story()
    story.history.buckets.clear()
    story.put("v1", shown=ONE)
    story.get(None)
    assert broken(story) == []
