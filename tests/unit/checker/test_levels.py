"""Weaker levels, asked of a whole history: kept, broken, measured, or not to be judged, in one line each."""

import pytest

from dynamo.checker.history import History
from dynamo.checker.levels import LEVELS, judge
from dynamo.checker.recorded import operations
from tests.unit.checker.story import Calls, Story, sibling, version


def told(*steps: tuple[str, str, int]) -> History:
    """Operations one after the other: process, kind, version number; value `v1` has number 1."""
    calls = Calls()
    for process, kind, number in steps:
        more = {"value": f"v{number}"} if kind == "put" else {}
        values = [f"v{number}"] if kind == "get" and number else []
        calls.answer(calls.call(kind, process=process, **more), *values, number=number)
    return calls.history


def said(level: str, history: History) -> tuple[str, str]:
    finding = judge(level, operations(history).keys, history)
    assert finding.level == level
    return finding.result, finding.text


STALE = told(("a", "put", 1), ("a", "put", 2), ("b", "get", 2), ("b", "get", 1))


@pytest.mark.parametrize(
    ("level", "result", "text"),
    [
        ("sessions", "broken", "broken: 1 monotonic-reads"),
        ("causal", "broken", "broken: 1 overwritten"),
        ("staleness", "measured", "1 of 2 reads were stale (50.00%), by up to 1 version and 3 s"),
        ("delta", "measured", "0 of 1 keys are linearizable as they are, 1 if reads looked back up to 3 s (b/k)"),
    ],
)
def test_a_stale_read(level: str, result: str, text: str):
    """Every level has its own word for it."""
    assert said(level, STALE) == (result, text)


def test_a_history_that_keeps_them_all():
    """And needs no shift."""
    history = told(("a", "put", 1), ("b", "get", 1))
    assert [said(level, history)[0] for level in LEVELS] == ["kept", "kept", "measured", "measured"]
    assert said("delta", history)[1] == "1 of 1 keys are linearizable as they are"
    assert said("staleness", history)[1] == "0 of 1 reads were stale (0.00%)"


def test_what_no_shift_explains():
    """A value from nowhere; D is None then."""
    calls = Calls()
    calls.answer(calls.call("get"), "x")
    finding = judge("delta", operations(calls.history).keys)
    assert finding.text == "0 of 1 keys are linearizable as they are, 1 not at all (b/k)"
    assert finding.delta_s == {"b/k": None}


def test_siblings_are_judged_by_their_clocks():
    """Sessions and staleness; the others know one value a key."""
    story = Story()
    v1, v2 = sibling("v1", "a", 1), sibling("v2", "b", 1)
    story.put("v1", shown=version({"a": 1}, v1), quorum=1)
    story.get(version({"b": 1}, v2), quorum=1)
    story.get(version({"a": 1, "b": 1}, v1, v2), quorum=1)
    assert said("sessions", story.history) == ("broken", "broken: 1 read-your-writes")
    assert said("staleness", story.history)[1].startswith("1 of 2 reads were stale (50.00%)")
    assert said("causal", story.history)[0] == "unsuited"


def test_what_cannot_be_judged_says_why():
    """Without numbers and clocks there are no sessions to judge, nor staleness; values that repeat decide nothing."""
    calls = Calls()
    for value in ("x", "x"):
        calls.answer(calls.call("put", value=value, process="a"))
    calls.answer(calls.call("get", process="b"), "x")
    assert said("sessions", calls.history) == ("unsuited", "the answers carry neither version numbers nor clocks")
    assert said("staleness", calls.history) == ("unsuited", "no read says which version it saw")
    assert said("causal", calls.history)[0] == "unsuited"
    assert said("delta", calls.history) == ("unsuited", "the value x is written twice, or is there at first")
