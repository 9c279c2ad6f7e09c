from hypothesis import given
from hypothesis import strategies as st

from dynamo.errors import CATALOGUE, Applied, DynamoError, Overloaded, QuorumUnavailable, from_code
from dynamo.protocol.commands import Action, ChangeCommand, ChangeOutcome, WriteCommand, WriteOutcome
from dynamo.protocol.effects import PeerError, PeerFailure, Send, WakeAt
from dynamo.protocol.messages import Forward, Forwarded
from dynamo.protocol.paxos import ForwardChange, ForwardedChange
from dynamo.replication.forward import Forwarding, of_change

DEADLINE = 2.0
FORWARD = Forward(WriteCommand(bucket="b", key=b"k", value=b"x", request=b"r" * 16))
OUTCOME = WriteOutcome(b"record", 2, 0, "b")

events = st.one_of(
    st.just("done"),
    st.sampled_from([PeerError(PeerFailure.DOWN), PeerError(PeerFailure.LOST), PeerError(PeerFailure.TIMEOUT)]),
    st.sampled_from(sorted(CATALOGUE)).map(lambda code: PeerError(PeerFailure.REFUSED, from_code(code, "no"))),
)


@given(st.lists(events, max_size=6), st.integers(1, 4))
def test_an_attempt_ends_once_and_is_honest(script, count):
    """One candidate at a time, each at most once; a definite `no` only if none of them can have done it."""
    candidates = ("a", "b", "c", "d")[:count]
    machine = Forwarding(candidates, FORWARD, DEADLINE)
    effects = machine.start(0.0)
    asked: list[str] = []
    possible = False
    finishes = 0
    for event in [*script, None]:
        sends = [effect.to for effect in effects if isinstance(effect, Send)]
        assert len(sends) <= 1
        asked += sends
        finishes += sum(not isinstance(effect, Send | WakeAt) for effect in effects)
        assert finishes == (machine.outcome is not None) == machine.drained
        if machine.outcome is not None:
            break
        if event is None:
            possible = True  # the last one asked stays silent
            effects = machine.on_wakeup(DEADLINE)
            finishes += len(effects)
        elif event == "done":
            effects = machine.on_reply(asked[-1], Forwarded(OUTCOME), 0.1)
        else:
            maybe = event.error is not None and event.error.applied is not Applied.NO
            possible = possible or maybe or event.may_have_applied
            effects = machine.on_failure(asked[-1], event, 0.1)
    assert finishes == 1
    assert asked == list(candidates[: len(asked)])
    if isinstance(machine.outcome, DynamoError):
        assert (machine.outcome.applied is Applied.UNKNOWN) == possible
    else:
        assert machine.outcome == OUTCOME
    assert machine.on_reply("a", Forwarded(OUTCOME), 3.0) == machine.on_wakeup(3.0) == []
    assert machine.on_failure("a", PeerError(PeerFailure.LOST), 3.0) == []


def test_the_first_candidate_is_asked_first():
    """The preference list's order; one wake-up, at the deadline."""
    machine = Forwarding(("b", "a"), FORWARD, DEADLINE)
    assert machine.start(0.0) == [Send("b", FORWARD), WakeAt(DEADLINE)]


def test_a_change_that_is_not_answered_in_time_is_given_up():
    """Not at the deadline of the request, but when patience ends: whoever sent it then takes it over."""
    message = ForwardChange(ChangeCommand(bucket="b", key=b"k", action=Action.SET, request=b"r" * 16))
    machine = Forwarding(("a", "b"), message, DEADLINE, try_another=of_change, patience=0.75)
    assert machine.start(0.0) == [Send("a", message), WakeAt(0.75)]
    machine.on_wakeup(0.75)
    assert (machine.silent, machine.exhausted) == ("a", False)
    assert machine.outcome.applied is Applied.UNKNOWN
    assert machine.on_reply("a", ForwardedChange(ChangeOutcome(True, 1, b"", "a")), 0.8) == []


def test_who_cannot_make_a_change_is_passed_over():
    """Also one that did not run for a while, or reaches no majority; one that is busy is not."""
    message = ForwardChange(ChangeCommand(bucket="b", key=b"k", action=Action.SET, request=b"r" * 16))
    machine = Forwarding(("a", "b", "c"), message, DEADLINE, try_another=of_change)
    machine.start(0.0)
    stalled = PeerError(PeerFailure.REFUSED, Overloaded("late", reason="stalled"))
    assert machine.on_failure("a", stalled, 0.1) == [Send("b", message)]
    alone = PeerError(PeerFailure.REFUSED, QuorumUnavailable("alone"))
    assert machine.on_failure("b", alone, 0.1) == [Send("c", message)]
    busy = Overloaded("too many", reason="key-queue")
    machine.on_failure("c", PeerError(PeerFailure.REFUSED, busy), 0.1)
    assert (machine.outcome, machine.exhausted, machine.silent) == (busy, False, "")


def test_nobody_who_can_is_no_failure_yet():
    """Certainly nothing happened: the sender may do it itself."""
    message = ForwardChange(ChangeCommand(bucket="b", key=b"k", action=Action.SET, request=b"r" * 16))
    machine = Forwarding(("a",), message, DEADLINE, try_another=of_change)
    machine.start(0.0)
    machine.on_failure("a", PeerError(PeerFailure.DOWN), 0.1)
    assert machine.exhausted
    assert machine.outcome.applied is Applied.NO
