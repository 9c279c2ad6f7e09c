import pytest

from dynamo.errors import Draining, Overloaded
from dynamo.node.admission import Admission


def test_as_many_as_the_limit_are_let_in():
    """One more is refused before any work; when one has left, the next may come."""
    admission = Admission(2)
    assert admission.enter() is None
    assert admission.enter() is None
    refusal = admission.enter()
    assert isinstance(refusal, Overloaded)
    assert refusal.members == {"limit": 2}
    assert admission.inflight == 2
    admission.leave()
    assert admission.enter() is None


def test_a_draining_node_lets_nobody_in():
    """Those inside go on; when the last one leaves it is told, once."""
    idle = []
    admission = Admission(5)
    admission.enter()
    admission.enter()
    admission.drain(lambda: idle.append(True))
    assert isinstance(admission.enter(), Draining)
    admission.leave()
    assert idle == []
    admission.leave()
    assert idle == [True]


def test_an_idle_node_has_drained_at_once():
    """Nobody is waited for."""
    idle = []
    Admission(1).drain(lambda: idle.append(True))
    assert idle == [True]


def test_nobody_leaves_twice():
    """A count below zero would let too many in later."""
    admission = Admission(1)
    with pytest.raises(AssertionError):
        admission.leave()
