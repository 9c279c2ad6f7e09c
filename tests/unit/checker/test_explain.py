"""An illegal verdict comes with a counterexample that fits on one screen, and with orders to draw."""

import pytest

from dynamo.checker.explain import explain
from dynamo.checker.history import Condition
from dynamo.checker.linearizability import check_key
from dynamo.checker.operation import Op
from dynamo.checker.picture import Judged
from dynamo.checker.recorded import operations
from tests.unit.checker.story import Calls, op


def explained(ops: list[Op], model: str = "kv", **more) -> Judged:
    return explain(check_key("b/k", ops, model, **more), ops, model)


def written(count: int, *more: Op) -> list[Op]:
    """Writes one after the other, each of them read by another client while the next is under way."""
    ops = []
    for number in range(count):
        at = 10 * number
        ops.append(op(2 * number, "put", at, at + 5, written=f"v{number}", number=number + 1))
        ops.append(op(2 * number + 1, "get", at + 6, at + 12, seen=f"v{number}", number=number + 1))
    return [*ops, *more]


@pytest.mark.parametrize("method", ["zones", "versions", "search"])
def test_a_stale_read_among_thousands(method: str):
    """Three operations are left, of whichever method found it; the search says which of them has no place."""
    ops = written(1000, op(9000, "get", 10_100, 10_101, seen="v3", number=4))
    judged = explained(ops, method=method)
    assert judged.verdict.result == "illegal"
    assert len(judged.core) == 3
    assert judged.core[-1].index == 9000
    assert judged.core_verdict.search.stuck == 9000
    assert len(judged.search.orders[0].operations) == 2000


def test_the_reason_of_the_counterexample_is_its_own():
    """It names operations that are in it."""
    judged = explained(written(20, op(900, "get", 300, 301, seen="v3", number=4)))
    kept = {each.index for each in judged.core}
    assert set(judged.core_verdict.operations) <= kept
    assert all(f"operation {index}" in judged.core_verdict.reason for index in judged.core_verdict.operations)


def test_a_legal_key_has_an_order_and_no_counterexample():
    """All operations are on the line."""
    judged = explained(written(10))
    assert (judged.core, judged.core_verdict) == ([], None)
    assert len(judged.search.orders[0].operations) == 20


def test_what_is_too_hard_to_be_judged_again_stands_for_itself(monkeypatch):
    """Twelve additions at once of which no sum is right: with a small budget nothing smaller is found, and no order."""
    monkeypatch.setattr("dynamo.checker.explain.ORDER_BUDGET", 100)
    ops = [op(n, "add", 0, 100, amount=2**n) for n in range(12)]
    judged = explained([*ops, op(99, "get", 0, 100, seen="-1")], "counter")
    assert judged.verdict.result == "illegal"
    assert (judged.core, judged.core_verdict) == ([], None)


def test_a_request_that_was_answered_in_two_ways():
    """Its operation is shown, with both answers in the reason."""
    calls = Calls()
    for number in (4, 5):
        calls.answer(calls.call("put", value="x", request="r"), number=number)
    calls.answer(calls.call("cas", value="y", condition=Condition("absent")), "x", applied=False, number=4)
    recording = operations(calls.history)
    judged = explain(recording.contradictions[0], recording.keys["b/k"], "kv")
    assert [each.index for each in judged.core] == [1]
    assert "one request" in judged.core_verdict.reason
