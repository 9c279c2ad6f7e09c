"""When the disk can no longer be trusted: what was under way is unknown, and nothing new is minted."""

import pytest

from dynamo.errors import Applied, DynamoError, StorageRefused
from dynamo.protocol.messages import Store
from dynamo.versioning.record import Record, Sibling, encode
from tests.unit.node.test_repeats import CARTS, OneReplica


@pytest.fixture
def one():
    rig = OneReplica()
    yield rig
    rig.world.loop.close()


def test_what_was_under_way_is_unknown(one: OneReplica):
    """A sync that failed may have written it: a write, its repeat, and a record of another replica."""
    told: list[DynamoError | None] = []
    record = Record({"node2.00000001": 1}, [Sibling("node2.00000001", 1, 1, b"theirs", request=b"9" * 16)])
    one.platter.habits.broken = True
    one.write(CARTS, b"first", b"1" * 16)
    one.write(CARTS, b"first", b"1" * 16)
    one.replica.store(Store("carts", b"other", encode(record)), told.append)
    one.commit()
    assert [error.applied for error in one.settled + told if error is not None] == [Applied.UNKNOWN] * 3


def test_nothing_is_minted_upon_a_lost_store(one: OneReplica):
    """Its newest state lacks what was refused: a dot over it would hide dots that other replicas have."""
    one.platter.habits.broken = True
    one.write(CARTS, b"first", b"1" * 16)
    one.commit()
    with pytest.raises(StorageRefused) as refused:
        one.write(CARTS, b"second", b"2" * 16)
    assert refused.value.applied is Applied.NO
    with pytest.raises(StorageRefused):
        one.replica.store(Store("carts", b"k", encode(Record({}, []))), one.settled.append)
    assert len(one.settled) == 1
