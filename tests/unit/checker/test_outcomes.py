"""Requests in are outcomes out: one each, in time."""

import pytest

from dynamo.checker import outcomes
from dynamo.checker.history import Return
from tests.unit.checker.story import Story, rules


def test_one_outcome_in_time_is_fine():
    """Whatever the outcome is."""
    story = Story()
    for outcome in ("ok", "fail", "unknown"):
        story.answer(story.call("get"), outcome)
    assert outcomes.check(story.history, 0.0) == []


def test_a_call_that_never_returned():
    """Nobody was told."""
    story = Story()
    story.call("get")
    assert rules(outcomes.check(story.history, 0.0)) == ["no-outcome"]


def test_a_call_that_returned_twice():
    """Also with the same words."""
    story = Story()
    op = story.call("get")
    story.answer(op)
    story.answer(op)
    assert rules(outcomes.check(story.history, 10.0)) == ["two-outcomes"]


@pytest.mark.parametrize(("late_s", "found"), [(0.1, []), (0.101, ["late-outcome"])])
def test_a_call_that_returned_late(late_s: float, found: list[str]):
    """The margin is part of what is allowed; the deadline of the story is two seconds."""
    story = Story()
    op = story.call("put", value="v1", request="r-v1")
    story.history.add(Return(op, 1.0 + 2.0 + late_s, "ok"))
    assert rules(outcomes.check(story.history, 0.1 + 1e-9)) == found


def test_a_history_without_faults():
    """There nothing may fail, and nothing be unknown."""
    story = Story()
    story.answer(story.call("get"))
    assert outcomes.all_succeeded(story.history) == []
    story.answer(story.call("get"), "fail", error="read-timeout")
    story.answer(story.call("put", value="v1", request="r-v1"), "unknown")
    assert [violation.operations for violation in outcomes.all_succeeded(story.history)] == [(2,), (3,)]
