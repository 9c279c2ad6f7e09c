from collections import Counter
from random import Random

from dynamo.membership.order import RoundRobin, shuffled

NODES = ["a", "b", "c", "d"]


def test_everyone_has_a_turn_in_each_pass():
    """So a node is probed within two passes for certain."""
    order, dice = RoundRobin(NODES), Random(1)
    turns = [order.next(lambda _: False, dice.random) for _ in range(40)]
    passes = [turns[first : first + 4] for first in range(0, 40, 4)]
    assert all(sorted(each) == NODES for each in passes)
    assert len({tuple(each) for each in passes}) > 1


def test_whom_to_skip_is_skipped():
    """The others keep their turns; if everybody is to be skipped, nobody is next."""
    order, dice = RoundRobin(NODES), Random(1)
    turns = Counter(order.next(lambda node: node == "b", dice.random) for _ in range(30))
    assert turns == {"a": 10, "c": 10, "d": 10}
    assert order.next(lambda _: True, dice.random) is None
    assert RoundRobin([]).next(lambda _: False, dice.random) is None


def test_each_order_is_as_likely_as_any_other():
    """Over many draws, within what chance allows."""
    dice = Random(1)
    counted = Counter(tuple(shuffled(["a", "b", "c"], dice.random)) for _ in range(6000))
    assert len(counted) == 6
    assert all(850 < count < 1150 for count in counted.values())
