from math import inf

import pytest

from dynamo.protocol.effects import Effects, Finish, PeerError, PeerFailure, Send, WakeAt
from dynamo.protocol.messages import Acknowledged, AskAcknowledged, SpanAcks
from dynamo.replication.inquiry import Facts, Inquiry, node_of
from dynamo.replication.remote_clock import RemoteClock
from dynamo.replication.staleness import Event, Known, Span

ONE, TWO = "n1.00000001", "n2.00000007"
MEMBERS = ("n1", "n2", "n3")
NOW = 50.0
DEADLINE = 51.0


def inquiry(*spans: Span, clocks: dict[str, RemoteClock] | None = None) -> Inquiry:
    return Inquiry("b", b"k", spans, ("n1", "n2"), MEMBERS, {} if clocks is None else clocks, DEADLINE)


def sends(effects: Effects) -> dict[str, AskAcknowledged]:
    found = {}
    for effect in effects:
        if isinstance(effect, Send):
            assert isinstance(effect.message, AskAcknowledged)
            found[effect.to] = effect.message
    return found


def finished(effects: Effects) -> Facts:
    (effect,) = effects
    assert isinstance(effect, Finish)
    return effect.outcome


@pytest.mark.parametrize(
    ("actor", "node"),
    [("node-1.0000000a", "node-1"), ("node1~0000000a01020304", "node1"), ("~", ""), ("", ""), ("x", "x")],
)
def test_an_actor_names_its_node(actor: str, node: str):
    """As a replica, and as one that stood in; a chosen version names nobody."""
    assert node_of(actor) == node


def test_each_node_is_asked_about_its_own_actors():
    """In one message."""
    stood_in = "n1~0000000a01020304"
    effects = inquiry(Span(ONE, 1, 3), Span(TWO, 0, 9), Span(stood_in, 0, 1)).start(NOW)
    assert sends(effects) == {
        "n1": AskAcknowledged("b", b"k", [(ONE, 1, 3), (stood_in, 0, 1)]),
        "n2": AskAcknowledged("b", b"k", [(TWO, 0, 9)]),
    }
    assert WakeAt(DEADLINE) in effects


def test_ages_are_placed_on_our_clock():
    """By the clock of the one who answers, which may show anything."""
    machine = inquiry(Span(ONE, 1, 3))
    machine.start(NOW)
    facts = finished(machine.on_reply("n1", Acknowledged(9000.0, [SpanAcks([(3, 4.0, 2), (2, -1.0, 0)])]), NOW + 0.2))
    acknowledged, failed = facts[ONE].events
    assert (acknowledged.counter, acknowledged.copies) == (3, 2)
    assert (acknowledged.earliest, acknowledged.latest) == pytest.approx((46.0, 46.2), abs=0.002)
    assert failed == Event(2, inf, inf)
    assert facts[ONE].doubtful_upto == 0


def test_who_does_not_answer_leaves_doubt():
    """Away, silent until the deadline, or no member of the cluster; what others know counts all the same."""
    machine = inquiry(Span(ONE, 1, 3), Span(TWO, 0, 9), Span("gone.00000001", 0, 4))
    assert list(sends(machine.start(NOW))) == ["n1", "n2"]
    assert machine.on_failure("n1", PeerError(PeerFailure.DOWN), NOW) == []
    assert machine.on_wakeup(NOW + 0.5) == []
    facts = finished(machine.on_wakeup(DEADLINE))
    assert facts == {ONE: Known((), 3), TWO: Known((), 9), "gone.00000001": Known((), 4)}
    assert machine.drained
    assert machine.on_reply("n2", Acknowledged(1.0, [SpanAcks([(9, 1.0, 1)])]), DEADLINE) == []


def test_nobody_to_ask():
    """All that was missed is of nodes that are no members: that is an answer."""
    machine = inquiry(Span("gone.00000001", 0, 4))
    assert finished(machine.start(NOW)) == {"gone.00000001": Known((), 4)}


def test_of_a_chosen_version_all_primaries_are_asked():
    """Each knows the changes that it made; the first acknowledgement counts; what nobody made is in doubt."""
    machine = inquiry(Span("~", 4, 8))
    assert set(sends(machine.start(NOW))) == {"n1", "n2"}
    assert machine.on_reply("n1", Acknowledged(NOW, [SpanAcks([(8, 1.0, 0)], 7)]), NOW) == []
    facts = finished(machine.on_reply("n2", Acknowledged(NOW, [SpanAcks([(8, 3.0, 0), (7, 5.0, 0)], 6)]), NOW))
    assert {event.counter: round(event.latest) for event in facts["~"].events} == {8: 47, 7: 45}
    assert facts["~"].doubtful_upto == 6


def test_what_is_learnt_of_a_clock_stays():
    """For the next question, and for the metrics."""
    clocks: dict[str, RemoteClock] = {}
    machine = inquiry(Span(ONE, 1, 3), clocks=clocks)
    machine.start(NOW)
    machine.on_reply("n1", Acknowledged(9000.0, [SpanAcks([])]), NOW)
    assert clocks["n1"].offset_s == pytest.approx(8950.0)
