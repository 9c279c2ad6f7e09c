"""A slow disk must not fill the memory: what cannot be taken is refused before it is begun."""

import msgspec
import pytest

from dynamo.config import LimitsSection
from dynamo.errors import DynamoError, Overloaded
from dynamo.node.admission import shed_reason
from dynamo.protocol.commands import ReadOutcome, WriteOutcome
from dynamo.protocol.messages import Forward, Forwarded, Refused, Store
from tests.unit.node.world import World

LIMIT = 20_000


@pytest.fixture
def world() -> World:
    return World(3, limits=LimitsSection(store_queue_bytes_max=LIMIT))


def written(world: World, node: str, key: bytes) -> WriteOutcome | DynamoError | None:
    outcomes: list = []
    world[node].write(world.command(key, bytes(1000), w=1), world.clock.now + 2, "t", outcomes.append)
    return outcomes[0] if outcomes else None


def test_writes_are_refused_while_too_much_waits_for_the_disk(world):
    """Before a dot is minted; reads go on; once the disk has caught up, writes do, too."""
    world.storage["node1"].held = True
    outcomes = [written(world, "node1", b"k%d" % number) for number in range(40)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, Overloaded)]
    assert 10 < len(refused) < 40
    assert {shed_reason(error) for error in refused} == {"storage"}
    waiting = world.storage["node1"].queued_bytes()
    assert LIMIT < waiting < LIMIT + 5000
    assert world["node1"].metrics.shed_requests["storage"].value == len(refused)
    assert isinstance(world.read("node1", b"k0", r=1), ReadOutcome)
    world.storage["node1"].release()
    world.agenda.run()
    assert isinstance(world.write("node1", b"after", b"v"), WriteOutcome)


def test_peers_are_refused_in_words_that_they_understand(world):
    """`overloaded`: their coordinator keeps the share as a hint, or asks another one."""
    world.storage["node1"].held = True
    while world.storage["node1"].queued_bytes() <= LIMIT:
        written(world, "node1", b"k%d" % world.storage["node1"].queued_bytes())
    answers: list = []
    epoch = world["node1"].ring.epoch
    store = Store("b", b"k", b"", True)
    world["node1"].handle("node2", epoch, store, world.clock.now + 2, "t", answers.append)
    world["node1"].handle(
        "node2", epoch, msgspec.structs.replace(store, hint_for="node3"), world.clock.now + 2, "t", answers.append
    )
    assert [type(answer) for answer in answers] == [Refused, Refused]
    assert [answer.code for answer in answers] == ["overloaded", "overloaded"]


def test_a_full_replica_lets_another_one_coordinate(world):
    """A forwarded write is a client's request: it is refused like one, and the node that forwarded asks the next."""
    full = world["node1"].admission
    while not full.is_full:
        full.enter()
    answers: list = []
    forward = Forward(world.command(b"k", b"v", w=1))
    world["node1"].handle("node2", world["node1"].ring.epoch, forward, world.clock.now + 2, "t", answers.append)
    world.agenda.run()
    assert [answer.code for answer in answers] == ["overloaded"]
    assert world["node1"].metrics.shed_requests["overloaded"].value == 1
    full.leave()
    world["node1"].handle("node2", world["node1"].ring.epoch, forward, world.clock.now + 2, "t", answers.append)
    world.agenda.run()
    assert isinstance(answers[1], Forwarded)
