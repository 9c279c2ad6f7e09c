"""The judge finds what is planted: each test breaks one promise in a history that keeps all of them."""

import pytest

from dynamo.checker.history import Bucket, Event, History, Return, Sibling, Version
from dynamo.checker.replicas import Copy, Holding
from tests.chaos.clients import CARTS, LEDGER, NAMES
from tests.chaos.journal import Asked
from tests.chaos.judge import NOTHING, Evidence, Verdict, judge, merged

HOMES = ("n1", "n2", "n3")


def asked(kind: str, op: int, key: str, *, bucket: str = CARTS, at: float | None = None, **more) -> Asked:
    begun = op if at is None else at
    return Asked(op=op, at=begun, process="c", kind=kind, bucket=bucket, key=key, quorum=2, deadline=op + 2, **more)


def put(op: int, key: str, value: str, **more) -> Asked:
    return asked("put", op, key, value=value, request=f"r{op}", **more)


def get(op: int, key: str, **more) -> Asked:
    return asked("get", op, key, **more)


def delete(op: int, key: str, **more) -> Asked:
    return asked("delete", op, key, request=f"r{op}", **more)


def back(op: int, outcome: str = "ok", clock: dict | None = None, values: tuple[str, ...] = ()) -> Return:
    return Return(op, op + 0.5, outcome, version=Version(clock or {}, ()) if outcome == "ok" else None, values=values)


def version(clock: dict, **values: str | None) -> Version:
    """Of dots: `x2="v"` is the value v under (x, 2)."""
    return Version(clock, tuple(Sibling(dot[0], int(dot[1:]), value, "") for dot, value in values.items()))


# Two writers of one key: the second had seen the first. A third value, beside them, whose writer never heard.
EVENTS: list[Event] = [
    Bucket(CARTS, "siblings", 3),
    Bucket(LEDGER, "siblings", 3),
    Bucket(NAMES, "lww", 3),
    put(1, "k", "v1"),
    back(1, clock={"x": 1}),
    put(2, "k", "v2", context={"x": 1}, seen=("v1",)),
    back(2, clock={"x": 2}),
    put(3, "k", "v3"),
    back(3, "unknown"),
    get(4, "k"),
    back(4, clock={"x": 2}, values=("v2",)),
]
FINAL = version({"x": 2}, x2="v2")


def verdict_of(events: list[Event], final: Version | None = FINAL, *, place=(CARTS, "k"), **more) -> Verdict:
    copies = {} if final is None else {place: Copy(final, repr(final))}
    holdings = more.pop("holdings", {node: Holding(copies) for node in HOMES})
    homes = {place: HOMES} if any(holding.copies for holding in holdings.values()) else {}
    return judge(Evidence(History(events), holdings, homes, strict=(LEDGER,), **more))


def rules(verdict: Verdict) -> set[str]:
    return {violation.rule for violation in verdict.violations}


def test_a_history_that_keeps_all_promises_passes():
    assert verdict_of(EVENTS).violations == []


def test_an_unknown_write_may_be_there():
    assert verdict_of(EVENTS, version({"x": 2, "y": 1}, x2="v2", y1="v3")).violations == []


def test_a_lost_acknowledged_write_is_found():
    """v2 was acknowledged, nobody wrote after having seen it, and it is not there."""
    assert "lost" in rules(verdict_of(EVENTS, version({"x": 2, "y": 1}, y1="v3")))
    assert {"lost", "forgotten"} <= rules(verdict_of(EVENTS, None))


def test_an_unknown_write_that_nobody_ever_saw_excuses_nothing():
    """A put of unknown outcome had seen v2: only if it took effect may v2 be gone."""
    events = [*EVENTS, put(5, "k", "v5", context={"x": 2}, seen=("v2",)), back(5, "unknown")]
    assert "lost" in rules(verdict_of(events, version({"x": 2, "y": 1}, y1="v3")))
    assert rules(verdict_of(events, version({"x": 2, "z": 1}, z1="v5"))) == set()


def test_what_a_context_may_stand_for_excuses_and_does_not_accuse():
    events = [*EVENTS, put(5, "k", "v5", context={"x": 1}, maybe=("v2",)), back(5, clock={"x": 2, "z": 1})]
    assert verdict_of(events, version({"x": 2, "z": 1}, z1="v5")).violations == []
    assert verdict_of(events, version({"x": 2, "z": 1}, x2="v2", z1="v5")).violations == []


