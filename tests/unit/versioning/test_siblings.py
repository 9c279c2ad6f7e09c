import itertools
from collections.abc import Callable
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.errors import CorruptValue
from dynamo.versioning.clock import covers, descends
from dynamo.versioning.record import Record, Sibling, decode, encode
from dynamo.versioning.siblings import EMPTY, living, merged, newest_only, written
from tests.unit.versioning.histories import History, State, histories


def keep_newest(left: Record, right: Record) -> Record:
    return newest_only(merged(left, right))[0]


def rule(history: History) -> Callable[[Record, Record], Record]:
    return keep_newest if history.lww else merged


def dots(record: Record) -> list[tuple[str, int]]:
    return [s.dot for s in record.siblings]


def sibling(actor: str, counter: int, hybrid: int = 0, value: bytes | None = b"v", **more) -> Sibling:
    return Sibling(actor, counter, hybrid or counter, value, **more)


some_states = st.data()


def pick(data: st.DataObject, history: History, count: int) -> list[State]:
    return [data.draw(st.sampled_from(history.states)) for _ in range(count)]


@given(histories(), st.data())
def test_merge_commutes(history, data):
    """Whichever side a record stands on, the merge has the same bytes."""
    left, right = pick(data, history, 2)
    merge = rule(history)
    assert encode(merge(left.record, right.record)) == encode(merge(right.record, left.record))


@given(histories(), st.data())
def test_merge_associates(history, data):
    """Three replicas may meet in either grouping."""
    a, b, c = (state.record for state in pick(data, history, 3))
    merge = rule(history)
    assert encode(merge(merge(a, b), c)) == encode(merge(a, merge(b, c)))


@given(histories(), st.data())
def test_merge_is_idempotent(history, data):
    """A message that comes twice, or after what it was merged into, changes nothing."""
    a, b = (state.record for state in pick(data, history, 2))
    merge = rule(history)
    both = merge(a, b)
    assert encode(merge(a, a)) == encode(a)
    assert encode(merge(both, a)) == encode(merge(both, b)) == encode(both)


@given(histories(), st.data())
def test_any_order_gives_the_same_bytes(history, data):
    """Replicas that took in the same states in any order hold the same record."""
    chosen = [state.record for state in pick(data, history, 4)]
    merge = rule(history)
    assert len({encode(reduce(merge, order, EMPTY)) for order in itertools.permutations(chosen)}) == 1


@given(histories(lww=False))
def test_a_clock_stands_for_exactly_the_events_seen(history):
    """The model keeps sets of events; the clock covers those and no other, and what stands is what stands there."""
    for state in history.states:
        assert {dot for dot in history.minted if covers(state.record.clock, dot)} == state.seen
        assert set(dots(state.record)) == state.standing
        assert dots(state.record) == sorted(dots(state.record))


@given(histories(lww=True))
def test_of_an_lww_key_the_newest_event_seen_stands(history):
    """However the states met, exactly the write with the greatest stamp of all that were seen is left."""
    for state in history.states:
        assert {dot for dot in history.minted if covers(state.record.clock, dot)} == state.seen
        newest = max(
            (history.minted[d] for d in state.seen), key=lambda s: (s.hybrid, s.value is None, s.dot), default=None
        )
        assert state.record.siblings == ([] if newest is None else [newest])


@given(histories(), st.data())
def test_what_was_superseded_never_comes_back(history, data):
    """A value that some record has seen and dropped is in no merge with that record, whatever is merged in."""
    state, *others = pick(data, history, 4)
    merge = rule(history)
    gone = {dot for dot in history.minted if covers(state.record.clock, dot)} - set(dots(state.record))
    for order in itertools.permutations([state.record, *(o.record for o in others)]):
        assert not gone & set(dots(reduce(merge, order)))


@given(histories(lww=False), st.data())
def test_a_merge_keeps_every_value_that_nobody_superseded(history, data):
    """No value is lost: one that stands on a side is in the merge unless the other side has seen and dropped it."""
    left, right = pick(data, history, 2)
    both = set(dots(merged(left.record, right.record)))
    for one, other in ((left, right), (right, left)):
        assert one.standing - other.seen <= both
        assert one.standing & other.standing <= both


@given(histories(), st.data())
def test_a_merge_has_seen_what_both_sides_have(history, data):
    """Clocks only grow."""
    left, right = pick(data, history, 2)
    both = rule(history)(left.record, right.record)
    assert descends(both.clock, left.record.clock)
    assert descends(both.clock, right.record.clock)


@given(histories(lww=False), st.data())
def test_a_write_supersedes_only_what_its_context_covers(history, data):
    """`written` never drops a sibling that the client has not seen."""
    base, read = pick(data, history, 2)
    new = Sibling("fresh", 1, 1, b"new")
    after = written(base.record, read.record.clock, new)
    assert set(dots(after)) == {d for d in base.standing if d not in read.seen} | {("fresh", 1)}
    assert descends(after.clock, base.record.clock)
    assert descends(after.clock, read.record.clock)
    assert covers(after.clock, new.dot)


