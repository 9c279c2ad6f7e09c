from dynamo.protocol.messages import Fetch, Store
from dynamo.replication.sources import Sources

FETCH = Fetch("b", b"k")


def test_primaries_first_then_their_fallbacks():
    """Each fallback stands in for one primary, in the order of the preference list; then nobody is left."""
    sources = Sources(FETCH, ("a",), ("b", "c"), ("d", "e"))
    assert sources.suffice(3, 1)
    assert not sources.suffice(4, 1)
    assert not sources.suffice(3, 2)
    assert sources.first(2) == ["a", "d"]
    assert [sources.next(), sources.next()] == ["e", None]
    assert sources.hint_for == {"d": "b", "e": "c"}
    assert not sources.left


def test_a_fallback_is_asked_for_a_hint_and_repaired_as_one():
    """A primary for its own copy."""
    sources = Sources(FETCH, ("a",), ("b",), ("d",))
    sources.next(), sources.next()
    assert sources.fetch("a") is FETCH
    assert sources.fetch("d") == Fetch("b", b"k", "b")
    assert sources.store("a", b"r") == Store("b", b"k", b"r")
    assert sources.store("d", b"r") == Store("b", b"k", b"r", hint_for="b")


def test_without_fallbacks_those_that_are_away_stay_away():
    """A strict read has only its live primaries."""
    sources = Sources(FETCH, ("a",), ("b",))
    assert sources.suffice(1, 1)
    assert not sources.suffice(2, 1)
    assert sources.first(3) == ["a"]


def test_who_fails_is_stood_in_for():
    """A fallback that fails by the next one, for the same primary; where only primaries help, by nobody."""
    sources = Sources(FETCH, ("a", "b"), (), ("d", "e"))
    assert sources.next() == "a"
    sources.failed("a")
    assert sources.left
    assert sources.next(primary=True) == "b"
    assert sources.next(primary=True) is None
    assert sources.next() == "d"
    sources.failed("d")
    assert sources.next() == "e"
    assert sources.hint_for == {"d": "a", "e": "a"}
    assert sources.everyone() == ["a", "b", "d", "e"]
