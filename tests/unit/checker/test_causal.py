"""Causal consistency: each bad pattern is caught by its name, and nothing else is."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.checker import causal
from dynamo.checker.operation import Op
from tests.unit.checker import oracle as oracles
from tests.unit.checker.story import op, rules


def keyed(*steps: Op) -> dict[str, list[Op]]:
    keys: dict[str, list[Op]] = {}
    for each in steps:
        keys.setdefault(each.key, []).append(each)
    return keys


def did(index: int, process: str, kind: str, key: str, value: str | None = None, **more) -> Op:
    """The step of a session; sessions overlap as they like, the order of calls is that of the numbers."""
    said = {"written": value} if kind != "get" else {"seen": value}
    made = op(index, kind, index, index + 0.5, key=key, **{**said, **more})
    made.process = process
    return made


def broken(*steps: Op) -> list[str]:
    return rules(causal.check(keyed(*steps)))


def test_who_has_seen_the_answer_has_seen_the_question():
    """B reads the question and answers; c reads the answer and then finds no question."""
    question, seen = did(1, "a", "put", "q", "why"), did(2, "b", "get", "q", "why")
    answer, told = did(3, "b", "put", "r", "so"), did(4, "c", "get", "r", "so")
    assert broken(question, seen, answer, told, did(5, "c", "get", "q")) == ["initial"]
    assert broken(question, seen, answer, told, did(5, "c", "get", "q", "why")) == []
    assert broken(question, seen, answer, did(5, "c", "get", "q")) == []


def test_a_read_of_what_is_causally_overwritten():
    """Across another key: b has seen y, which was written after x2."""
    steps = (did(1, "a", "put", "x", "x1"), did(2, "a", "put", "x", "x2"), did(3, "a", "put", "y", "y1"))
    stale = did(5, "b", "get", "x", "x1")
    assert broken(*steps, did(4, "b", "get", "y", "y1"), stale) == ["overwritten"]
    assert broken(*steps, stale) == []
    (found,) = causal.check(keyed(*steps, did(4, "b", "get", "y", "y1"), stale))
    assert found.operations == (1, 2, 5)
    assert found.text == (
        "get -> x1 (operation 5 of b) saw put x1 (operation 1 of a), and is after put x2 (operation 2 of a), "
        "which is after that"
    )


def test_a_value_from_nowhere():
    """Nobody wrote it, or only somebody who failed."""
    assert broken(did(1, "a", "get", "x", "x1")) == ["thin-air"]
    failed = did(1, "a", "put", "x", "x1", outcome="fail")
    assert broken(failed, did(2, "b", "get", "x", "x1")) == ["thin-air"]


def test_operations_that_are_after_each_other():
    """Each session reads what the other one writes only then."""
    steps = (did(1, "a", "get", "x", "x1"), did(2, "a", "put", "y", "y1"))
    more = (did(3, "b", "get", "y", "y1"), did(4, "b", "put", "x", "x1"))
    (found,) = causal.check(keyed(*steps, *more))
    assert (found.rule, sorted(found.operations)) == ("cycle", [1, 2, 3, 4])


def test_sessions_that_see_concurrent_writes_in_two_orders():
    """Causal, and yet no order of the two writes explains both: they have not converged."""
    writes = (did(1, "a", "put", "x", "x1"), did(2, "b", "put", "x", "x2"))
    sees = [did(3, "c", "get", "x", "x1"), did(4, "c", "get", "x", "x2")]
    contrary = [did(5, "d", "get", "x", "x2"), did(6, "d", "get", "x", "x1")]
    assert broken(*writes, *sees) == []
    assert broken(*writes, *sees, *contrary) == ["diverged"]


def test_a_write_of_unknown_outcome_is_not_before_what_its_session_did_next():
    """It may take effect later, or never; who has read it has its causes."""
    cause, doubtful = did(1, "a", "put", "y", "y1"), did(2, "a", "put", "x", "x1", outcome="unknown")
    assert broken(cause, doubtful, did(3, "a", "get", "x")) == []
    assert broken(cause, doubtful, did(4, "b", "get", "x", "x1"), did(5, "b", "get", "y")) == ["initial"]


def test_version_numbers_tell_deletes_from_the_beginning():
    """Without them a read of nothing is not judged where something was deleted."""
    numbered = (did(1, "a", "put", "x", "x1", number=1), did(2, "a", "delete", "x", number=2))
    assert broken(*numbered, did(3, "a", "get", "x", None, number=2)) == []
    assert broken(*numbered, did(3, "a", "get", "x", None, number=0)) == ["initial"]
    assert broken(*numbered, did(3, "a", "get", "x", "x1", number=1)) == ["overwritten"]
    plain = (did(1, "a", "put", "x", "x1"), did(2, "a", "delete", "x"))
    assert broken(*plain, did(3, "a", "get", "x")) == []


def test_a_value_that_was_written_twice_needs_numbers():
    """Else nobody can say which write was read."""
    twice = (did(1, "a", "put", "x", "v"), did(2, "a", "put", "x", "v"))
    with pytest.raises(ValueError, match="operations 1 and 2 both write v to x, and carry no version numbers"):
        broken(*twice, did(3, "b", "get", "x", "v"))
    first = did(1, "a", "put", "x", "v", number=1)
    assert broken(first, did(2, "a", "put", "x", "v", number=2), did(3, "a", "get", "x", "v", number=1)) == [
        "overwritten"
    ]


def test_a_compare_and_set_reads_what_it_met():
    """So it is after the write whose value it replaced."""
    swap = did(2, "b", "cas", "x", "x2", condition="value", expected="x1")
    write = did(1, "a", "put", "x", "x1")
    assert broken(write, swap, did(3, "c", "get", "x", "x2"), did(4, "c", "get", "x", "x1")) == ["overwritten"]


def oracle(ops: list[Op]) -> bool:
    """Whether a bad pattern but divergence is there, by the definitions and a transitive closure."""
    writer = {(each.key, each.written): each.index for each in ops if each.kind == "put"}
    after = {each.index: set() for each in ops}
    for each in ops:
        after[each.index] |= {
            other.index for other in ops if other.process == each.process and other.index < each.index
        }
        if each.kind == "get" and each.seen is not None:
            if (each.key, each.seen) not in writer:
                return True
            after[each.index].add(writer[each.key, each.seen])
    for middle, causes in after.items():
        for known in after.values():
            if middle in known:
                known.update(causes)
    if any(each in known for each, known in after.items()):
        return True
    return any(
        write.index in after[read.index] and (read.seen is None or writer[read.key, read.seen] in after[write.index])
        for read in ops
        for write in ops
        if read.kind == "get" and write.kind == "put" and write.key == read.key
    )


@given(st.integers(0, 1 << 30), st.booleans())
def test_a_linearizable_history_is_causal_and_has_converged(seed: int, numbers: bool):
    """Drawn ones, with operations of unknown outcome; clients ask one thing at a time."""
    ops = oracles.draw(Random(seed), 10, oracles.Taste(numbers=numbers, spoil=0.0))
    assert causal.check({"k": ops}) == []


STEPS = st.tuples(st.sampled_from("abc"), st.sampled_from(["get", "put"]), st.sampled_from("xy"), st.integers(0, 3))


@given(st.lists(STEPS, max_size=9))
def test_clocks_find_what_the_definitions_find(steps):
    """Small histories of three sessions on two keys; reads see nothing or one of the values written anywhere."""
    ops = []
    for index, (process, kind, key, value) in enumerate(steps):
        ops.append(did(index, process, kind, key, f"w{index}" if kind == "put" else f"w{value}" if value else None))
    found = [each.rule for each in causal.check(keyed(*ops)) if each.rule != "diverged"]
    assert bool(found) == oracle(ops)
