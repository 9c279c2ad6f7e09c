"""Events become operations on keys: one a request, with the interval in which it can have taken effect."""

from math import inf

import pytest

from dynamo.checker.history import Call, Condition, Remark, Return, from_lines, to_lines
from dynamo.checker.recorded import of_events, operations
from tests.unit.checker.story import Calls


def only(calls: Calls):
    """The one operation of a history, read back from its lines."""
    recording = operations(from_lines(to_lines(calls.history)))
    assert recording.contradictions == []
    (ops,) = recording.keys.values()
    assert len(ops) == 1
    return ops[0]


def test_a_write_and_what_a_read_saw():
    """Keys are told apart, times are kept, and intervals are places in the order of events."""
    calls = Calls()
    put = calls.call("put", value="x")
    get = calls.call("get")
    calls.answer(put, number=1)
    calls.answer(get, "x", number=1)
    calls.answer(calls.call("get", key="other"))
    keys = operations(calls.history).keys
    assert [(op.called, op.returned, op.called_s, op.returned_s) for op in keys["b/k"]] == [(0, 2, 1, 3), (1, 3, 2, 4)]
    assert [(op.told, op.seen, op.number) for op in keys["b/k"]] == [(False, None, 1), (True, "x", 1)]
    assert [(op.told, op.seen) for op in keys["b/other"]] == [(True, None)]


def test_a_condition_that_did_not_hold_tells_what_there_was():
    """It is answered, has changed nothing, and counts as a read."""
    calls = Calls()
    cas = calls.call("cas", value="y", condition=Condition("value", "x"))
    calls.answer(cas, "z", applied=False, number=7)
    op = only(calls)
    assert (op.outcome, op.applied, op.told, op.seen, op.number) == ("ok", False, True, "z", 7)
    assert (op.condition, op.expected, op.written, op.changes) == ("value", "x", "y", False)


def test_a_refusal_need_not_tell_what_there_was():
    """Then it says only that the condition did not hold."""
    calls = Calls()
    calls.answer(calls.call("cas", value="y", condition=Condition("version", number=3)), applied=False, told=False)
    assert not only(calls).told


def test_a_sum_is_told_where_it_came_back():
    """Of a plain addition, and of a conditional one."""
    calls = Calls()
    calls.answer(calls.call("add", amount=2), "7")
    assert (only(calls).told, only(calls).seen) == (True, "7")
    calls = Calls()
    calls.answer(calls.call("cas", then="add", amount=2, condition=Condition("absent")))
    assert not only(calls).told


def test_a_call_without_an_answer_never_ends():
    """So does one whose return says that nothing is known; a failed one ends, and counts for nothing."""
    calls = Calls()
    calls.answer(calls.call("put", value="x"), outcome="unknown")
    assert (only(calls).outcome, only(calls).returned, only(calls).returned_s) == ("unknown", inf, inf)
    calls = Calls()
    calls.call("put", value="x")
    assert (only(calls).outcome, only(calls).returned) == ("unknown", inf)
    calls = Calls()
    calls.answer(calls.call("put", value="x"), outcome="fail")
    assert (only(calls).outcome, only(calls).returned) == ("fail", 1)


def test_repeats_of_a_request_are_one_operation():
    """From the first call to the first answer; an unknown attempt and a failed one leave it unknown."""
    calls = Calls()
    calls.answer(calls.call("put", value="x", request="r"), outcome="unknown")
    calls.answer(calls.call("put", value="x", request="r"), number=4)
    op = only(calls)
    assert (op.index, op.called, op.returned, op.outcome, op.number) == (1, 0, 3, "ok", 4)
    calls = Calls()
    calls.answer(calls.call("put", value="x", request="r"), outcome="unknown")
    calls.answer(calls.call("put", value="x", request="r"), outcome="fail")
    assert only(calls).outcome == "unknown"


def test_a_call_that_was_refused_speaks_for_itself():
    """It saw something within that call; what the other call of the request did is still not known."""
    calls = Calls()
    for outcome, more in (("unknown", {}), ("ok", {"applied": False})):
        cas = calls.call("cas", value="y", condition=Condition("absent"), request="r")
        calls.answer(cas, "z", outcome=outcome, **more)
    recording = operations(calls.history)
    first, second = recording.keys["b/k"]
    assert (first.called, first.outcome, first.changes) == (0, "unknown", True)
    assert (second.called, second.returned, second.changes, second.seen) == (2, 3, False, "z")
    assert recording.contradictions == []


