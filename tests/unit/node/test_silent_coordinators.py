"""Changes whose coordinator dies, is silent, or cannot: made once all the same, or said not to be."""

import pytest

from dynamo.config import LimitsSection
from dynamo.errors import CalledOff, Internal, Overloaded
from dynamo.protocol.codec import refused_error
from dynamo.protocol.commands import Action, Condition
from dynamo.protocol.paxos import ForwardChange, Prepare
from tests.unit.node.strict_world import BUCKET, StrictWorld, value_of

KEY = b"k"


@pytest.fixture
def world() -> StrictWorld:
    return StrictWorld()


def test_what_was_acknowledged_outlives_all_crashes(world):
    """Power goes everywhere at once; leads are gone with it, values and repeats are not."""
    first = world.order(KEY)[0]
    command = world.make(KEY, Action.ADD, amount=1)
    world.change(first, command)
    for name in list(world.network.nodes):
        world.reboot(name, crash=True)
    assert world.shown("node1", KEY).value == b"1"
    assert world.change("node2", command).repeated
    world.trips()
    assert world.add(first, KEY).version == 2
    assert world.trips()[0] == "Prepare"


def test_a_first_replica_that_is_down_is_passed_over(world):
    """The next one takes its place, and the first one again when it is back."""
    first, second, _ = world.order(KEY)
    world.network.down = {first}
    assert world.set(second, KEY, b"a").coordinator == second
    world.network.down = set()
    assert world.set(second, KEY, b"b").coordinator == first


def test_a_change_is_taken_over_from_a_silent_coordinator(world):
    """And is made once, though the first one had it, too."""
    first, second, third = world.order(KEY)
    world.network.mute = {first}
    outcome = world.change(third, world.make(KEY, Action.ADD, amount=1))
    assert (outcome.applied, outcome.version, outcome.repeated, outcome.coordinator) == (True, 1, True, third)
    assert world.shown(second, KEY).value == b"1"


def test_a_busy_coordinator_is_not_taken_for_a_silent_one():
    """Where answers take long at present, more patience is due; never so much that its keys stand still for long."""
    world = StrictWorld(5)
    first = world.order(KEY)[0]
    stranger = next(node for node in world.network.nodes if node not in world.order(KEY))
    for _ in range(100):
        world[stranger]._proposals._answers.took(0.3)
    world.network.lost = {first}
    outcomes = world.begin(stranger, world.make(KEY, value=b"a"), timeout_s=3)
    world.pass_time(1.1)
    assert world[stranger].metrics.paxos.takeovers.value == 0
    assert world.finish(outcomes, within_s=0.3).coordinator == stranger


def test_what_is_taken_over_and_does_not_apply_is_called_off():
    """The silent one may still carry it out: only when that is impossible is the client told that nothing was done."""
    world = StrictWorld(5)
    first = world.order(KEY)[0]
    stranger = next(node for node in world.network.nodes if node not in world.order(KEY))
    world.set(first, KEY, b"a")
    world.network.lost = {first}
    command = world.make(KEY, value=b"b", condition=Condition(exists=False))
    outcome = world.change(stranger, command)
    assert (outcome.applied, outcome.version, value_of(outcome)) == (False, 1, b"a")
    assert world[stranger].metrics.paxos.takeovers.value == 1
    world.network.lost = set()
    assert isinstance(world.finish(world.here(first, command)), CalledOff)
    # For a while nothing else is handed to it.
    world.network.sent.clear()
    world.set(stranger, KEY, b"c")
    assert first not in [to for _, to, _ in world.sent(ForwardChange)]


def test_a_coordinator_that_cannot_is_replaced(world):
    """A node that is stopping refuses; the change is carried out all the same."""
    first, _, third = world.order(KEY)
    world[first].admission.draining = True
    world[first].rebuilding._left[world[first].preference.partition(BUCKET, KEY)] = []
    outcome = world.set(third, KEY, b"a")
    assert outcome.applied


def test_the_same_message_twice_is_carried_out_once(world):
    """Its condition did not hold, and that was the answer: when the message comes again it may hold."""
    first = world.order(KEY)[0]
    world.set(first, KEY, b"a")
    message = ForwardChange(world.make(KEY, value=b"b", condition=Condition(version=2)), 77)
    assert world.ask(first, message).outcome.applied is False
    world.set(first, KEY, b"a2")
    assert isinstance(refused_error(world.ask(first, message)), Internal)
    assert world.shown(first, KEY).value == b"a2"


def test_a_full_node_refuses_what_is_handed_to_it():
    """It is a client's request; nothing was done."""
    world = StrictWorld(limits=LimitsSection(inflight_max=1))
    first, second, _ = world.order(KEY)
    world[first].admission.inflight = 1
    outcome = world.set(second, KEY, b"a")
    assert isinstance(outcome, Overloaded)
    assert world.sent(Prepare) == []


def test_what_is_handed_over_counts_as_bodies_do():
    """Values that wait for their key's turn must not fill the memory; each is counted until it is answered."""
    world = StrictWorld(limits=LimitsSection(inflight_bytes_max=25))
    first, second, _ = world.order(KEY)
    begun = [world.begin(second, world.make(KEY, value=b"x" * 10)) for _ in range(3)]
    outcomes = [world.finish(each) for each in begun]
    assert [isinstance(each, Overloaded) for each in outcomes] == [False, False, True]
    assert world[first].admission.inflight_bytes == 0
    assert world.set(second, KEY, b"x" * 20).applied
