"""What waits to be learnt: in order, and within its bounds."""

import pytest

from dynamo.node import unlearned
from dynamo.node.unlearned import Unlearned
from dynamo.versioning.ballot import Ballot
from tests.unit.node.world import ManualClock

ONE: Ballot = (1, "a", 1)
TWO: Ballot = (2, "a", 1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def waiting(clock) -> Unlearned:
    return Unlearned(clock)


def test_a_register_is_at_hand_for_its_ballot_only(waiting):
    """Until it is dropped, or another one has taken its place."""
    waiting.add(b"k", ONE, b"first")
    assert (waiting.take(b"k", TWO), waiting.take(b"l", ONE)) == (b"", b"")
    assert (waiting.take(b"k", ONE), waiting.take(b"k", ONE)) == (b"first", b"")
    waiting.add(b"k", ONE, b"first")
    waiting.add(b"k", TWO, b"second")
    assert (waiting.take(b"k", ONE), len(waiting)) == (b"", 1)
    waiting.drop(b"k")
    waiting.drop(b"k")
    assert (waiting.take(b"k", TWO), len(waiting)) == (b"", 0)


def test_who_waits_longest_comes_first(waiting, clock):
    """Whoever is added again begins anew."""
    for key in (b"a", b"b", b"c", b"a"):
        waiting.add(key, ONE, b"v")
        clock.turn(1)
    assert waiting.since(clock.now) == [b"b", b"c", b"a"]
    assert waiting.since(clock.now - 3) == [b"b"]
    assert waiting.since(clock.now - 3.1) == []


def test_keys_are_bounded(waiting, monkeypatch):
    """The oldest goes."""
    monkeypatch.setattr(unlearned, "COUNT_MAX", 2)
    for key in (b"a", b"b", b"b", b"c"):
        waiting.add(key)
    assert (len(waiting), b"a" in waiting, b"c" in waiting) == (2, False, True)


def test_registers_are_bounded(waiting, monkeypatch):
    """There is no room for more than that; what left makes room, and a key without its register waits all the same."""
    monkeypatch.setattr(unlearned, "BYTES_MAX", 10)
    waiting.add(b"a", ONE, b"12345678")
    waiting.add(b"b", ONE, b"123")
    assert (waiting.take(b"b", ONE), b"b" in waiting) == (b"", True)
    waiting.drop(b"a")
    waiting.add(b"b", ONE, b"1234567890")
    waiting.add(b"c", ONE, b"1")
    assert waiting.take(b"c", ONE) == b""
    assert waiting.take(b"b", ONE) == b"1234567890"
    waiting.add(b"c", ONE, b"1")
    assert waiting.take(b"c", ONE) == b"1"
