import pytest

from dynamo.errors import NotReady, ReadTimeout
from dynamo.membership.probe import Probed, ProbeRound, Result
from dynamo.protocol.effects import Effects, Finish, PeerError, PeerFailure, Send, WakeAt
from dynamo.protocol.messages import MemberState, Probe, ProbeAck, ProbeFor

NEWS = [MemberState("x", 1, 7)]
TIMEOUT = PeerError(PeerFailure.TIMEOUT)
NOBODY = PeerError(PeerFailure.REFUSED, ReadTimeout("no answer"))


def told(node: str) -> list[MemberState]:
    """What the prober has to tell that node."""
    return [MemberState(node, 0, 1)]


def begun(*helpers: str) -> ProbeRound:
    """A probe of `t` at time 10, with helpers to be asked at 10.3, that ends at 11."""
    machine = ProbeRound("t", list(helpers), told, ask_at=10.3, end=11.0, late_s=0.15)
    assert machine.start(10.0) == [Send("t", Probe(told("t")), 11.0), WakeAt(10.3), WakeAt(11.0)]
    return machine


def asked(effects: Effects) -> list[str]:
    """The helpers that are asked; each with news of its own, by the end of the round."""
    sends = [effect for effect in effects if isinstance(effect, Send)]
    assert sends == effects
    assert sends == [Send(send.to, ProbeFor("t", told(send.to)), 11.0) for send in sends]
    return [send.to for send in sends]


def decided(machine: ProbeRound, effects: Effects) -> Probed:
    """The outcome, which comes as the only effect; nothing that follows changes it."""
    (effect,) = effects
    assert isinstance(effect, Finish)
    assert effect.outcome is machine.outcome
    assert machine.drained
    assert machine.on_reply("t", ProbeAck([]), 12.0) == []
    assert machine.on_failure("t", TIMEOUT, 12.0) == []
    assert machine.on_wakeup(12.0) == []
    assert isinstance(machine.outcome, Probed)
    return machine.outcome


def test_an_answer_in_time_asks_nobody_else():
    """And brings its news."""
    machine = begun("h1")
    outcome = decided(machine, machine.on_reply("t", ProbeAck(NEWS), 10.1))
    assert outcome == Probed(Result.DIRECT, NEWS, [], True)


def test_after_the_timeout_helpers_are_asked_once():
    """Not before it; one answer that came through them is enough."""
    machine = begun("h1", "h2")
    assert machine.on_wakeup(10.29) == []
    assert asked(machine.on_wakeup(10.3)) == ["h1", "h2"]
    assert machine.on_wakeup(10.31) == []
    assert decided(machine, machine.on_reply("h2", ProbeAck(NEWS), 10.5)).result is Result.INDIRECT


def test_a_direct_answer_that_is_only_slow_counts():
    """Until the end of the round."""
    machine = begun("h1")
    machine.on_wakeup(10.3)
    assert decided(machine, machine.on_reply("t", ProbeAck([]), 10.9)).result is Result.DIRECT


@pytest.mark.parametrize("failure", [PeerFailure.DOWN, PeerFailure.LOST])
def test_a_broken_connection_does_not_wait_for_the_timeout(failure):
    """Helpers are asked at once."""
    machine = begun("h1")
    assert asked(machine.on_failure("t", PeerError(failure), 10.01)) == ["h1"]


def test_a_node_that_refuses_works():
    """It runs something that does not know probes, perhaps; but it runs."""
    machine = begun("h1")
    outcome = decided(machine, machine.on_failure("t", PeerError(PeerFailure.REFUSED, NotReady("no")), 10.1))
    assert (outcome.result, outcome.was_heard) == (Result.DIRECT, True)


def test_silence_to_the_end_is_a_failure():
    """Nobody answered, not even the helpers: that says as much about this node."""
    machine = begun("h1")
    machine.on_wakeup(10.3)
    assert decided(machine, machine.on_wakeup(11.0)) == Probed(Result.FAILED, [], [], False)


def test_helpers_that_say_no_are_witnesses():
    """And show that this node's own connections work; other refusals only show the latter."""
    machine = begun("h1", "h2", "h3")
    machine.on_wakeup(10.3)
    assert machine.on_failure("h1", NOBODY, 10.6) == []
    assert machine.on_failure("h2", PeerError(PeerFailure.REFUSED, NotReady("busy")), 10.6) == []
    outcome = decided(machine, machine.on_wakeup(11.0))
    assert outcome == Probed(Result.FAILED, [], ["h1"], True)


def test_it_ends_early_when_nobody_can_answer_any_more():
    """The target is down, and so is the way to every helper."""
    machine = begun("h1")
    machine.on_failure("t", PeerError(PeerFailure.DOWN), 10.0)
    assert decided(machine, machine.on_failure("h1", PeerError(PeerFailure.DOWN), 10.0)).result is Result.FAILED
    machine = begun()
    assert decided(machine, machine.on_failure("t", TIMEOUT, 10.1)).result is Result.FAILED


@pytest.mark.parametrize("what", ["wakeup", "failure"])
def test_a_late_timer_ends_without_a_verdict(what):
    """This process was stopped: the answer may be waiting unread."""
    machine = begun("h1")
    effects = machine.on_wakeup(10.46) if what == "wakeup" else machine.on_failure("t", TIMEOUT, 10.46)
    assert decided(machine, effects).result is Result.LATE
    machine = begun("h1")
    machine.on_wakeup(10.44)
    effects = machine.on_wakeup(11.2) if what == "wakeup" else machine.on_failure("t", TIMEOUT, 11.2)
    assert decided(machine, effects).result is Result.LATE


def test_answers_of_strangers_are_ignored():
    """Only who was asked, and has not failed, can answer."""
    machine = begun("h1")
    assert machine.on_reply("h1", ProbeAck([]), 10.1) == []
    assert machine.on_failure("h1", TIMEOUT, 10.1) == []
    machine.on_wakeup(10.3)
    assert machine.on_failure("h1", TIMEOUT, 10.5) == []
    assert machine.on_reply("h1", ProbeAck([]), 10.6) == []
    assert machine.outcome is None
