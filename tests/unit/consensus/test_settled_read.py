import pytest

from dynamo.consensus.settled_read import FURTHER_S, RESEND_S, Contended, SettledState
from dynamo.errors import Applied, NotReady, QuorumUnavailable, ReadTimeout
from dynamo.layout.ballot import AcceptorState
from dynamo.layout.floor import Floor
from dynamo.layout.register import Register, decode, encode
from dynamo.protocol.effects import PeerFailure
from dynamo.protocol.paxos import Accept, Accepted, Inspect, Inspected, Learned, Rejected
from dynamo.versioning.ballot import ZERO, Ballot
from tests.unit.consensus import broken
from tests.unit.consensus.hand import DEADLINE, Replicas, reading

OLD, NEW = encode(Register(1, b"old")), encode(Register(2, b"new"))


def at(counter: int) -> Ballot:
    return (counter, "a", 0)


def has(counter: int, register: bytes, promised: int = 0) -> AcceptorState:
    return AcceptorState(at(max(counter, promised)), at(counter), register)


def test_a_majority_that_says_the_same_is_believed():
    """This node, then one more, which need not send what this node has."""
    replicas = Replicas({"a": has(2, NEW), "b": has(2, NEW), "c": has(2, NEW)})
    read = reading(replicas)
    assert read.kinds() == [("a", "Inspect")]
    read.deliver("a")
    assert [(one.to, one.message) for one in read.sent] == [("b", Inspect("b", b"k", at(2)))]
    read.deliver("b")
    assert read.finished == [SettledState(NEW, at(2), 1)]
    assert read.machine.drained
    assert read.learned == []


def test_a_promise_does_not_matter():
    """A proposer may be at work: what it will write was not finished when the read began."""
    replicas = Replicas({"a": has(2, NEW, promised=9), "b": has(2, NEW, promised=9), "c": None})
    read = reading(replicas)
    read.deliver("a")
    read.deliver("b")
    assert read.finished == [SettledState(NEW, at(2), 1)]


def test_a_reader_that_is_no_replica_asks_a_majority_at_once():
    replicas = Replicas({"a": has(2, NEW), "b": has(2, NEW), "c": None})
    read = reading(replicas, "x")
    assert read.kinds() == [("a", "Inspect"), ("b", "Inspect")]
    read.deliver("b")
    read.deliver("a")
    assert read.finished == [SettledState(NEW, at(2), 1)]


def test_an_absent_key_is_an_answer():
    """With the version from which it goes on, if one was forgotten in its partition."""
    read = reading(Replicas())
    read.deliver("a")
    read.deliver("b")
    assert read.finished == [SettledState(b"", ZERO, 1)]
    read = reading(Replicas(floor=Floor(at(3), 5)))
    read.deliver("a")
    read.deliver("b")
    assert decode(read.finished[0].register) == Register(version=5, dropped=5)


def test_of_absent_keys_the_highest_floor_counts():
    """Replicas forget one by one. A floor that cannot be read is no answer."""
    read = reading(Replicas())
    read.deliver("a")
    read.hear("b", Inspected(ZERO, encode(Register(version=7, dropped=7))[:-1]))
    assert not read.finished
    assert ("c", "Inspect") in read.kinds()
    read.hear("c", Inspected(ZERO, encode(Register(version=7, dropped=7))))
    assert decode(read.finished[0].register).version == 7


def differing() -> Replicas:
    """`a` has what reached nobody else."""
    return Replicas({"a": has(2, NEW), "b": has(1, OLD), "c": has(1, OLD)})


