"""What a start makes of the frames it finds: every way in which a log can end, and every way in which it cannot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.storage.frame import CHANGES, SEAL, Frame
from dynamo.storage.replay import Found, Plan, plan


def frame(sequence: int, synced: int | None = None, kind: int = CHANGES, payload: bytes | None = None) -> Frame:
    content = b"%d" % sequence if payload is None else payload
    return Frame(sequence, sequence - 1 if synced is None else synced, kind, 0, 0, memoryview(content))


def found(number: int, *frames: Frame) -> Found:
    return Found(f"{number}.log", number, frames)


def numbers(made: Plan) -> list[int]:
    assert made.damage is None, made.damage
    return [frame.sequence for frame in made.frames]


def groups(first: int, last: int) -> list[Frame]:
    return [frame(sequence) for sequence in range(first, last + 1)]


def sealed(number: int, first: int, last: int) -> Found:
    return found(number, *groups(first, last), frame(last + 1, kind=SEAL))


def test_what_lmdb_has_not_is_replayed():
    """Over several segments, in whatever order they are found; what it has is not looked at."""
    assert numbers(plan([found(2, *groups(5, 7)), sealed(1, 1, 4)], 3)) == [4, 5, 6, 7]
    assert numbers(plan([found(1, *groups(1, 4))], 4)) == []
    assert numbers(plan([found(1)], 9)) == []


def test_segments_that_wait_to_be_used_again_do_not_matter():
    """They are whole, or partly overwritten, and LMDB has all of them; their successors may be gone."""
    assert numbers(plan([sealed(3, 7, 9), sealed(5, 13, 15), found(8, *groups(22, 23))], 21)) == [22, 23]


def test_an_empty_segment_behind_the_last_group_is_no_damage():
    """The crash came between its header and the seal."""
    assert numbers(plan([found(1, *groups(1, 4)), found(2)], 2)) == [3, 4]


@pytest.mark.parametrize("gone", [3, 4, 5])
def test_a_group_that_was_on_disk_is_missed(gone):
    """The next one was written only when it was."""
    left = [each for each in groups(1, 6) if each.sequence != gone]
    assert f"group {gone} of its log is damaged or missing" in (plan([found(1, *left)], 2).damage or "")


def test_the_last_group_may_be_missing():
    """It was torn, and acknowledged to nobody; or it never was."""
    assert numbers(plan([found(1, *groups(1, 5))], 2)) == [3, 4, 5]


def test_a_missing_segment_is_missed():
    """In the middle, where a group behind it is left; at the end, where the seal before it is."""
    assert plan([sealed(1, 1, 3), found(3, *groups(7, 8))], 1).damage is not None
    assert "the segment after 1.log" in (plan([sealed(1, 1, 3)], 1).damage or "")
    assert "is missing" in (plan([], 1).damage or "")


def test_a_seal_knows_what_was_on_disk_before_it():
    """Also while nothing lies behind it yet. In async mode it may not know of the last groups."""
    seal = frame(4, kind=SEAL)
    assert "group 3" in (plan([found(1, *groups(1, 2), seal), found(2)], 1).damage or "")
    assert numbers(plan([found(1, *groups(1, 2), frame(4, synced=1, kind=SEAL)), found(2)], 1)) == [2]


def test_a_missing_segment_before_an_empty_one_is_missed():
    """Unless LMDB has what it began with."""
    assert "the segment after 1.log" in (plan([sealed(1, 1, 3), found(3)], 3).damage or "")
    assert numbers(plan([sealed(1, 1, 3), found(3)], 4)) == []


def test_a_segment_that_is_there_twice_is_there_once():
    """A copy says the same. One that says something else is no copy."""
    assert numbers(plan([found(1, *groups(1, 3)), found(1, *groups(1, 3))], 0)) == [1, 2, 3]
    other = found(1, frame(2, payload=b"another"))
    assert "two groups of the number 2" in (plan([found(1, *groups(1, 3)), other], 0).damage or "")


@given(st.integers(0, 9), st.integers(0, 9), st.sets(st.integers(1, 20)), st.integers(0, 20))
def test_async_mode_loses_a_tail_and_nothing_else(applied, synced, lost, last):
    """Any groups that no later one knew to be on disk may be gone; all before the first of them are replayed."""
    synced = min(synced, last)
    applied = min(applied, last)
    gone = {sequence for sequence in lost if sequence > synced}
    left = [frame(sequence, min(sequence - 1, synced)) for sequence in range(1, last + 1) if sequence not in gone]
    end = next((sequence for sequence in range(applied + 1, last + 1) if sequence in gone), last + 1)
    assert numbers(plan([found(1, *left)], applied)) == list(range(applied + 1, end))


@given(st.integers(1, 9), st.integers(1, 9))
def test_async_mode_misses_what_was_synced(gone, synced):
    """One of the groups up to the last sync: damage, if any group was written after it."""
    left = [frame(sequence, min(sequence - 1, synced)) for sequence in range(1, 12) if sequence != gone]
    assert (plan([found(1, *left)], 0).damage is not None) == (gone <= synced)
