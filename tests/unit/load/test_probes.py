import pytest

from dynamo.load.plan import Probing
from dynamo.load.probes import Probes
from dynamo.load.requests import PROBES
from dynamo.report.counts import Counts
from tests.unit.load.stage import plan


def probes(**more) -> Probes:
    return Probes(plan(probing=Probing(**({"rate": 10, "delays_ms": (0, 50), "keys": 4} | more))), 0, 1)


def test_pairs_and_delays_take_turns():
    """Each comes once before any comes again."""
    some = probes(keys=16)
    cells = [some.begin().cell for _ in range(8)]
    assert len(set(cells)) == 8
    assert {(cell.read, cell.write) for cell in cells} == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_a_key_has_one_probe_at_a_time():
    """When all are in use there is none; an ended one gives its key back."""
    some = probes(keys=2)
    first, second = some.begin(), some.begin()
    assert sorted([first.key, second.key]) == [PROBES, PROBES + 1]
    assert some.begin() is None
    some.ended(first, None, 0, 0.0)
    assert some.begin().key == first.key


def test_a_read_is_due_after_its_delay():
    """Not before, and the earliest first."""
    some = probes(delays_ms=(50,))
    first, second = some.begin(), some.begin()
    some.acknowledged(second, 1.0)
    some.acknowledged(first, 1.02)
    assert some.next_s == pytest.approx(1.05)
    assert some.due(1.04) is None
    assert some.due(1.06) is second
    assert some.due(1.06) is None
    assert some.due(1.08) is first
    assert some.next_s is None


def test_what_is_counted():
    """The verdict, and how long was really waited; what failed is not."""
    some = probes(delays_ms=(50,))
    one, other = some.begin(), some.begin()
    some.acknowledged(one, 1.0)
    some.ended(one, 1, 2, 1.053)
    some.ended(other, None, 0, 0.0)
    counts = Counts()
    some.give(counts)
    (name, probed), *more = counts.probes.items()
    assert more == []
    assert name.endswith(" 50")
    assert (probed.verdicts, probed.versions) == ([0, 1, 0, 0], 2)
    assert probed.waited_s == pytest.approx(0.053)


def test_workers_have_keys_of_their_own():
    """And together make as many probes as were asked for."""
    asked = plan(probing=Probing(rate=10, keys=5))
    shares = [Probes(asked, part, 2) for part in range(2)]
    keys = [[each.begin().key for _ in range(2)] for each in shares]
    assert not set(keys[0]) & set(keys[1])
    assert [each.every_s for each in shares] == [0.2, 0.2]
    assert Probes(plan(), 0, 1).every_s == 0
