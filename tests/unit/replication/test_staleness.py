from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.errors import CorruptValue
from dynamo.replication.read_repair import keep_newest, keep_siblings
from dynamo.replication.staleness import (
    CLEAN,
    INFLIGHT,
    STALE,
    UNCERTAIN_S,
    UNRESOLVED,
    VERDICTS,
    Event,
    Evidence,
    Known,
    Span,
    Views,
    judged,
)
from dynamo.telemetry import staleness_series
from dynamo.versioning.record import Record, Sibling, encode

START = 100.0
PRIMARIES = ("n1", "n2", "n3")


def form(**clock: int) -> bytes:
    """A record with that clock; its only value is the last actor's."""
    actor, counter = list(clock.items())[-1]
    return encode(Record(dict(clock), [Sibling(actor, counter, 1, b"x")]))


def evidence(*answers: tuple[str, bytes]) -> Evidence:
    found = Evidence(START)
    for number, (peer, data) in enumerate(answers):
        found.arrived(peer, data, START + number)
    return found


def verdict(view: dict[str, int], *events: Event, doubtful_upto: int = 0, replies: int = 1) -> str:
    return judged(view, {"a": Known(events, doubtful_upto)}, START, replies, 3).verdict


@pytest.mark.parametrize(
    ("events", "doubtful_upto", "expected"),
    [
        ((), 0, "fresh"),
        ((Event(7, 98, 99),), 0, STALE),
        ((Event(7, 101, 102),), 0, INFLIGHT),
        ((Event(7),), 0, INFLIGHT),
        ((), 7, UNRESOLVED),
        # One that is certain decides, whatever is not known of others.
        ((Event(7, 98, 99),), 6, STALE),
        ((Event(8), Event(7, 98, 99)), 0, STALE),
        ((Event(8), Event(7)), 6, UNRESOLVED),
        # Of what the answer has seen nothing matters.
        ((Event(5, 98, 99),), 5, "fresh"),
    ],
)
def test_a_verdict_follows_from_what_was_missed(events: tuple[Event, ...], doubtful_upto: int, expected: str):
    """Only what was acknowledged before the read began makes it stale; what failed, or came later, does not."""
    assert verdict({"a": 5}, *events, doubtful_upto=doubtful_upto) == expected


def test_within_the_bounds_the_middle_decides():
    """Unless the bounds are so wide that it says nothing."""
    assert verdict({}, Event(1, 99.9, 100.05)) == STALE
    assert verdict({}, Event(1, 99.95, 100.1)) == INFLIGHT
    assert verdict({}, Event(1, START - UNCERTAIN_S, START + 0.1)) == UNRESOLVED


@pytest.mark.parametrize(("copies", "replies", "expected"), [(2, 2, INFLIGHT), (1, 2, STALE), (3, 1, INFLIGHT)])
def test_an_overlap_of_quorums_is_stronger_than_an_estimate(copies: int, replies: int, expected: str):
    """One of the merged replies would have shown it, had it been acknowledged before."""
    assert verdict({}, Event(1, 99.9, 100.05, copies), replies=replies) == expected


def test_an_overlap_of_quorums_does_not_hide_what_is_proven():
    """Such a read is a bug of the store, and must be counted."""
    assert verdict({}, Event(1, 98, 99, 3), replies=3) == STALE


def test_how_stale():
    """Age of the oldest acknowledgement that was missed, and how many were."""
    found = judged({"b": 2}, {"a": Known((Event(3, 90, 92), Event(2, 80, 82))), "b": Known((Event(3),))}, START, 1, 3)
    assert found == (STALE, 19.0, 2)
    assert judged({"a": 3, "b": 3}, {}, START, 1, 3) == CLEAN == ("fresh", 0.0, 0)


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 5)),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 5)),
    st.dictionaries(
        st.sampled_from("abc"),
        st.lists(st.builds(Event, st.integers(1, 5), st.sampled_from([90.0, inf]), st.just(inf)), max_size=3),
    ),
)
def test_who_has_seen_more_is_not_staler(view, more, events):
    """Missed writes can only become fewer as replies are merged."""
    known = {actor: Known(tuple(found)) for actor, found in events.items()}
    both = {actor: max(view.get(actor, 0), more.get(actor, 0)) for actor in (*view, *more)}
    assert judged(both, known, START, 1, 3).versions <= judged(view, known, START, 1, 3).versions


def test_all_primaries_must_have_answered_once():
    """A fallback is none, and one that was asked twice may have answered for later."""
    one, two, three = ((node, b"") for node in PRIMARIES)
    assert evidence(three, one, two).is_complete(PRIMARIES)
    for found in ((one, two), (one, two, ("n4", b"")), (one, two, two), (one, two, three, three)):
        assert not evidence(*found).is_complete(PRIMARIES)


def test_equal_bytes_need_no_look():
    """Also where nobody has anything."""
    assert evidence(("n1", b""), ("n2", b"")).agrees()
    assert not evidence(("n1", form(a=1)), ("n2", b"")).agrees()


@pytest.mark.parametrize("resolve", [keep_siblings, keep_newest])
def test_views_grow_reply_by_reply(resolve):
    """And what any of them lacks of the last one is what is to be asked about."""
    found = evidence(("n1", b""), ("n2", form(a=3)), ("n3", form(a=1, b=4)))
    views = Views.of(found, Record({"a": 3}, []), resolve)
    assert views.after == [{}, {"a": 3}, {"a": 3, "b": 4}]
    assert views.missed() == [Span("a", 0, 3), Span("b", 0, 4)]
    assert Views.of(evidence(("n1", form(a=3))), None, resolve).missed() == [Span("a", 0, 3)]
    assert Views.of(evidence(("n1", form(a=3))), Record({"a": 3}, []), resolve).missed() == []


def test_damage_is_no_answer():
    """It is raised, not taken for nothing."""
    with pytest.raises(CorruptValue):
        Views.of(evidence(("n1", b"damaged")), None, keep_siblings)


def test_verdicts_are_spelt_as_in_the_metrics():
    """One word for one thing."""
    assert staleness_series.VERDICTS == VERDICTS
