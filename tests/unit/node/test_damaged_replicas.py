"""A coordinator whose own copy of a key is damaged: requests go on, through the others."""

import pytest

from dynamo.errors import CorruptValue
from dynamo.layout.keyspaces import Keyspace
from dynamo.protocol.commands import Consistency, WriteOutcome
from dynamo.versioning.record import decode
from tests.unit.node.world import World

KEY = b"k"


def harm(world: World, node: str) -> None:
    """Flip a bit in a node's copy."""
    held = world.storage[node].durable[Keyspace.RECORDS]
    ((stored, data),) = held.items()
    held[stored] = data[:-1] + bytes([data[-1] ^ 1])


def settled(nodes: int) -> tuple[World, tuple[str, ...]]:
    """A value on all replicas."""
    world = World(nodes)
    first = world.primaries(KEY)[0]
    assert isinstance(world.write(first, KEY, b"old", consistency=Consistency.ALL), WriteOutcome)
    return world, world.primaries(KEY)


def test_reads_go_on():
    """At any level that the sound copies can serve; all of them cannot answer."""
    world, (first, *_) = settled(3)
    harm(world, first)
    for _ in range(2):
        assert world.values(first, KEY, consistency=Consistency.ONE) == [b"old"]
        assert world.values(first, KEY) == [b"old"]
    assert isinstance(world.read(first, KEY, consistency=Consistency.ALL), CorruptValue)


def test_a_write_is_minted_by_another_replica():
    """It is acknowledged, loses no sibling that the others hold, and this node stores it, too."""
    world, (first, second, _) = settled(3)
    harm(world, first)
    outcome = world.write(first, KEY, b"new")
    assert isinstance(outcome, WriteOutcome)
    assert outcome.coordinator != first
    assert sorted(world.values(second, KEY)) == [b"new", b"old"]
    assert sorted(s.value for s in decode(*world.records(first).values()).siblings) == [b"new", b"old"]


def test_a_blind_delete_is_minted_by_another_replica():
    """Also one that had to read first."""
    world, (first, second, _) = settled(3)
    harm(world, first)
    assert isinstance(world.write(first, KEY, None), WriteOutcome)
    assert world.values(second, KEY) == []


@pytest.mark.parametrize("harmed", [1, 2])
def test_a_forwarded_write_passes_damaged_replicas_over(harmed):
    """It comes to the next one, in order."""
    world, primaries = settled(5)
    outsider = next(m.id for m in world["node1"].ring.members if m.id not in primaries)
    for node in primaries[:harmed]:
        harm(world, node)
    outcome = world.write(outsider, KEY, b"new")
    assert isinstance(outcome, WriteOutcome)
    assert outcome.coordinator == primaries[harmed]


def test_a_write_that_no_replica_can_mint_is_refused():
    """All copies are damaged: definitely not applied."""
    world, primaries = settled(3)
    for node in primaries:
        harm(world, node)
    refused = world.write(primaries[0], KEY, b"new")
    assert isinstance(refused, CorruptValue)
    assert all(world.records(node) == {} for node in primaries)
