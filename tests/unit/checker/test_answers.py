"""Hand-written histories, each bad one bad for one reason, and its good twin."""

from dynamo.checker import answers
from dynamo.checker.history import Clocks, Return, Run
from dynamo.checker.writes import Ledger
from tests.unit.checker.story import Story, rules, sibling, version

V1, V2, V3 = sibling("v1", "a", 1), sibling("v2", "b", 1), sibling("v3", "a", 2)


def broken(story: Story) -> list[str]:
    return rules(answers.check(Ledger(story.history)))


def two_concurrent() -> Story:
    """Two clients write without having seen each other, and the replicas have merged."""
    story = Story()
    story.put("v1", shown=version({"a": 1}, V1))
    story.put("v2", shown=version({"b": 1}, V2))
    story.get(version({"a": 1, "b": 1}, V1, V2))
    return story


def test_concurrent_values_are_shown_side_by_side():
    """Until somebody who has seen both replaces them."""
    story = two_concurrent()
    story.put("v3", seen={"a": 1, "b": 1}, shown=version({"a": 2, "b": 1}, V3))
    story.get(version({"a": 2, "b": 1}, V3))
    assert broken(story) == []


def test_a_value_that_nobody_wrote():
    """Or that was written to another key, or with other words."""
    story = Story()
    story.get(version({"a": 1}, V1))
    assert broken(story) == ["thin-air"]
    story = two_concurrent()
    story.get(version({"a": 1, "b": 1}, V1, sibling("v9", "b", 1, request="r-v2")))
    assert "thin-air" in broken(story)


def test_a_value_that_is_shown_before_it_was_written():
    """Reads cannot look ahead."""
    story = Story()
    story.get(version({"a": 1}, V1))
    story.put("v1", shown=version({"a": 1}, V1))
    assert broken(story) == ["thin-air"]


def test_a_write_that_was_answered_as_not_applied():
    """It must never be seen; one of unknown outcome may be, or not."""
    for outcome, found in (("fail", ["failed-write"]), ("unknown", [])):
        story = Story()
        story.answer(story.call("put", value="v1", request="r-v1"), outcome)
        story.get(None)
        story.get(version({"a": 1}, V1))
        assert broken(story) == found


def test_a_failed_write_whose_repeat_was_applied():
    """All tries are one write."""
    story = Story()
    story.answer(story.call("put", value="v1", request="r-v1"), "fail")
    story.put("v1", shown=version({"a": 1}, V1))
    assert broken(story) == []


def test_a_concurrent_value_is_missing():
    """The clock says that the write was seen, and nothing shown supersedes it."""
    story = two_concurrent()
    story.get(version({"a": 1, "b": 1}, V1))
    assert "hidden" in broken(story)


def test_an_older_answer_is_no_lie():
    """A replica that has not heard of the second write shows the first alone, under a clock that says so."""
    story = two_concurrent()
    story.get(version({"a": 1}, V1), quorum=1)
    assert broken(story) == []


def test_a_superseded_value_is_shown():
    """Beside the very value whose writer had seen it."""
    story = Story()
    story.put("v1", shown=version({"a": 1}, V1))
    story.put("v2", seen={"a": 1}, shown=version({"a": 1, "b": 1}, V2))
    story.get(version({"a": 1, "b": 1}, V1, V2))
    assert broken(story) == ["resurrected", "superseded"]


def test_a_deleted_value_comes_back():
    """The delete had seen it, and the answer has seen the delete; before that it may be shown."""
    gone = sibling(None, "b", 1, request="r-d")
    story = Story()
    story.put("v1", shown=version({"a": 1}, V1))
    story.delete("d", seen={"a": 1}, shown=version({"a": 1, "b": 1}, gone))
    story.get(version({"a": 1}, V1), quorum=1)
    assert broken(story) == []
    story.get(version({"a": 1, "b": 1, "c": 1}, V1))
    assert "resurrected" in broken(story)


def test_a_tombstone_may_go_once_a_later_write_is_there():
    """And what it had deleted stays deleted."""
    gone = sibling(None, "b", 1, request="r-d")
    story = Story()
    story.put("v1", shown=version({"a": 1}, V1))
    story.delete("d", seen={"a": 1}, shown=version({"a": 1, "b": 1}, gone))
    story.put("v3", shown=version({"a": 2, "b": 1}, V3))
    story.get(version({"a": 2, "b": 1}, V3))
    assert broken(story) == []


def test_a_tombstone_may_not_go_by_itself():
    """A clock without anything under it hides the delete."""
    gone = sibling(None, "b", 1, request="r-d")
    story = Story()
    story.delete("d", seen={}, shown=version({"b": 1}, gone))
    story.get(version({"b": 1}))
    assert "hidden" in broken(story)


def test_a_delete_that_names_no_context():
    """It removes what its coordinator knew; that cannot be a write that came after it."""
    gone = sibling(None, "b", 1, request="r-d")
    story = Story()
    story.put("v1", shown=version({"a": 1}, V1))
    story.delete("d", shown=version({"a": 1, "b": 1}, gone))
    story.put("v3", shown=version({"a": 2, "b": 1}, V3))
    assert broken(story) == []
    story.get(version({"a": 2, "b": 1}, gone))
    assert "hidden" in broken(story)


def test_a_dot_names_one_write():
    """On one key and over all keys."""
    story = Story()
    story.put("v1", shown=version({"a": 1}, V1))
    story.put("v2", shown=version({"a": 1}, sibling("v2", "a", 1)))
    assert "dot-reused" in broken(story)


