import pytest

from dynamo.errors import NotReady
from dynamo.layout.keyspaces import Keyspace
from dynamo.node.rebuilding import AWAY_S, MARK, Rebuilding
from tests.unit.node.world import Agenda, ManualClock, MemoryStorage


class Node:
    """What is rebuilt, on a store that outlives it."""

    def __init__(self, others: int = 2) -> None:
        self.agenda = Agenda()
        self.clock = ManualClock()
        self.storage = MemoryStorage(self.agenda.later)
        self.others = others
        self.start()

    def start(self) -> None:
        self.agenda.run()
        self.rebuilding = Rebuilding(4, self.others, self.clock, self.storage)
        self.rebuilding.load()


@pytest.fixture
def node() -> Node:
    return Node()


def test_an_empty_store_is_rebuilt(node):
    """Every partition, until it is compared."""
    assert node.rebuilding.left() == [0, 1, 2, 3]
    assert 3 in node.rebuilding
    with pytest.raises(NotReady):
        node.rebuilding.check(3)


@pytest.mark.parametrize("space", list(Keyspace))
def test_a_store_with_anything_in_it_is_not(space):
    """One of an earlier version has no mark."""
    node = Node(others=0)
    node.storage.durable = {each: {} for each in Keyspace}
    node.storage.durable[space][b"something"] = b"x"
    node.others = 2
    node.start()
    assert len(node.rebuilding) == 0
    node.rebuilding.check(3)


def test_a_node_alone_has_nobody_to_ask():
    """And needs nobody, at this start and at every later one."""
    node = Node(others=0)
    assert len(node.rebuilding) == 0
    node.agenda.run()
    assert MARK in node.storage.durable[Keyspace.META]


@pytest.mark.parametrize("bit", range(3, 120, 9))
def test_a_damaged_mark_vouches_for_nothing(node, bit):
    """The node starts all the same, and compares everything anew."""
    for peer in ("b", "c"):
        node.rebuilding.compared(0, peer)
    node.rebuilding.settle(0, ("b", "c"), [])
    node.rebuilding.save()
    node.agenda.run()
    bad = bytearray(node.storage.durable[Keyspace.META][MARK])
    bad[bit // 8 % len(bad)] ^= 1 << bit % 8
    node.storage.durable[Keyspace.META][MARK] = bytes(bad)
    node.start()
    assert node.rebuilding.left() == [0, 1, 2, 3]
    node.start()
    assert node.rebuilding.left() == [0, 1, 2, 3]


def test_a_partition_is_rebuilt_once_all_were_compared(node):
    """Not before, however long that takes while they are alive."""
    node.rebuilding.compared(0, "b")
    assert node.rebuilding.owed(0, ("b", "c")) == ["c"]
    node.clock.turn(10 * AWAY_S)
    node.rebuilding.settle(0, ("b", "c"), ["b", "c"])
    assert 0 in node.rebuilding
    node.rebuilding.compared(0, "c")
    node.rebuilding.settle(0, ("b", "c"), ["b", "c"])
    assert node.rebuilding.left() == [1, 2, 3]
    node.rebuilding.check(0)


def test_one_that_is_away_is_waited_for_a_while(node):
    """Then it is given up on, if one other was compared; it never is if there was none."""
    node.rebuilding.compared(0, "b")
    node.rebuilding.settle(0, ("b", "c"), ["b"])
    assert 0 in node.rebuilding
    node.clock.turn(AWAY_S)
    node.rebuilding.settle(0, ("b", "c"), ["b"])
    node.rebuilding.settle(1, ("b", "c"), [])
    assert node.rebuilding.left() == [1, 2, 3]


def test_a_partition_of_nobody_else_is_done(node):
    """No bucket's n makes this node a replica of it, or makes anybody else one."""
    node.rebuilding.settle(2, (), [])
    assert node.rebuilding.left() == [0, 1, 3]


def test_a_restart_goes_on_where_it_was(node):
    """The mark lies in the store before anything else does."""
    node.rebuilding.compared(0, "b")
    node.rebuilding.settle(2, (), [])
    node.rebuilding.save()
    node.start()
    assert node.rebuilding.left() == [0, 1, 3]
    assert node.rebuilding.owed(0, ("b", "c")) == ["c"]
    for partition in node.rebuilding.left():
        node.rebuilding.settle(partition, (), [])
    node.rebuilding.save()
    node.start()
    assert len(node.rebuilding) == 0


def test_nothing_is_written_where_nothing_changed(node):
    """A round that found nobody costs no sync."""
    node.agenda.run()
    before = node.storage.synced
    node.rebuilding.save()
    node.rebuilding.compared(0, "b")
    node.rebuilding.compared(0, "b")
    node.rebuilding.save()
    node.rebuilding.save()
    node.agenda.run()
    assert node.storage.synced == before + 1