def test_the_newest_is_shown_only_once_a_majority_has_it():
    """On one replica it may never be seen again: the very Accept that its proposer sent is delivered again (row 7)."""
    replicas = differing()
    read = reading(replicas)
    read.deliver("a")
    read.deliver("b")
    assert not read.finished
    assert [(one.to, one.message) for one in read.sent] == [
        ("b", Accept("b", b"k", at(2), NEW)),
        ("c", Accept("b", b"k", at(2), NEW)),
    ]
    read.deliver("c")
    assert read.finished == [SettledState(NEW, at(2), 2)]
    assert replicas.states["c"] == has(2, NEW)
    assert [one.to for one in read.learned] == ["a", "b", "c"]
    with broken.read_without_replay():
        read = reading(differing())
        read.deliver("a")
        read.deliver("b")
        assert read.finished, "and the next read, of b and c, goes back"


def test_only_replies_to_the_replay_count_for_it():
    """Neither an Accepted before there is one, nor one for another ballot (row 15)."""
    read = reading(differing())
    read.deliver("a")
    for message in (Accepted(at(2)), Rejected(at(2), at(9))):
        read.hear("b", message)
    read.deliver("b")
    for message in (Accepted(at(1)), Rejected(at(1), at(9)), Learned()):
        read.hear("b", message)
        read.hear("c", message)
    assert not read.finished
    read.hear("b", Rejected(at(2), at(9)))
    read.hear("c", Rejected(at(2), at(9)))
    assert isinstance(read.finished[0], Contended)


def test_a_replica_that_failed_and_answers_counts():
    """Its first answer was lost, the second came: it is no longer one of those that are missing."""
    replicas = Replicas({"a": has(2, NEW), "b": None, "c": None})
    read = reading(replicas)
    read.deliver("a")
    read.fail("b", PeerFailure.LOST)
    read.hear("b", replicas.handle("b", Inspect("b", b"k", at(2))))
    read.fail("c", PeerFailure.DOWN)
    assert not read.finished
    read.deliver("b")
    assert read.finished == [SettledState(NEW, at(2), 2)]


def test_what_another_replica_has_is_not_taken_for_known():
    """Only this node's own register can be left out of the answers."""
    replicas = Replicas({"a": has(2, NEW), "b": has(2, NEW), "c": has(2, NEW)})
    read = reading(replicas, "a", ("a", "b", "c"))
    read.fail("a", PeerFailure.REFUSED, NotReady("it recovers"))
    read.deliver("b")
    read.wait_until(FURTHER_S)
    assert {one.message.known for one in read.sent} == {ZERO}


def test_a_proposer_at_work_is_not_disturbed():
    """It was promised more than the newest: the replay is refused, and the read needs a round."""
    replicas = Replicas({"a": has(2, NEW), "b": has(1, OLD, promised=5), "c": has(1, OLD, promised=5)})
    read = reading(replicas)
    read.deliver("a")
    read.deliver("b")
    read.deliver("b")
    assert not read.finished, "c may still have it"
    read.deliver("c")
    assert isinstance(read.finished[0], Contended)
    assert replicas.states["b"] == has(1, OLD, promised=5)


@pytest.mark.parametrize("refused_first", [False, True])
def test_who_refuses_and_fails_counts_once(refused_first):
    """An older message to it may be lost as well: the third may still have the newest."""
    replicas = Replicas({"a": has(2, NEW), "b": has(1, OLD, promised=5), "c": None})
    read = reading(replicas)
    read.deliver("a")
    read.deliver("b")
    refusal = replicas.handle("b", read.sent[0].message)
    read.hear("b", refusal) if refused_first else read.fail("b", PeerFailure.LOST)
    read.fail("b", PeerFailure.LOST) if refused_first else read.hear("b", refusal)
    assert not read.finished
    read.deliver("c")
    assert read.finished == [SettledState(NEW, at(2), 2)]


def test_a_late_reply_that_shows_the_newest_counts_for_the_replay():
    """`c` was asked too, and had it already."""
    replicas = Replicas({"a": has(2, NEW), "b": has(1, OLD, promised=5), "c": has(2, NEW)})
    read = reading(replicas)
    read.deliver("a")
    read.wait_until(FURTHER_S)
    late = replicas.handle("c", Inspect("b", b"k", at(2)))
    read.deliver("b")
    read.hear("c", late)
    assert read.finished == [SettledState(NEW, at(2), 2)]


