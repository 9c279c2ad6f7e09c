"""The end of a history against the whole of it."""

from dynamo.checker import convergence
from dynamo.checker.history import Version
from dynamo.checker.writes import Ledger
from tests.unit.checker.story import PLACE, Story, rules, sibling, version

V1, V2, V3 = sibling("v1", "a", 1), sibling("v2", "b", 1), sibling("v3", "a", 2)
GONE = sibling(None, "b", 1, request="r-d")


def broken(story: Story, final: Version | None) -> list[str]:
    return rules(convergence.check(Ledger(story.history), {} if final is None else {PLACE: final}))


def written() -> Story:
    """One acknowledged write, one of unknown outcome, one that failed."""
    story = Story()
    story.put("v1", shown=version({"a": 1}, V1))
    story.answer(story.call("put", value="v2", request="r-v2"), "unknown")
    story.answer(story.call("put", value="v3", request="r-v3"), "fail")
    return story


def test_what_may_be_there_in_the_end():
    """The acknowledged write, with or without the unknown one."""
    assert broken(written(), version({"a": 1}, V1)) == []
    assert broken(written(), version({"a": 1, "b": 1}, V1, V2)) == []


def test_an_acknowledged_write_is_lost():
    """Without a trace: not even the clock has heard of it."""
    assert broken(written(), None) == ["lost"]
    assert broken(written(), version({"b": 1}, V2)) == ["lost"]


def test_an_acknowledged_write_is_hidden():
    """The clock has heard of it, and nobody had seen it."""
    assert broken(written(), version({"a": 1, "b": 1}, V2)) == ["hidden"]


def test_a_write_that_was_only_read_is_owed_too():
    """Of unknown outcome, but somebody has seen it: reads show what is on disk."""
    story = written()
    story.get(version({"a": 1, "b": 1}, V1, V2), quorum=1)
    assert broken(story, version({"a": 1}, V1)) == ["lost"]


def test_an_acknowledged_write_may_be_superseded():
    """By a write whose client had seen it, acknowledged or not."""
    for outcome in ("ok", "unknown"):
        story = Story()
        story.put("v1", shown=version({"a": 1}, V1))
        op = story.call("put", value="v2", request="r-v2", seen={"a": 1})
        story.answer(op, outcome, version({"a": 1, "b": 1}, V2) if outcome == "ok" else None)
        assert broken(story, version({"a": 1, "b": 1}, V2)) == []


def test_a_failed_write_is_there():
    """It was said not to be."""
    assert broken(written(), version({"a": 2}, V1, V3)) == ["failed-write"]


def test_a_deleted_value_is_back():
    """Though everybody has seen the delete."""
    story = Story()
    story.put("v1", shown=version({"a": 1}, V1))
    story.delete("d", seen={"a": 1}, shown=version({"a": 1, "b": 1}, GONE))
    assert broken(story, version({"a": 1, "b": 1}, GONE)) == []
    assert "resurrected" in broken(story, version({"a": 1, "b": 1}, V1))


def test_a_superseded_value_is_there():
    """Beside what replaced it."""
    story = Story()
    story.put("v1", shown=version({"a": 1}, V1))
    story.put("v2", seen={"a": 1}, shown=version({"a": 1, "b": 1}, V2))
    assert broken(story, version({"a": 1, "b": 1}, V1, V2)) == ["resurrected", "superseded"]


def test_the_newest_acknowledged_write_is_there_in_an_lww_bucket():
    """An older one may be gone; the newest may not."""
    older, newer = sibling("v1", "a", 1, stamp=5), sibling("v2", "b", 1, stamp=6)
    story = Story("lww")
    story.put("v1", shown=version({"a": 1}, older))
    story.put("v2", shown=version({"b": 1}, newer))
    assert broken(story, version({"a": 1, "b": 1}, newer)) == []
    assert "hidden" in broken(story, version({"a": 1, "b": 1}, older))
