"""What a store that reaps may have lost, and what it must not show again."""

from __future__ import annotations

import pytest

from dynamo.checker import answers, convergence, sessions
from dynamo.checker.forgotten import all_may_be_forgotten, may_be_forgotten
from dynamo.checker.history import Forgets
from dynamo.checker.writes import Ledger
from tests.unit.checker.story import PLACE, Story, rules, sibling, version

OLD = sibling("old", "n1.a", 1, stamp=1)
GRAVE = sibling(None, "n1.a", 2, request="r-d", stamp=2)
WRITTEN = version({"n1.a": 1}, OLD)
DELETED = version({"n1.a": 2}, GRAVE)
AFTER_S = 5.0


def buried(mode: str = "siblings", *, forgets: bool = True) -> Story:
    """A value that was written at 1 s and deleted by the call at 3 s, and then a pause."""
    story = Story(mode)
    if forgets:
        story.history.add(Forgets(AFTER_S))
    story.put("old", shown=WRITTEN)
    story.delete("d", seen={"n1.a": 1}, shown=DELETED)
    return story


def judged(story: Story, final: dict) -> list[str]:
    ledger = Ledger(story.history)
    return rules(answers.check(ledger) + sessions.check(story.history) + convergence.check(ledger, final))


@pytest.mark.parametrize("mode", ["siblings", "lww"])
def test_a_deleted_key_may_be_gone_in_the_end(mode: str):
    """Tombstone, and what it had superseded."""
    assert judged(buried(mode), {}) == []


def test_a_store_that_does_not_reap_must_keep_it():
    """The same history, without leave to forget."""
    assert judged(buried(forgets=False), {}) == ["lost"]


def test_a_live_value_must_not_be_gone():
    """Nobody deleted it."""
    story = Story()
    story.history.add(Forgets(AFTER_S))
    story.put("old", shown=WRITTEN)
    assert judged(story, {}) == ["lost"]


def test_a_delete_buries_only_what_it_had_seen():
    """A concurrent value beside it must still be there."""
    story = buried()
    beside = sibling("beside", "n2.a", 1, stamp=3)
    story.put("beside", seen={}, shown=version({"n1.a": 2, "n2.a": 1}, GRAVE, beside))
    assert judged(story, {}) == ["lost"]
    assert judged(story, {PLACE: version({"n2.a": 1}, beside)}) == []


def test_it_may_be_gone_only_after_its_time():
    """A read too early that finds nothing misses the delete, by the clocks as they may be wrong."""
    ledger = Ledger(buried().history)
    died_at = 3.0
    assert not may_be_forgotten(ledger, PLACE, GRAVE, died_at + AFTER_S - 0.1)
    assert may_be_forgotten(ledger, PLACE, GRAVE, died_at + AFTER_S)
    assert may_be_forgotten(ledger, PLACE, OLD, died_at + AFTER_S)
    assert not may_be_forgotten(ledger, PLACE, OLD, died_at + AFTER_S - 0.1)
    assert all_may_be_forgotten(ledger, PLACE, {"n1.a": 2}, {}, died_at + AFTER_S)
    assert not all_may_be_forgotten(ledger, PLACE, {"n1.a": 2}, {}, died_at)


def test_an_early_read_of_nothing_is_a_missed_write():
    """The quorum that acknowledged the delete still has it."""
    story = buried()
    story.get(None)
    assert judged(story, {}) == ["missed-write"]


def waited(story: Story) -> Story:
    for _ in range(int(AFTER_S)):
        story.get(DELETED)
    return story


def test_a_late_read_of_nothing_is_right():
    """Also one that demands a context from before the delete."""
    story = waited(buried())
    story.get(None)
    story.get(None, seen={"n1.a": 1})
    assert judged(story, {}) == []


def test_a_read_that_shows_what_was_deleted_is_caught():
    """Its clock knows nothing of the delete, as after a removal; so only what was shown before tells."""
    story = waited(buried())
    story.get(WRITTEN)
    assert "came-back" in judged(story, {})


def test_what_is_back_in_the_end_is_caught():
    """Though the final clock has not seen the delete, and need not."""
    assert judged(waited(buried()), {PLACE: WRITTEN}) == ["resurrected"]


def test_a_key_may_be_written_again():
    """By an actor whose greater counter covers what was forgotten."""
    story = waited(buried())
    again = version({"n1.a": 9}, sibling("again", "n1.a", 9, stamp=9))
    story.put("again", shown=again)
    story.get(again)
    assert judged(story, {PLACE: again}) == []


def test_an_expired_value_may_be_gone():
    """From its expiry on, not from its write on."""
    story = Story()
    story.history.add(Forgets(AFTER_S))
    short = sibling("short", "n1.a", 1, expires_at=10.0)
    story.put("short", shown=version({"n1.a": 1}, short), expires=True)
    ledger = Ledger(story.history)
    assert not may_be_forgotten(ledger, PLACE, short, 14.9)
    assert may_be_forgotten(ledger, PLACE, short, 15.0)
