"""Ballots of a node: never the same one twice, whatever its clock and its lives do."""

import pytest

from dynamo.node.ballots import Ballots
from tests.unit.node.strict_world import StrictWorld
from tests.unit.node.world import ManualClock, MemoryIdentity

HOUR_MS = 3_600_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ballots(clock) -> Ballots:
    return Ballots("node1", clock, MemoryIdentity())


def test_each_is_above_all_that_were_given_out_or_seen(ballots):
    """Also above one of another node, and above the one that is named."""
    first = ballots.next()
    assert ballots.next() > first
    far = (first[0] + 100, "node9~1", 3)
    ballots.saw(far)
    ballots.saw(first)
    assert ballots.next() > far
    assert ballots.next((far[0] + 7, "z", 1))[0] == far[0] + 8


def test_they_are_as_fresh_as_the_clock(ballots, clock):
    """So a proposer that did nothing for a while is not behind the others."""
    ballots.next()
    clock.wall += 5000
    assert ballots.next()[0] == clock.wall + 1


def test_a_clock_that_jumps_back_repeats_none(ballots, clock):
    """Counters go on from the highest, and the metric shows how far that is ahead."""
    given = [ballots.next()]
    clock.wall -= HOUR_MS
    given += [ballots.next() for _ in range(3)]
    assert given == sorted(given)
    assert len(dict.fromkeys(given)) == 4
    assert HOUR_MS <= ballots.ahead_ms <= HOUR_MS + 10


def test_a_later_life_repeats_none(clock):
    """Though its counters begin where the earlier life's did: the clock stands, and went back."""
    identity = MemoryIdentity()
    earlier = Ballots("node1", clock, identity)
    used = [earlier.next() for _ in range(20)]
    identity.starts, identity.run = 2, "00000002"
    clock.wall -= 5
    later = Ballots("node1", clock, identity)
    assert not dict.fromkeys(used).keys() & dict.fromkeys(later.next() for _ in range(20)).keys()


def test_two_stores_of_one_name_share_none(clock):
    """A wiped store counts its starts from one again: then the run tells the two apart."""
    one, other = MemoryIdentity(), MemoryIdentity()
    other.run = "00000002"
    assert Ballots("node1", clock, one).next() != Ballots("node1", clock, other).next()


@pytest.mark.parametrize("jump_ms", [-HOUR_MS, 0, HOUR_MS])
def test_a_node_that_starts_anew_is_soon_ahead(jump_ms):
    """It is refused, learns how far the others are, and goes beyond: one refusal, whatever its clock says."""
    world = StrictWorld()
    first = world.order(b"k")[0]
    for _ in range(5):
        assert world.set(first, b"k", b"x").applied
    world.clock.wall += jump_ms
    world.reboot(first, crash=True)
    outcome = world.set(first, b"k", b"y")
    assert (outcome.applied, outcome.version) == (True, 6)
    assert outcome.rounds <= 2