@given(histories(), st.data())
def test_every_state_is_its_bytes(history, data):
    """Encoding and decoding loses nothing of any reachable state."""
    (state,) = pick(data, history, 1)
    assert decode(encode(state.record)) == state.record


@given(histories(), st.data())
def test_living_drops_only_the_dead(history, data):
    """What lives is kept in order, and the clock goes on covering what it covered."""
    (state,) = pick(data, history, 1)
    alive = living(state.record, history.now_ms)
    assert alive.clock == state.record.clock
    assert alive.siblings == [s for s in state.record.siblings if s.value is not None and s.is_live(history.now_ms)]


def test_a_record_without_dead_siblings_is_its_own_base():
    """Nothing is copied where nothing is dropped."""
    record = Record({"a": 1}, [sibling("a", 1)])
    assert living(record, 0) is record


def test_a_record_that_supersedes_all_is_the_merge_itself():
    """So a replica that follows stores the bytes that came. One dot that was known before, and it is not."""
    old = Record({"a": 1, "b": 1}, [sibling("a", 1), sibling("b", 1)])
    new = Record({"a": 1, "b": 2}, [sibling("b", 2)])
    assert merged(old, new) is new
    assert merged(EMPTY, new) is new
    assert merged(Record({"a": 1, "b": 2}, []), new) == Record({"a": 1, "b": 2}, [])
    assert merged(Record({"a": 1, "b": 2, "c": 1}, [sibling("c", 1)]), new).siblings == [sibling("c", 1)]


def test_equal_records_merge_to_the_left_one():
    """The usual case, replicas that agree, builds nothing."""
    left, right = Record({"a": 1}, [sibling("a", 1)]), Record({"a": 1}, [sibling("a", 1)])
    assert merged(left, right) is left


@pytest.mark.parametrize(
    "other",
    [
        sibling("a", 1, value=b"other"),
        sibling("a", 1, value=None),
        sibling("a", 1, hybrid=9),
        sibling("a", 1, content_type="text/plain"),
        sibling("a", 1, meta={"x": "y"}),
        sibling("a", 1, expires_ms=5),
        sibling("a", 1, request=b"r" * 16),
    ],
)
def test_a_dot_with_two_values_is_refused(other):
    """Any difference under one dot is damage, whichever side it comes from."""
    left, right = Record({"a": 1}, [sibling("a", 1)]), Record({"a": 1, "b": 1}, [other])
    with pytest.raises(CorruptValue, match="two values"):
        merged(left, right)
    with pytest.raises(CorruptValue, match="two values"):
        merged(right, left)


def test_a_dot_is_minted_once():
    """A write whose dot the record has seen is a bug of the caller."""
    with pytest.raises(AssertionError):
        written(Record({"a": 3}, [sibling("a", 3)]), {}, sibling("a", 3))


def test_a_write_without_a_context_stands_beside_what_is_there():
    """Blind writes make siblings."""
    after = written(Record({"a": 1}, [sibling("a", 1)]), {}, sibling("b", 1))
    assert after == Record({"a": 1, "b": 1}, [sibling("a", 1), sibling("b", 1)])


def test_a_context_from_elsewhere_is_remembered():
    """A value that this replica never saw, but the client did, does not come up later beside its successor."""
    elsewhere = Record({"b": 7}, [sibling("b", 7)])
    after = written(EMPTY, elsewhere.clock, sibling("a", 1))
    assert merged(after, elsewhere) == after


@pytest.mark.parametrize(
    ("loser", "winner"),
    [
        (sibling("z", 9, hybrid=1), sibling("a", 1, hybrid=2)),
        (sibling("z", 9, hybrid=2), sibling("a", 1, hybrid=2, value=None)),
        (sibling("a", 9, hybrid=2), sibling("b", 1, hybrid=2)),
        (sibling("a", 1, hybrid=2), sibling("a", 2, hybrid=2)),
    ],
)
def test_which_write_wins(loser, winner):
    """The newer stamp; of equal ones the tombstone, then the greater actor, then the greater counter."""
    for order in ([loser, winner], [winner, loser]):
        record, discarded = newest_only(Record({"a": 9, "b": 9, "z": 9}, order))
        assert record.siblings == [winner]
        assert record.clock == {"a": 9, "b": 9, "z": 9}
        assert discarded == 1


def test_a_lone_sibling_has_no_rival():
    """Nothing is counted as discarded where nothing was."""
    record = Record({"a": 1}, [sibling("a", 1)])
    assert newest_only(record) == (record, 0)
    assert newest_only(EMPTY) == (EMPTY, 0)
