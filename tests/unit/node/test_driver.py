from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.errors import DynamoError, Internal, StorageFull
from dynamo.node.driver import Driver
from dynamo.node.wakeups import Wakeups
from dynamo.ports import Receiver
from dynamo.protocol.codec import refusal
from dynamo.protocol.effects import Effects, Finish, PeerError, PeerFailure, Send, WakeAt
from dynamo.protocol.messages import Fetch, Fetched, Message, Refused
from tests.unit.node.world import ManualClock

FETCH = Fetch("b", b"k")


class Scripted:
    """A machine that answers each input with the effects it was given for it, and notes the inputs."""

    def __init__(self, **effects: Effects) -> None:
        self.outcome: object = None
        self.drained = False
        self.inputs: list[tuple] = []
        self._effects = effects

    def _answer(self, kind: str, *inputs: object) -> Effects:
        self.inputs.append((kind, *inputs))
        effects = self._effects.pop(kind, [])
        for effect in effects:
            if isinstance(effect, Finish):
                self.outcome = effect.outcome
                self.drained = True
        return effects

    def start(self, now: float) -> Effects:
        return self._answer("start", now)

    def on_reply(self, peer: str, message: Message, now: float) -> Effects:
        return self._answer("reply", peer, message, now)

    def on_failure(self, peer: str, error: PeerError, now: float) -> Effects:
        return self._answer("failure", peer, error, now)

    def on_wakeup(self, now: float) -> Effects:
        return self._answer("wakeup", now)


class NotedPeers:
    def __init__(self) -> None:
        self.sent: list[tuple[str, Message, float, str, Receiver]] = []

    def is_up(self, peer: str) -> bool:
        return True

    def send(self, peer: str, message: Message, deadline: float, trace: str, receiver: Receiver) -> None:
        self.sent.append((peer, message, deadline, trace, receiver))


class Setting:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.peers = NotedPeers()
        self.local: list[Callable[[Message], None]] = []
        self.answer: Message | None = None
        self.driver = Driver("me", self.clock, self.peers, Wakeups(self.clock), self._local)
        self.outcomes: list[object] = []
        self.ended: list[bool] = []

    def _local(self, message: Message, respond: Callable[[Message], None]) -> None:
        self.local.append(respond)
        if self.answer is not None:
            respond(self.answer)

    def run(self, machine: object, deadline: float = 102.0):
        return self.driver.run(machine, deadline, "trace", self.outcomes.append, lambda: self.ended.append(True))


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_effects_are_carried_out(setting):
    """A send to a peer crosses the network with deadline and trace; one to this node does not."""
    machine = Scripted(start=[Send("other", FETCH), Send("me", FETCH), WakeAt(101.0)])
    run = setting.run(machine)
    assert setting.peers.sent == [("other", FETCH, 102.0, "trace", run)]
    assert len(setting.local) == 1
    setting.clock.turn(0.5)
    run.on_reply("other", Fetched(b"x"))
    setting.clock.turn(0.5)
    assert machine.inputs == [("start", 100.0), ("reply", "other", Fetched(b"x"), 100.5), ("wakeup", 101.0)]


def test_a_decision_is_handed_on_once(setting):
    """Before `run` returns if it is taken at the start; then the machine's end is told, too."""
    setting.run(Scripted(start=[Finish("done")]))
    assert setting.outcomes == ["done"]
    assert setting.ended == [True]


def test_a_decision_by_this_nodes_own_answer(setting):
    """R=1 reads are answered without leaving the call; sends that stand behind it are still made."""
    setting.answer = Fetched(b"mine")
    machine = Scripted(start=[Send("me", FETCH), Send("other", FETCH), WakeAt(102.0)], reply=[Finish("done")])
    setting.run(machine)
    assert setting.outcomes == ["done"]
    assert [peer for peer, *_ in setting.peers.sent] == ["other"]
    assert setting.ended == [True]


def test_a_refusal_of_this_node_is_a_failure(setting):
    """As it would be from a peer."""
    setting.answer = refusal(StorageFull("no room"))
    machine = Scripted(start=[Send("me", FETCH)])
    setting.run(machine)
    kind, peer, error, _ = machine.inputs[1]
    assert (kind, peer, error.failure) == ("failure", "me", PeerFailure.REFUSED)
    assert isinstance(error.error, StorageFull)


def test_a_second_decision_is_a_bug(setting):
    """It never reaches whoever asked."""
    machine = Scripted(start=[Finish("one")], reply=[Finish("two")])
    run = setting.run(machine)
    with pytest.raises(AssertionError):
        run.on_reply("other", Fetched(b""))
    assert setting.outcomes == ["one"]


def test_a_machine_that_sleeps_through_its_deadline_is_ended(setting):
    """Whatever the machine does, there is an outcome by then."""
    setting.run(Scripted(start=[WakeAt(102.0)]))
    setting.clock.turn(1.999)
    assert setting.outcomes == []
    setting.clock.turn(0.001)
    assert [type(outcome) for outcome in setting.outcomes] == [Internal]


def test_a_drained_machine_is_not_woken(setting):
    """Its wake-ups are given up when it ends."""
    machine = Scripted(start=[WakeAt(101.0)], reply=[Finish("done")])
    run = setting.run(machine)
    run.on_reply("other", Fetched(b""))
    setting.clock.turn(5)
    assert [kind for kind, *_ in machine.inputs] == ["start", "reply"]


def test_late_answers_still_reach_a_machine_that_is_not_drained(setting):
    """It has decided, and goes on repairing; its end is told once, when it is drained."""
    machine = Scripted(start=[Send("other", FETCH), Finish("done")], reply=[Send("third", FETCH)])
    machine_drains = machine._answer

    def answer(kind: str, *inputs: object) -> Effects:
        effects = machine_drains(kind, *inputs)
        machine.drained = kind == "failure"
        return effects

    machine._answer = answer
    run = setting.run(machine)
    assert setting.ended == []
    run.on_reply("other", Fetched(b""))
    assert setting.peers.sent[-1][0] == "third"
    run.on_failure("third", PeerError(PeerFailure.DOWN))
    run.on_failure("third", PeerError(PeerFailure.DOWN))
    assert setting.ended == [True]
    assert setting.outcomes == ["done"]


@given(st.lists(st.sampled_from(["reply", "failure", "refused", "turn"]), max_size=8), st.integers(0, 8))
def test_exactly_one_outcome(events, decides_at):
    """Whatever comes, in whatever order: one outcome, at the latest at the deadline."""
    setting = Setting()
    machine = Scripted(start=[Send("other", FETCH), Send("me", FETCH), WakeAt(102.0)])
    if decides_at == 0:
        machine._effects["start"].append(Finish("done"))
    run = setting.run(machine)
    for number, event in enumerate(events, 1):
        if number == decides_at:
            machine._effects.update(reply=[Finish("done")], failure=[Finish("done")], wakeup=[Finish("done")])
        if event == "reply":
            run.on_reply("other", Fetched(b""))
        elif event == "failure":
            run.on_failure("other", PeerError(PeerFailure.LOST))
        elif event == "refused" and setting.local:
            setting.local[0](Refused("draining", "no"))
        else:
            setting.clock.turn(0.1)
        if machine.outcome is not None:
            break
    setting.clock.turn(3)
    assert len(setting.outcomes) == 1
    assert setting.outcomes == ["done"] or isinstance(setting.outcomes[0], DynamoError)
