"""Deletes whose client names no context."""

import pytest

from dynamo.errors import Applied, ReadTimeout
from dynamo.protocol.commands import WriteOutcome
from dynamo.protocol.messages import Fetch, Store
from tests.unit.node.world import World

KEY = b"k"


@pytest.fixture
def world() -> World:
    """Three nodes, each a replica of everything."""
    return World(3)


def sent(world: World, kind: type) -> int:
    """How many messages of a kind went out."""
    return sum(isinstance(message, kind) for _, _, message in world.network.sent)


def missed(world: World, key: bytes = KEY) -> str:
    """A value that two of three replicas have; who has missed it."""
    first, _, third = world.primaries(key)
    world.network.down = {third}
    assert isinstance(world.write(first, key, b"missed"), WriteOutcome)
    world.network.down = set()
    return third


def test_a_delete_that_names_no_context_looks_first(world):
    """It reaches an acknowledged value that its coordinator has missed: deleted at quorum is gone at quorum."""
    third = missed(world)
    outcome = world.write(third, KEY, None)
    assert isinstance(outcome, WriteOutcome)
    assert [world.values(name, KEY, r=2) for name in world.primaries(KEY)] == [[], [], []]


def test_a_delete_that_names_a_context_does_not_look(world):
    """What its client has seen is deleted, no more."""
    third = missed(world)
    assert isinstance(world.write(third, KEY, None, context={}), WriteOutcome)
    assert sent(world, Fetch) == 0
    assert world.values(third, KEY, r=2) == [b"missed"]


def test_a_delete_that_cannot_look_writes_nothing(world):
    """Too few replicas answer the look: an error of the read, and no tombstone anywhere."""
    first, second, third = world.primaries(KEY)
    world.write(first, KEY, b"old")
    world.network.sent.clear()
    world.network.silent = {second, third}
    outcome = world.write(first, KEY, None)
    assert isinstance(outcome, ReadTimeout)
    assert outcome.applied is Applied.NO
    assert sent(world, Store) == 0


def test_a_delete_at_one_replica_deletes_what_that_one_knows(world):
    """W=1 reads nowhere else."""
    third = missed(world)
    assert isinstance(world.write(third, KEY, None, w=1), WriteOutcome)
    assert sent(world, Fetch) == 0
