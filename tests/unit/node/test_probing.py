"""How a node answers probes, what it does for others, and what it counts."""

import pytest

from dynamo.membership.view import State
from dynamo.node.probing import HELPER_SHARE
from dynamo.protocol.messages import Fetch, MemberState, Message, Probe, ProbeAck, ProbeFor, Refused
from tests.unit.node.world import START_MS, World

LEFT_S = 0.7


@pytest.fixture
def world() -> World:
    return World(3)


def own(node: str, incarnation: int = START_MS) -> MemberState:
    return MemberState(node, State.ALIVE, incarnation, node)


def asked(world: World, message: Message, *, epoch: int = 1, by: str = "node2") -> Message:
    """What node1 answers, once everything has happened."""
    answers: list[Message] = []
    world["node1"].handle(by, epoch, message, world.clock.now + LEFT_S, "", answers.append)
    world.agenda.run()
    (answer,) = answers
    return answer


@pytest.mark.parametrize("epoch", [1, 7])
def test_a_probe_is_answered_with_news(world, epoch):
    """The own state first, and nothing that the asker said of itself; whatever topology it works with."""
    assert asked(world, Probe([own("node2"), own("node3")]), epoch=epoch) == ProbeAck([own("node1"), own("node3")])
    assert world["node1"].detector.view.of("node2") == own("node2")


def test_a_node_hears_at_once_what_is_held_against_it(world):
    """And contradicts in the same exchange."""
    answer = asked(world, Probe([MemberState("node1", State.DEAD, START_MS, "node3")]))
    assert answer == ProbeAck([own("node1", START_MS + 1)])
    assert world["node1"].probing.has_urgent_news
    assert world["node1"].metrics.refutations.value == 1
    assert world["node1"].metrics.health_score.value == 1


def test_a_probe_for_another_node(world):
    """With news for both, and the target's news brought home."""
    assert asked(world, ProbeFor("node3", [own("node2")])) == ProbeAck([own("node1"), own("node3")])
    (probe,) = [message for sender, to, message in world.network.sent if (sender, to) == ("node1", "node3")]
    assert probe == Probe([own("node1"), own("node2")])


@pytest.mark.parametrize("trouble", ["silent", "down"])
def test_a_target_that_does_not_answer(world, trouble):
    """Is refused as a time-out, which makes this node a witness."""
    getattr(world.network, trouble).add("node3")
    answer = asked(world, ProbeFor("node3", []))
    assert isinstance(answer, Refused)
    assert answer.code == "read-timeout"


def test_a_helper_that_did_not_run_is_no_witness(world):
    """The answer may have come long ago."""
    answers: list[Message] = []
    world.network.silent.add("node3")
    world["node1"].handle("node2", 1, ProbeFor("node3", []), world.clock.now + LEFT_S, "", answers.append)
    world.clock.turn(3.0)
    world.agenda.run()
    assert [answer.code for answer in answers if isinstance(answer, Refused)] == ["not-ready"]


def test_a_helper_leaves_time_for_the_way_back(world, monkeypatch):
    """Of little time it takes a part only; of much, what a probe may take on a healthy node."""
    deadlines: list[float] = []
    carry = world.network.carry

    def noted(sender, peer, message, deadline, trace, receiver):
        deadlines.append(deadline - world.clock.now)
        carry(sender, peer, message, deadline, trace, receiver)

    monkeypatch.setattr(world.network, "carry", noted)
    asked(world, ProbeFor("node3", []))
    world["node1"].handle("node2", 1, ProbeFor("node3", []), world.clock.now + 0.1, "", lambda _: None)
    assert deadlines == [pytest.approx(0.3), pytest.approx(0.1 * HELPER_SHARE)]


def test_targets_that_need_no_probe(world):
    """Oneself, a stranger, and one for whom no time is left."""
    assert asked(world, ProbeFor("node1", [])) == ProbeAck([own("node1")])
    stranger = asked(world, ProbeFor("node9", []))
    assert isinstance(stranger, Refused)
    answers: list[Message] = []
    world["node1"].handle("node2", 1, ProbeFor("node3", []), world.clock.now, "", answers.append)
    assert isinstance(answers[0], Refused)
    assert [to for sender, to, _ in world.network.sent if sender == "node1"] == []


def test_whoever_is_held_dead_and_speaks_is_to_be_asked_soon(world):
    """Whatever it says; until it is alive again."""
    node = world["node1"]
    node.probing.take(node.detector.accuse("node2", ["node3"], world.clock.now))
    node.probing.take(node.detector.expire(world.clock.now + 60))
    assert not node.liveness.is_alive("node2")
    asked(world, Fetch("b", b"k"), by="node3")
    assert node.probing.recalled == {}
    asked(world, Fetch("b", b"k"))
    assert node.probing.recalled == {"node2": None}
    asked(world, Probe([own("node2")]))
    assert node.probing.recalled == {}
    assert node.liveness.is_alive("node2")


def test_changes_are_counted(world):
    """The state of each peer, suspicions from whomever, deaths that were declared here."""
    node, seen = world["node1"], []
    node.probing.on_change = seen.append
    node.probing.hear([MemberState("node2", State.SUSPECT, 1, "node3")])
    node.probing.hear([MemberState("node2", State.SUSPECT, 1, "node3")])
    assert (node.metrics.peer_states["node2"].value, node.metrics.suspicions.value) == (1, 1)
    world.clock.turn(2.0)
    node.probing.hear([MemberState("node2", State.DEAD, 1, "node3")])
    assert (node.metrics.peer_states["node2"].value, node.metrics.deaths_declared.value) == (2, 0)
    node.probing.hear([own("node2")])
    assert node.metrics.peer_states["node2"].value == 0
    node.probing.take(node.detector.accuse("node3", [], world.clock.now))
    node.probing.take(node.detector.expire(world.clock.now + 60))
    assert (node.metrics.suspicions.value, node.metrics.deaths_declared.value) == (2, 1)
    assert [change.saying.state for change in seen] == [1, 2, 0, 1, 2]
