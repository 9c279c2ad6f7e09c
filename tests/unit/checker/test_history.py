"""A history is kept and read back event by event, and refuses what cannot have happened."""

import pytest

from dynamo.checker.history import Bucket, Call, History, Remark, Return, Run, Violation, from_lines, to_lines
from tests.unit.checker.story import Story, sibling, version


def test_lines_read_back_as_the_same_events():
    """Every kind of event, with what it carries."""
    story = Story()
    story.put("v1", seen={"a.1": 3}, shown=version({"a.1": 4}, sibling("v1", "a.1", 4, stamp=2**60)))
    story.answer(story.call("put", value="v2", request="r-v2"), "unknown", error="write-timeout")
    story.get(None)
    story.history.add(Remark(9.0, "n1 loses power"))
    story.history.add(Run(9.5, "n1.00000002"))
    again = from_lines(to_lines(story.history))
    assert again.events == story.history.events
    assert again.operations == story.history.operations
    assert again.runs == {"n1.00000002": 1}


def test_a_line_that_is_no_event_is_named():
    """By its number."""
    with pytest.raises(ValueError, match="line 2"):
        from_lines('{"event":"remark","at":1.0,"text":"begin"}\n{"event":"dance"}\n')


def test_a_return_without_its_call_is_refused():
    """So is a call number used twice."""
    history = History([Bucket("b", "siblings", 3)])
    with pytest.raises(ValueError, match="never called"):
        history.add(Return(1, 1.0, "ok"))
    call = Call(op=1, at=1.0, process="c", kind="get", bucket="b", key="k", quorum=1, deadline=2.0)
    history.add(call)
    with pytest.raises(ValueError, match="called twice"):
        history.add(call)


def test_a_call_without_a_return_is_unknown():
    """And the first return decides where there are several."""
    story = Story()
    op = story.call("get")
    assert story.history.operations[op].outcome == "unknown"
    assert story.history.operations[op].last is None
    story.answer(op, "fail")
    story.answer(op, "ok")
    assert story.history.operations[op].outcome == "fail"


def test_a_violation_reads_as_a_sentence():
    """Rule, place, what, and the operations to look at."""
    assert str(Violation("lost", ("b", "k"), "v1 is gone", (3, 7))) == "lost: b/k: v1 is gone (operations 3, 7)"


def test_lines_written_before_there_were_conditions_read_as_before():
    """What they do not say is: applied, no number, told."""
    call = (
        '{"event":"call","op":1,"at":1.0,"process":"c","kind":"put","bucket":"b","key":"k","quorum":2,"deadline":3.0}'
    )
    history = from_lines(call + '\n{"event":"return","op":1,"at":2.0,"outcome":"ok"}\n')
    (operation,) = history.operations.values()
    assert operation.call.condition is None
    assert (operation.returns[0].applied, operation.returns[0].number, operation.returns[0].told) == (True, None, True)
