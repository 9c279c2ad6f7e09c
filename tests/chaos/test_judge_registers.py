"""The judge of linearizable keys finds what is planted."""

import pytest

from dynamo.checker.history import Bucket, Call, Condition, Event, History, Return, Sibling, Version
from dynamo.checker.replicas import Copy, Holding
from tests.chaos.judge import Evidence, Verdict
from tests.chaos.judge_registers import check, judge, judge_quorums
from tests.chaos.register_clients import REGISTERS

HOMES = ("n1", "n2", "n3")
PLACE = (REGISTERS, "k")


def call(op: int, kind: str, at: float, process: str = "c", **more) -> Call:
    request = "" if kind == "get" else more.pop("request", f"r{op}")
    return Call(op, at, process, kind, REGISTERS, "k", 0, at + 2, request=request, **more)


def back(op: int, at: float, **more) -> Return:
    return Return(op, at, more.pop("outcome", "ok"), **more)


# One change, one that was lost on the way, its repeat, a condition that did not hold, and the last read.
EVENTS: list[Event] = [
    Bucket(REGISTERS, "linearizable", 3),
    call(1, "put", 1, value="a"),
    back(1, 2, number=1),
    call(2, "cas", 3, value="b", condition=Condition("value", "a")),
    back(2, 4, outcome="unknown", error="write-timeout"),
    call(3, "cas", 5, value="b", condition=Condition("value", "a"), request="r2"),
    back(3, 6, number=2),
    call(4, "cas", 7, value="c", condition=Condition("version", number=1)),
    back(4, 8, number=2, applied=False, values=("b",)),
    call(5, "get", 9, "last"),
    back(5, 10, number=2, values=("b",)),
]


def verdict_of(events: list[Event], number: int = 2, mishaps: tuple[str, ...] = ()) -> Verdict:
    version = Version({"~": number}, (Sibling("~", number, "b", ""),))
    holdings = {node: Holding({PLACE: Copy(version, "00")}) for node in HOMES}
    return judge(Evidence(History(events), holdings, {PLACE: HOMES}, mishaps=list(mishaps)))


def rules(verdict: Verdict) -> set[str]:
    return {violation.rule for violation in verdict.violations}


def test_all_promises_kept():
    """The repeat is no second change, the condition that did not hold no change at all."""
    verdict = verdict_of(EVENTS)
    assert verdict.violations == []
    assert verdict.checked["operations judged legal"] == 4
    assert verdict.checked["writes acknowledged"] == 2
    assert verdict.checked["attempts that were repeats"] == 1


def test_a_read_of_what_was_replaced_is_found():
    """After everything the first value is shown again."""
    events = [*EVENTS[:-1], back(5, 10, number=1, values=("a",))]
    assert "linearizable" in rules(verdict_of(events, 1))


def test_a_request_answered_in_two_ways_is_found():
    events = [*EVENTS, call(6, "cas", 11, value="b", condition=Condition("value", "a"), request="r2")]
    events.append(back(6, 12, number=3))
    assert "one-answer" in rules(verdict_of(events))


def test_an_answer_outside_the_contract_is_found():
    events = [*EVENTS, call(6, "get", 11), back(6, 12, outcome="fail", error="internal")]
    assert rules(verdict_of(events)) == {"unexpected"}


def test_records_that_lag_behind_are_found():
    """Weaker reads would miss a change for ever."""
    assert rules(verdict_of(EVENTS, 1)) == {"behind"}


def test_a_node_that_ended_is_found():
    assert rules(verdict_of(EVENTS, mishaps=("node1 ended by itself with 1",))) == {"clean"}


@pytest.mark.parametrize("seen", ["new", "old"])
def test_quorums_are_judged_by_what_two_readers_saw(seen: str):
    """While a write is under way one reader sees it; whoever reads after that must see it, too (figure 9-6)."""
    events: list[Event] = [
        call(1, "put", 1, value="old"),
        back(1, 2),
        call(2, "put", 3, value="new"),
        call(3, "get", 4, "a"),
        back(3, 5, values=("new",)),
        call(4, "get", 6, "b"),
        back(4, 7, values=(seen,)),
    ]
    verdict = judge_quorums(Evidence(History(events), {}, {}))
    assert rules(verdict) == (set() if seen == "new" else {"linearizable"})
    assert (check(History(events)).worst() is None) == (seen == "new")
