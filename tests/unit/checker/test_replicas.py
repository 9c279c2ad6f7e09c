"""When all is quiet, replicas are equal, leaves fit, and nothing lies where it does not belong."""

from dynamo.checker import replicas
from dynamo.checker.replicas import Copy, Holding
from tests.unit.checker.story import PLACE, rules, sibling, version

HOMES = {PLACE: ("n1", "n2", "n3")}
COPY = Copy(version({"a": 1}, sibling("v1", "a", 1)), "01")
OTHER = Copy(version({"a": 2}, sibling("v2", "a", 2)), "02")


def held(**copies: Copy | None) -> dict[str, Holding]:
    return {node: Holding({} if copy is None else {PLACE: copy}) for node, copy in copies.items()}


def test_equal_replicas_are_fine():
    """A node that is no replica holds nothing, and a key that was never stored is held by nobody."""
    assert replicas.check(held(n1=COPY, n2=COPY, n3=COPY, n4=None), HOMES) == []
    assert replicas.check(held(n1=None, n2=None, n3=None), HOMES) == []


def test_replicas_that_differ():
    """In what they hold, or in whether they hold anything; the sides are named."""
    (found,) = replicas.check(held(n1=COPY, n2=OTHER, n3=COPY), HOMES)
    assert found.rule == "diverged"
    assert "n1, n3 and n2" in found.text
    assert rules(replicas.check(held(n1=COPY, n2=None, n3=COPY), HOMES)) == ["diverged"]
    assert rules(replicas.check(held(n1=COPY, n2=COPY), HOMES)) == ["diverged"]


def test_a_copy_in_the_wrong_place():
    """Also of a key that nobody asked for."""
    assert rules(replicas.check(held(n1=COPY, n2=COPY, n3=COPY, n4=COPY), HOMES)) == ["misplaced"]
    assert rules(replicas.check(held(n1=COPY), {})) == ["misplaced"]


def test_a_leaf_that_does_not_fit():
    """Whatever the records say."""
    held_wrongly = {"n1": Holding({}, ("leaf 00010002",))}
    assert rules(replicas.check(held_wrongly, {})) == ["wrong-leaf"]