def test_a_refused_call_may_come_before_the_one_that_is_applied():
    """Both are under way at once, or the first is refused and the second, later, is not."""
    calls = Calls()
    calls.answer(calls.call("cas", value="y", condition=Condition("absent"), request="r"), "z", applied=False)
    calls.answer(calls.call("cas", value="y", condition=Condition("absent"), request="r"), number=3)
    recording = operations(calls.history)
    assert [op.applied for op in recording.keys["b/k"]] == [False, True]
    assert recording.contradictions == []


def test_nobody_is_refused_what_was_granted_before():
    """The repeat came after the answer: it must be known. So must what a resolve says of a request that was refused."""
    for kind in ("cas", "resolve"):
        calls = Calls()
        cas = {"value": "y", "condition": Condition("absent"), "request": "r"}
        if kind == "resolve":
            calls.answer(calls.call("cas", **cas), "z", applied=False)
            calls.answer(calls.call("resolve", request="r"), number=1)
        else:
            calls.answer(calls.call("cas", **cas), number=1)
            calls.answer(calls.call("cas", **cas), "z", applied=False)
        (verdict,) = operations(calls.history).contradictions
        assert (verdict.method, set(verdict.operations)) == ("answers", {1, 2})


def test_a_resolved_request_is_known():
    """It was applied before the resolve returned, or is not and never will be."""
    for applied, outcome in ((True, "ok"), (False, "fail")):
        calls = Calls()
        calls.answer(calls.call("put", value="x", request="r"), outcome="unknown")
        calls.answer(calls.call("resolve", request="r"), applied=applied)
        assert (only(calls).kind, only(calls).outcome, only(calls).returned) == ("put", outcome, 3)


def test_a_resolve_that_failed_says_nothing():
    """Nor is one without its request an operation."""
    calls = Calls()
    calls.answer(calls.call("put", value="x", request="r"), outcome="unknown")
    calls.answer(calls.call("resolve", request="r"), outcome="fail")
    assert only(calls).outcome == "unknown"
    calls = Calls()
    calls.answer(calls.call("resolve", request="r"))
    assert operations(calls.history).keys == {}


@pytest.mark.parametrize("second", [{"applied": False}, {"number": 5}])
def test_two_answers_to_one_request_contradict_each_other(second):
    """Applied and not applied, or applied as two versions."""
    calls = Calls()
    calls.answer(calls.call("put", value="x", request="r"), number=4)
    calls.answer(calls.call("put", value="x", request="r"), **second)
    (verdict,) = operations(calls.history).contradictions
    assert (verdict.result, verdict.method, verdict.operations) == ("illegal", "answers", (1, 2))


def test_siblings_are_several_values_at_once():
    """No register holds them."""
    calls = Calls()
    calls.answer(calls.call("get"), "x", "y")
    assert only(calls).seen == ("x", "y")


def test_only_one_bucket_is_wanted():
    """The others are left out."""
    calls = Calls()
    calls.answer(calls.call("get"))
    assert operations(calls.history, "other").keys == {}
    assert list(operations(calls.history, "b").keys) == ["b/k"]


def test_events_that_cannot_be_are_refused():
    """A return without its call, a number used twice."""
    call = Call(op=1, at=1.0, process="c", kind="get", bucket="b", key="k", quorum=1, deadline=2.0)
    with pytest.raises(ValueError, match="operation 2 returns and was never called"):
        of_events([call, Return(2, 3.0, "ok")])
    with pytest.raises(ValueError, match="operation 1 is called twice"):
        of_events([call, call])


def test_events_are_in_the_order_of_their_times():
    """Those of one instant as they were recorded; remarks have their place among them."""
    get, put = (
        Call(op=op, at=at, process="c", kind=kind, bucket="b", key="k", quorum=1, deadline=9.0)
        for op, at, kind in ((1, 3.0, "get"), (2, 1.0, "put"))
    )
    recording = of_events([get, Return(1, 3.0, "ok"), put, Remark(2.0, "a cut"), Return(2, 3.0, "ok")])
    assert [(op.index, op.called, op.returned) for op in recording.keys["b/k"]] == [(2, 0, 4), (1, 2, 3)]
    assert [(aside.at, aside.at_s, aside.text) for aside in recording.asides] == [(1, 2.0, "a cut")]


def test_a_cas_without_a_condition_is_refused():
    """It would mean nothing."""
    calls = Calls()
    calls.call("cas", value="y")
    with pytest.raises(ValueError, match="operation 1 is a cas without a condition"):
        operations(calls.history)
