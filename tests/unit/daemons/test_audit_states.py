import asyncio

import pytest

from dynamo.daemons.auditor import Auditor
from dynamo.layout.keyspaces import Keyspace
from dynamo.protocol.paxos import Learn
from tests.unit.daemons.rounds import settle, worked_off
from tests.unit.node.strict_world import BUCKET, StrictWorld

BALLOTS, RECORDS = Keyspace.BALLOTS, Keyspace.RECORDS
KEYS = [b"k%d" % number for number in range(5)]


@pytest.fixture
async def world() -> StrictWorld:
    """A node alone, with some keys."""
    world = StrictWorld(1, later=asyncio.get_running_loop().call_soon)
    await settle()
    for key in KEYS:
        outcomes = world.begin("node1", world.make(key, value=b"v"))
        await settle()
        assert outcomes[0].applied
    world.tell()
    await settle()
    return world


async def audited(world: StrictWorld) -> Auditor:
    auditor = Auditor(world["node1"])
    world["node1"].audit.ask()
    await worked_off(world, auditor.run_once())
    await settle()
    return auditor


async def test_sound_states_are_counted_and_left_alone(world):
    """Beside records and notes."""
    before = dict(world.storage["node1"].durable[BALLOTS])
    await audited(world)
    assert world.storage["node1"].durable[BALLOTS] == before
    assert world["node1"].audit.found == 0
    assert world["node1"].audit.checked == len(KEYS) * 2 + 1, "states, records, and the bucket's properties"
    assert world["node1"].unlearned.since(world.clock.now) == []


async def test_a_damaged_state_is_reported_and_never_removed(world):
    """Taken away it would read as nothing accepted. Reported once, found by every pass."""
    ballots, stored = world.storage["node1"].durable[BALLOTS], world.stored_key(KEYS[2])
    damaged = ballots[stored] = ballots[stored][:-1] + bytes([ballots[stored][-1] ^ 1])
    auditor = await audited(world)
    world["node1"].audit.ask()
    await worked_off(world, auditor.run_once())
    assert ballots[stored] == damaged
    assert world["node1"].audit.found == 1
    assert world["node1"].metrics.audit_damaged["ballots"].value == 1
    assert not [name for name in world.storage["node1"].durable[Keyspace.META] if name.startswith(b"damage/")]


async def test_what_was_accepted_and_never_learnt_is_found(world):
    """A crash has forgotten that it waits. One whose record is damaged counts as well."""
    records = world.storage["node1"].durable[RECORDS]
    del records[world.stored_key(KEYS[1])]
    records[world.stored_key(KEYS[3])] = b"damaged"
    await audited(world)
    assert sorted(world["node1"].unlearned.since(world.clock.now)) == sorted(map(world.stored_key, (KEYS[1], KEYS[3])))


async def test_learning_ends_the_doubt_of_a_damaged_record(world):
    """Where there are no others, the acceptor's own state brings back what was chosen."""
    node, stored = world["node1"], world.stored_key(KEYS[3])
    whole = world.records("node1")[stored]
    world.records("node1")[stored] = b"damaged"
    await audited(world)
    assert stored in node.quarantine.open
    ballot = world.state("node1", KEYS[3]).accepted
    node.handle("node1", 1, Learn(BUCKET, KEYS[3], ballot), world.clock.now + 2, "", lambda _: None)
    await settle()
    assert stored not in node.quarantine.open
    assert node.replica.fetch(BUCKET, KEYS[3]) == whole
