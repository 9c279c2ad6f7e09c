import msgspec

from dynamo.report.counts import Checks, Counts, Requests, add_buckets
from tests.unit.report.results import second


def test_counts_add_up():
    """Over workers and over time; the order does not matter."""
    one, other = second(1), second(2, down=True)
    both, reverse = Counts(), Counts()
    for each in (one, other):
        both.add(each)
    for each in (other, one):
        reverse.add(each)
    assert msgspec.to_builtins(both, str_keys=False) == msgspec.to_builtins(reverse, str_keys=False)
    assert both.done == one.done + other.done == 480
    assert both.requests["get all"].good == 80
    assert both.checks["one one"].stale == 12
    assert both.arrived == 480


def test_adding_leaves_the_other_one_as_it_is():
    """A slice is still a slice after it was added to the totals."""
    one, copy = second(1), second(1)
    totals = Counts()
    totals.add(one)
    totals.add(second(2))
    assert one == copy


def test_what_counts():
    """A refused compare-and-set is done as asked; a read of unknown truth is not judged."""
    assert Requests([5, 2, 1, 0, 0, 3]).good == 7
    assert Checks([5, 2, 1, 9]).judged == 8


def test_counts_cross_to_another_process():
    """As JSON and back they are the same."""
    assert msgspec.json.decode(msgspec.json.encode(second(1)), type=Counts) == second(1)


def test_buckets_add_up():
    """Also those that only one side has."""
    mine = {1: 2}
    add_buckets(mine, {1: 1, 5: 4})
    assert mine == {1: 3, 5: 4}
