"""What a session may expect of its own operations: four guarantees, each caught by name, by numbers and by clocks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.checker import session_guarantees
from dynamo.checker.history import Bucket, Condition, Forgets, History
from dynamo.checker.recorded import operations
from tests.unit.checker.story import Calls, Story, op, rules, sibling, version


def broken(calls: Calls) -> list[str]:
    return rules(session_guarantees.of_versions(operations(calls.history).keys))


def told(steps: list[tuple[str, str, int]]) -> Calls:
    """Operations one after the other: process, kind, version number of the answer."""
    calls = Calls()
    for process, kind, number in steps:
        more = {"value": f"v{number}"} if kind == "put" else {}
        calls.answer(
            calls.call(kind, process=process, **more), *([f"v{number}"] if kind == "get" else []), number=number
        )
    return calls


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ([("a", "put", 2), ("a", "get", 1)], ["read-your-writes"]),
        ([("a", "get", 2), ("a", "get", 1)], ["monotonic-reads"]),
        ([("a", "put", 2), ("a", "put", 1)], ["monotonic-writes"]),
        ([("a", "put", 2), ("a", "put", 2)], ["monotonic-writes"]),
        ([("a", "get", 2), ("a", "put", 2)], ["writes-follow-reads"]),
        ([("a", "put", 2), ("a", "get", 2), ("a", "put", 3), ("a", "get", 5)], []),
        ([("a", "put", 2), ("b", "get", 1), ("b", "put", 2)], []),
    ],
)
def test_each_guarantee_is_caught_by_its_name(steps, found: list[str]):
    """A later read may be as new, a later write must be newer; another session owes nothing."""
    assert broken(told(steps)) == found


def test_the_violation_names_both_operations():
    """And says in a sentence what is wrong."""
    (found,) = session_guarantees.of_versions(operations(told([("a", "get", 3), ("a", "get", 1)]).history).keys)
    assert str(found) == ("monotonic-reads: b/k: a reads version 1, and had read version 3 before (operations 1, 2)")


def test_what_was_still_under_way_is_not_owed():
    """A session that asks twice at once has not had the first answer."""
    calls = Calls()
    first = calls.call("get", process="a")
    second = calls.call("get", process="a")
    calls.answer(first, "v2", number=2)
    calls.answer(second, "v1", number=1)
    assert broken(calls) == []


def test_keys_are_apart_and_answers_without_a_number_say_nothing():
    """Version numbers of two keys do not compare; an unknown write owes and is owed nothing."""
    calls = Calls()
    calls.answer(calls.call("put", process="a", value="x"), number=9)
    calls.answer(calls.call("get", key="other", process="a"), number=1)
    calls.answer(calls.call("get", process="a"), "x")
    calls.call("put", process="a", value="y")
    assert broken(calls) == []


def test_a_refused_condition_counts_as_a_read():
    """It says what it saw."""
    calls = told([("a", "put", 4)])
    cas = calls.call("cas", process="a", value="z", condition=Condition("absent"))
    calls.answer(cas, "v3", applied=False, number=3)
    assert broken(calls) == ["read-your-writes"]


V1, V2 = sibling("v1", "a", 1), sibling("v2", "b", 1)


def clocked(*steps) -> Story:
    story = Story()
    for kind, shown in steps:
        if kind == "get":
            story.get(shown, quorum=1)
        else:
            story.put(kind, shown=shown, quorum=1)
    return story


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ([("v1", version({"a": 1}, V1)), ("get", version({"b": 1}, V2))], ["read-your-writes"]),
        ([("get", version({"a": 1}, V1)), ("get", None)], ["monotonic-reads"]),
        ([("v1", version({"a": 1}, V1)), ("v2", version({"b": 1}, V2))], ["monotonic-writes"]),
        ([("get", version({"a": 1}, V1)), ("v2", version({"b": 1}, V2))], ["writes-follow-reads"]),
        ([("v1", version({"a": 1}, V1)), ("get", version({"a": 1, "b": 1}, V1, V2))], []),
    ],
)
def test_with_clocks_newer_is_what_has_seen_the_other(steps, found: list[str]):
    """Siblings beside one's own are no violation, a version without them is."""
    assert rules(session_guarantees.of_siblings(clocked(*steps).history)) == found


def test_what_may_be_forgotten_is_not_owed():
    """A key that was deleted may be gone without a trace in a store that reaps."""
    story = Story()
    story.history = History([Forgets(0.5), Bucket("b", "siblings", 3)])
    story.put("v1", shown=version({"a": 1}, V1))
    story.delete("d", seen={"a": 1}, shown=version({"a": 2}, sibling(None, "a", 2, request="r-d")))
    story.get(None)
    assert session_guarantees.of_siblings(story.history) == []


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["get", "put"]), st.integers(1, 4)), max_size=8))
def test_one_sweep_finds_what_comparing_all_pairs_finds(steps):
    """The definition: of each operation of a session, against every earlier one of it."""
    ops = [op(index, kind, 2 * index, 2 * index + 1, number=number) for index, (_, kind, number) in enumerate(steps)]
    for made, (session, _, _) in zip(ops, steps, strict=True):
        made.process = session
    names = {("get", "put"): "read-your-writes", ("get", "get"): "monotonic-reads"}
    names |= {("put", "put"): "monotonic-writes", ("put", "get"): "writes-follow-reads"}
    expected = {
        (names[later.kind, earlier.kind], later.index)
        for later in ops
        for earlier in ops
        if earlier.process == later.process
        and earlier.index < later.index
        and (later.number < earlier.number or (later.kind == "put" and later.number == earlier.number))
    }
    found = session_guarantees.of_versions({"b/k": ops})
    assert {(each.rule, each.operations[1]) for each in found} == expected
