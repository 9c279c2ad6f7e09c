"""One request is one write, however often it was made."""

from math import inf

import pytest

from dynamo.checker.writes import Ledger
from tests.unit.checker.story import PLACE, Story, sibling, version


@pytest.mark.parametrize(
    ("outcomes", "together"),
    [
        (["ok"], "ok"),
        (["fail"], "fail"),
        (["fail", "fail"], "fail"),
        (["fail", "ok"], "ok"),
        (["unknown", "ok"], "ok"),
        (["fail", "unknown"], "unknown"),
        ([None], "unknown"),
        (["fail", None], "unknown"),
    ],
)
def test_the_outcome_of_all_tries(outcomes: list, together: str):
    """Applied if one was; not applied only if all say so; None stands for a call that never returned."""
    story = Story()
    for outcome in outcomes:
        op = story.call("put", value="v1", request="r-v1")
        if outcome is not None:
            story.answer(op, outcome)
    assert Ledger(story.history).writes["r-v1"].outcome == together


def test_the_time_in_which_a_write_can_begin_to_take_effect():
    """From its first call to the end of its last; for ever, if the fate of one call is unknown."""
    story = Story()
    story.answer(story.call("put", value="v1", request="r-v1"), "fail")
    story.answer(story.call("put", value="v1", request="r-v1"), "ok")
    story.answer(story.call("put", value="v2", request="r-v2"), "ok")
    story.answer(story.call("put", value="v2", request="r-v2"), "unknown")
    writes = Ledger(story.history).writes
    assert (writes["r-v1"].called_at, writes["r-v1"].over_at) == (1.0, 4.0)
    assert writes["r-v2"].over_at == inf
    assert writes["r-v1"].ops == (1, 2)


def test_dots_and_who_showed_them_first():
    """Also those of versions that were shown by somebody else's write."""
    story = Story()
    first = story.put("v1", shown=version({"a": 1}, sibling("v1", "a", 1)))
    second = story.put("v2", shown=version({"a": 2}, sibling("v1", "a", 1), sibling("v2", "a", 2)))
    ledger = Ledger(story.history)
    assert list(ledger.dots[PLACE]) == [("a", 1), ("a", 2)]
    assert ledger.shown_by[PLACE, ("a", 1)].call.op == first
    assert ledger.shown_by[PLACE, ("a", 2)].call.op == second
    assert [sighting.operation.call.op for sighting in ledger.sightings[PLACE]] == [first, second]
    assert ledger.write_of(sibling("v1", "a", 1)) is ledger.writes["r-v1"]
    assert ledger.write_of(sibling("v9", "a", 9)) is None


def test_writes_that_may_go_by_themselves():
    """Deletes and values that expire, unless they certainly did not take effect; a delete without context is blind."""
    story = Story()
    story.answer(story.call("delete", request="r-1"), "fail")
    story.answer(story.call("delete", request="r-2"), "unknown")
    story.answer(story.call("delete", request="r-3", seen={"a": 1}), "ok")
    story.put("v4", shown=None)
    story.put("v5", shown=None, expires=True)
    fleeting = Ledger(story.history).fleeting(PLACE)
    assert [(write.request, write.is_blind_delete) for write in fleeting] == [
        ("r-2", True),
        ("r-3", False),
        ("r-v5", False),
    ]


def test_the_mode_of_a_key():
    """Its bucket's; siblings where the history does not say."""
    assert Ledger(Story("lww").history).mode(PLACE) == "lww"
    assert Ledger(Story("lww").history).mode(("other", "k")) == "siblings"