def test_a_request_that_became_two_dots_of_one_run():
    """Through two nodes that can happen, and in two runs of a node; within one run it may not."""
    again = sibling("v1", "a", 2)
    for repeat, runs, found in ((again, 1, ["minted-twice"]), (again, 2, []), (sibling("v1", "b", 1), 1, [])):
        story = Story()
        for _ in range(runs):
            story.history.add(Run(0.0, "a"))
        story.put("v1", shown=version({"a": 1}, V1))
        story.put("v1", shown=version({"a": 1} | {repeat.actor: repeat.counter}, V1, repeat))
        assert broken(story) == found


def test_a_value_that_a_user_is_shown_twice():
    """Two dots of one write are one value."""
    story = two_concurrent()
    story.put("v1", shown=version({"a": 1, "c": 1}, V1, sibling("v1", "c", 1)))
    both = version({"a": 1, "c": 1}, V1, sibling("v1", "c", 1))
    story.history.add(Return(story.call("get"), 99.0, "ok", both, ("v1",)))
    assert broken(story) == []
    story.history.add(Return(story.call("get"), 99.0, "ok", both, ("v1", "v1")))
    assert broken(story) == ["wrong-values"]


def test_a_value_that_a_user_is_not_shown():
    """What is under the clock is what the user sees."""
    story = two_concurrent()
    story.history.add(Return(story.call("get"), 99.0, "ok", version({"a": 1, "b": 1}, V1, V2), ("v1",)))
    assert broken(story) == ["wrong-values"]


def test_an_acknowledgement_without_the_write():
    """Unless it says that the write had been made, and superseded, before."""
    story = Story()
    story.put("v1", shown=version({"a": 1}, V1))
    story.put("v2", seen={"a": 1}, shown=version({"a": 1, "b": 1}, V2))
    story.answer(story.call("put", value="v1", request="r-v1"), "ok", version({"a": 1, "b": 1}, V2), answers.REPEATED)
    assert broken(story) == []
    story.put("v3", shown=version({"a": 1, "b": 1}, V2))
    assert broken(story) == ["ack-without-write"]


def test_the_newest_write_wins_in_an_lww_bucket():
    """By stamp; of equal stamps the greater dot; and one value is all that is shown."""
    older, newer = sibling("v1", "a", 1, stamp=5), sibling("v2", "b", 1, stamp=5)
    story = Story("lww")
    story.put("v1", shown=version({"a": 1}, older))
    story.put("v2", shown=version({"b": 1}, newer))
    story.get(version({"a": 1, "b": 1}, newer))
    assert broken(story) == []
    story.get(version({"a": 1, "b": 1, "c": 1}, older))
    assert "hidden" in broken(story)


def test_an_lww_bucket_shows_one_value():
    """Siblings are for the other kind."""
    older, newer = sibling("v1", "a", 1, stamp=5), sibling("v2", "b", 1, stamp=6)
    story = Story("lww")
    story.put("v1", shown=version({"a": 1}, older))
    story.put("v2", shown=version({"b": 1}, newer))
    story.get(version({"a": 1, "b": 1}, older, newer))
    assert broken(story) == ["superseded"]


MORTAL = sibling("v1", "a", 1, expires_at=50.0)


def shown_at(at: float, *values: str) -> list[str]:
    """What is wrong with showing these values of a key whose one value expires at 50 s, on clocks that are 5 s off."""
    story = Story()
    story.history.add(Clocks(5.0))
    story.put("v1", shown=version({"a": 1}, MORTAL), expires=True)
    story.history.add(Return(story.call("get"), at, "ok", version({"a": 1}, MORTAL), values))
    return broken(story)


def test_a_value_is_shown_until_it_expires():
    """Around that moment either is right, as far as the clocks may be wrong."""
    assert shown_at(44.0, "v1") == []
    assert shown_at(44.0) == ["wrong-values"]
    assert shown_at(46.0, "v1") == shown_at(46.0) == shown_at(54.0, "v1") == shown_at(54.0) == []
    assert shown_at(56.0, "v1") == ["wrong-values"]
    assert shown_at(56.0) == []


def test_an_expired_value_may_go_once_a_later_write_is_there():
    """With all that it had superseded; before its time it may not."""
    for expires_at, found in ((1.0, []), (50.0, ["hidden"])):
        mortal = sibling("v2", "b", 1, expires_at=expires_at)
        story = Story()
        story.put("v1", shown=version({"a": 1}, V1))
        story.put("v2", seen={"a": 1}, shown=version({"a": 1, "b": 1}, mortal), expires=True)
        story.put("v3", shown=version({"a": 2, "b": 1}, V3))
        assert broken(story) == found


def test_an_answer_that_stands_for_more_disks_than_have_it():
    """An acknowledged write, or a majority's answer; where nobody looked, nothing is held against it."""
    for kind, held_by, found in (("put", 1, ["not-held"]), ("put", 2, []), ("get", 1, ["not-held"]), ("get", None, [])):
        story = Story()
        story.put("v1", shown=version({"a": 1}, V1))
        op = story.call(kind, value="v1" if kind == "put" else None, request="r-v1" if kind == "put" else "")
        values = ("v1",) if kind == "get" else ()
        story.history.add(Return(op, 9.0, "ok", version({"a": 1}, V1), values, held_by=held_by))
        assert broken(story) == found
