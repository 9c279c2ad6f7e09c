import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.errors import CorruptValue
from dynamo.replication.read_repair import Reconciled, keep_newest, keep_siblings
from dynamo.versioning.record import Record, Sibling, encode
from dynamo.versioning.siblings import EMPTY
from tests.unit.versioning.histories import histories

ONE = encode(Record({"a": 1}, [Sibling("a", 1, 1, b"x")]))
TWO = encode(Record({"a": 1, "b": 1}, [Sibling("a", 1, 1, b"x"), Sibling("b", 1, 2, b"y")]))


@given(histories(), st.data())
def test_the_merge_does_not_depend_on_who_answered_first(history, data):
    """And exactly those whose bytes are not the merge are stale; a replica with nothing answers with no bytes."""
    resolve = keep_newest if history.lww else keep_siblings
    states = [data.draw(st.sampled_from(history.states)).record for _ in range(4)]
    answers = {f"n{i}": encode(state) if state.clock else b"" for i, state in enumerate(states)}
    merges = set()
    for order in (list(answers), list(answers)[::-1], data.draw(st.permutations(list(answers)))):
        reconciled = Reconciled(resolve)
        for name in order:
            reconciled.add(name, answers[name])
        merges.add(reconciled.data)
        assert len(reconciled) == 4
        assert reconciled.data == (encode(reconciled.record) if reconciled.record.clock else b"")
        assert reconciled.stale() == [name for name in order if answers[name] != reconciled.data]
        assert all(reconciled.holds(name, answers[name]) for name in answers)
    assert len(merges) == 1


def test_nothing_anywhere():
    """Replicas that have nothing agree."""
    reconciled = Reconciled(keep_siblings)
    reconciled.add("a", b"")
    reconciled.add("b", b"")
    assert (reconciled.data, reconciled.record, reconciled.stale()) == (b"", EMPTY, [])


def test_a_damaged_answer_changes_nothing():
    """Neither bytes that are no record nor a dot with another value."""
    reconciled = Reconciled(keep_siblings)
    reconciled.add("a", ONE)
    other = encode(Record({"a": 1}, [Sibling("a", 1, 1, b"z")]))
    for damaged in (b"damaged", ONE[:-1], other):
        with pytest.raises(CorruptValue):
            reconciled.add("b", damaged)
    assert (reconciled.data, len(reconciled)) == (ONE, 1)


def test_a_repaired_replica_is_no_longer_stale():
    """What it was brought up to counts as its answer, until the merge moves on."""
    reconciled = Reconciled(keep_siblings)
    reconciled.add("a", ONE)
    reconciled.add("b", b"")
    reconciled.brought_up_to_date("b", ONE)
    assert reconciled.stale() == []
    reconciled.add("c", TWO)
    assert reconciled.stale() == ["a", "b"]


def test_another_round_keeps_what_was_learnt():
    """Who answers again is compared with all that is known."""
    reconciled = Reconciled(keep_siblings)
    reconciled.add("a", TWO)
    reconciled.forget()
    assert len(reconciled) == 0
    reconciled.add("a", ONE)
    assert reconciled.data == TWO
    assert reconciled.stale() == ["a"]


def test_the_first_answer_of_an_lww_key_is_resolved_too():
    """A replica may hold two values, if it did not know of the bucket's mode when they came."""
    reconciled = Reconciled(keep_newest)
    reconciled.add("a", TWO)
    assert [s.actor for s in reconciled.record.siblings] == ["b"]
    assert reconciled.stale() == ["a"]