def test_a_write_on_other_replicas_only_is_not_lost_but_diverged():
    """One replica lacks it: the two that have it do not let it be lost."""
    old = version({"x": 1}, x1="v1")
    holdings = {
        node: Holding({(CARTS, "k"): Copy(old if node == "n3" else FINAL, str(node == "n3"))}) for node in HOMES
    }
    assert rules(verdict_of(EVENTS, holdings=holdings)) == {"diverged"}


def test_a_replaced_value_that_is_back_is_found():
    assert "back" in rules(verdict_of(EVENTS, version({"x": 2}, x1="v1", x2="v2")))


def test_a_deleted_value_that_is_back_is_found():
    events = [*EVENTS, delete(5, "k", context={"x": 2}, seen=("v2",)), back(5, clock={"x": 3})]
    assert "back" in rules(verdict_of(events))
    assert verdict_of(events, None).violations == []
    assert verdict_of(events, version({"x": 3}, x3=None)).violations == []


def test_a_delete_without_context_may_have_removed_what_was_there_before_its_end():
    events = [*EVENTS, delete(5, "k"), back(5, clock={"x": 3})]
    assert verdict_of(events, None).violations == []
    later = [*events, put(6, "k", "v6"), back(6, clock={"x": 4})]
    assert "lost" in rules(verdict_of(later, None))


def test_a_refused_write_that_was_shown_or_stays_is_found():
    refused = [put(5, "k", "v5"), back(5, "fail")]
    assert "failed-write" in rules(verdict_of([*EVENTS, *refused], version({"x": 2, "z": 1}, x2="v2", z1="v5")))
    shown = [*refused, get(6, "k"), back(6, clock={"x": 2}, values=("v2", "v5"))]
    assert rules(verdict_of([*EVENTS, *shown])) == {"failed-write"}


@pytest.mark.parametrize("value", ["garbled 'x'", "v9", "other"])
def test_a_value_that_nobody_wrote_to_that_key_is_found(value: str):
    elsewhere = [put(7, "j", "other", bucket=NAMES), back(7, "unknown")]
    assert "thin-air" in rules(verdict_of([*EVENTS, *elsewhere, get(8, "k"), back(8, clock={"x": 2}, values=(value,))]))


def test_what_a_read_was_shown_and_the_end_does_not_know_is_found():
    events = [*EVENTS, get(5, "k"), back(5, clock={"x": 2, "w": 4}, values=("v2",))]
    assert rules(verdict_of(events)) == {"forgotten"}


def test_a_strict_read_that_misses_an_acknowledged_write_is_found():
    """In the strict bucket only: a sloppy quorum may be missed."""

    def story(bucket: str) -> list[Event]:
        return [
            *EVENTS[:3],
            put(1, "k", "v1", bucket=bucket),
            back(1, clock={"x": 1}),
            get(2, "k", bucket=bucket),
            back(2),
        ]

    final = version({"x": 1}, x1="v1")
    assert rules(verdict_of(story(LEDGER), final, place=(LEDGER, "k"))) == {"missed-write"}
    assert verdict_of(story(CARTS), final).violations == []


def test_a_hint_that_is_left_and_a_node_that_ended_are_found():
    assert rules(verdict_of(EVENTS, hints=[("n1", "n2", FINAL)])) == {"hints-left"}
    assert rules(verdict_of(EVENTS, mishaps=["n1 ended by itself"])) == {"clean"}


def test_a_copy_on_a_node_that_is_no_replica_is_found():
    holdings = {node: Holding({(CARTS, "k"): Copy(FINAL, "same")}) for node in (*HOMES, "n4")}
    verdict = verdict_of(EVENTS, holdings=holdings)
    assert rules(verdict) == {"misplaced"}
    assert verdict.of("diverged") == verdict.violations


def test_a_merge_keeps_what_no_side_has_dropped():
    left, right = version({"x": 2}, x2="v2"), version({"x": 1, "y": 1}, x1="v1", y1="w")
    assert merged(left, right) == version({"x": 2, "y": 1}, x2="v2", y1="w")
    assert merged(NOTHING, left) == left