def test_slow_answers_make_it_ask_further_and_lost_ones_again():
    replicas = Replicas({"a": has(2, NEW), "b": has(2, NEW), "c": has(2, NEW)})
    read = reading(replicas)
    read.deliver("a")
    read.sent.clear()
    read.wait_until(FURTHER_S)
    assert read.kinds() == [("c", "Inspect")]
    read.sent.clear()
    read.wait_until(FURTHER_S + RESEND_S)
    assert read.kinds() == [("a", "Inspect"), ("b", "Inspect"), ("c", "Inspect")]
    read.deliver("c")
    assert read.finished == [SettledState(NEW, at(2), 1)]


def test_a_replay_that_was_lost_is_sent_again():
    read = reading(differing())
    read.deliver("a")
    read.deliver("b")
    read.sent.clear()
    read.wait_until(RESEND_S + 0.1)
    read.deliver("b")
    assert read.finished == [SettledState(NEW, at(2), 2)]


def test_who_fails_is_replaced_and_too_few_is_said_at_once():
    replicas = Replicas({"a": has(2, NEW), "b": has(2, NEW), "c": has(2, NEW)})
    read = reading(replicas)
    read.fail("a", PeerFailure.REFUSED, NotReady("it recovers"))
    assert read.kinds() == [("b", "Inspect"), ("c", "Inspect")]
    read.deliver("b")
    read.fail("c")
    (outcome,) = read.finished
    assert isinstance(outcome, QuorumUnavailable)
    assert outcome.applied is Applied.NO
    assert "it recovers" in outcome.detail


@pytest.mark.parametrize("failure", [PeerFailure.LOST, PeerFailure.TIMEOUT])
def test_lost_answers_are_waited_for_until_the_deadline(failure):
    read = reading(Replicas())
    read.deliver("a")
    read.fail("b", failure)
    read.fail("c", failure)
    assert not read.finished
    read.wait_until(DEADLINE)
    assert isinstance(read.finished[0], ReadTimeout)
    assert read.machine.on_wakeup(DEADLINE + 1) == []


def test_answers_that_know_different_stores_do_not_count_together():
    """Two say the same, and one of them has lost its disk since (row 11)."""
    replicas = Replicas({"a": has(2, NEW), "b": has(2, NEW), "c": has(2, NEW)}, stores={"a": 1, "b": 2, "c": 2})
    read = reading(replicas)
    read.deliver("a")
    read.deliver("b")
    assert not read.finished
    read.wait_until(FURTHER_S)
    read.deliver("c")
    assert read.finished == [SettledState(NEW, at(2), 1)]
    with broken.stores_ignored():
        read = reading(replicas)
        read.deliver("a")
        read.deliver("b")
        assert read.finished


def test_a_reply_without_the_register_that_it_names_is_none():
    """Unless this node has that register: damage is not absence (row 20)."""
    replicas = Replicas({"a": has(1, OLD), "b": has(2, b""), "c": has(1, OLD)})
    read = reading(replicas)
    read.deliver("a")
    read.deliver("b")
    assert not read.finished
    read.deliver("c")
    assert read.finished == [SettledState(OLD, at(1), 1)]


def test_a_newer_value_on_a_minority_does_not_hide_what_is_chosen():
    """A majority has accepted the older one: chosen, and shown, if the replies come to three."""
    replicas = Replicas({"a": has(1, OLD), "b": has(2, NEW), "c": has(1, OLD)}, stores={"a": 1, "b": 2, "c": 1})
    read = reading(replicas)
    read.deliver("a")
    read.wait_until(FURTHER_S)
    read.deliver("b")
    read.deliver("c")
    assert read.finished == [SettledState(OLD, at(1), 1)]
