"""What was chosen is told together, soon, and before the key's next round."""

import pytest

from dynamo.node import tidings
from dynamo.node.tidings import GATHER_S, LINGER_S
from dynamo.protocol.commands import Consistency
from dynamo.protocol.paxos import Accept, LearnMany, Prepare
from tests.unit.node.strict_world import BUCKET, StrictWorld

KEYS = [b"k%d" % number for number in range(6)]


@pytest.fixture
def world() -> StrictWorld:
    return StrictWorld(1)


def begin(world: StrictWorld, *keys: bytes) -> None:
    """Changes of these keys, carried out by node1, and nobody told yet."""
    for key in keys:
        outcomes = world.here("node1", world.make(key, value=key))
        world.agenda.run()
        assert outcomes[0].applied


def shown(world: StrictWorld, *keys: bytes) -> list[list[bytes | None]]:
    return [world.values("node1", key, bucket=BUCKET, consistency=Consistency.ONE) for key in keys]


def test_everybody_is_told_soon(world):
    """At the latest when LINGER_S have passed since the first; later ones with it."""
    begin(world, KEYS[0])
    world.pass_time(LINGER_S * 0.4, step=LINGER_S * 0.4)
    begin(world, KEYS[1])
    assert shown(world, *KEYS[:2]) == [[], []]
    world.pass_time(LINGER_S * 0.6, step=LINGER_S * 0.6)
    assert shown(world, *KEYS[:2]) == [[KEYS[0]], [KEYS[1]]]
    assert len(world["node1"].tidings) == 0
    begin(world, KEYS[2])
    world.pass_time(LINGER_S, step=LINGER_S)
    assert shown(world, KEYS[2]) == [[KEYS[2]]]


def test_who_has_waited_for_a_while_goes_with_the_next_round():
    """In the same frame: before its Accept, at the same instant."""
    world = StrictWorld()
    begin(world, KEYS[0], KEYS[1])
    world.pass_time(GATHER_S, step=GATHER_S)
    world.network.sent.clear()
    begin(world, KEYS[2])
    kinds = [type(message) for _, to, message in world.network.sent if to == "node2"]
    assert kinds == [LearnMany, Prepare, Accept]
    assert len(world["node1"].tidings) == 1


def test_one_message_tells_a_replica_of_many_keys():
    """Each replica of its own keys."""
    world = StrictWorld()
    begin(world, *KEYS)
    world.network.sent.clear()
    world.pass_time(LINGER_S, step=LINGER_S)
    told = sorted((to, len(message.chosen)) for _, to, message in world.sent(LearnMany))
    assert told == [("node2", len(KEYS)), ("node3", len(KEYS))]
    assert [len(world.records(name)) for name in world.network.nodes] == [len(KEYS)] * 3


def test_a_full_message_does_not_wait(world, monkeypatch):
    """No time has passed."""
    monkeypatch.setattr(tidings, "MANY_MAX", 3)
    begin(world, *KEYS[:2])
    assert len(world.records("node1")) == 0
    begin(world, KEYS[2])
    assert len(world.records("node1")) == 3


def test_a_key_is_told_before_its_next_round():
    """Or the next accept would overtake it, and a busy key would never be shown."""
    world = StrictWorld()
    begin(world, KEYS[0], KEYS[1])
    world.network.sent.clear()
    world.here("node1", world.make(KEYS[0], value=b"next"))
    world.agenda.run()
    kinds = [type(message) for _, to, message in world.network.sent if to == "node2"]
    assert kinds == [LearnMany, Accept]
    assert [len(world.records(name)) for name in world.network.nodes] == [2] * 3
    assert [
        world.values(name, KEYS[0], bucket=BUCKET, consistency=Consistency.ONE) for name in world.network.nodes
    ] == [[KEYS[0]]] * 3


def test_a_node_that_drains_tells_what_it_has_chosen(world):
    """Before it says that it is idle; nothing is left for the settlers of the others."""
    begin(world, KEYS[0])
    told: list[int] = []
    world["node1"].drain(lambda: told.append(len(world["node1"].tidings)))
    world.agenda.run()
    assert told == [0]
    assert len(world.records("node1")) == 1
