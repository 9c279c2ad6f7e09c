"""Queues of changes, the leads they keep, and the pace they measure."""

import pytest

from dynamo.consensus.lead import Lead
from dynamo.errors import Overloaded
from dynamo.layout.register import Register, encode
from dynamo.node import key_queues, leads
from dynamo.node.leads import Leads, Place
from dynamo.node.round_pace import FIRST_P50_S, SAMPLES_MIN, RoundPace
from dynamo.protocol.commands import Action
from tests.unit.node.strict_world import StrictWorld

KEY = b"k"


def place(number: int) -> Place:
    return (b"\0\0b\0%d" % number, ("n1", "n2", "n3"))


def lead(size_bytes: int = 1, stores: int = 7) -> Lead:
    return Lead((5, "n1~1", 1), encode(Register(version=1, value=b"x" * size_bytes)), stores)


def test_a_lead_is_handed_out_once():
    """And only to who knows the stores that gave it; else it is gone as well."""
    kept = Leads()
    kept.keep(place(1), lead())
    kept.keep(place(2), lead())
    assert kept.take(place(1), 7) == lead()
    assert kept.take(place(1), 7) is None
    assert kept.take(place(2), 8) is None
    assert kept.take(place(2), 7) is None
    assert kept._bytes == len(kept) == 0


@pytest.mark.parametrize(("count", "size_bytes"), [(leads.COUNT_MAX + 10, 0), (40, 2**20)])
def test_leads_are_bounded(count, size_bytes):
    """In number and in bytes; the oldest go."""
    kept = Leads()
    for number in range(count):
        kept.keep(place(number), lead(size_bytes))
    assert len(kept) <= leads.COUNT_MAX
    assert kept._bytes <= leads.BYTES_MAX
    assert kept.take(place(0), 7) is None
    assert kept.take(place(count - 1), 7) is not None


def test_the_pace_is_that_of_late():
    """Nothing is concluded from a few rounds; then half, and all but one of twenty, took so long or less."""
    pace = RoundPace()
    for _ in range(SAMPLES_MIN - 1):
        pace.took(1.0)
    assert pace.p50_s == FIRST_P50_S
    for number in range(100):
        pace.took(number / 1000)
    assert 0.04 < pace.p50_s < 0.06
    assert 0.085 < pace.p95_s <= 1.0
    for _ in range(200):
        pace.took(0.001)
    assert pace.p50_s == pace.p95_s == 0.001


def test_a_change_without_time_is_not_begun():
    """It would only cut short the round of the others."""
    world = StrictWorld()
    first = world.order(KEY)[0]
    begun = [world.begin(first, world.make(KEY, Action.ADD, amount=1), left_s) for left_s in (0.004, 2)]
    outcomes = [world.finish(each) for each in begun]
    assert isinstance(outcomes[0], Overloaded)
    assert outcomes[1].version == 1


def test_slow_rounds_shut_nobody_out():
    """Rounds may take less than they did: only who has next to no time left is not begun."""
    world = StrictWorld()
    first = world.order(KEY)[0]
    for _ in range(SAMPLES_MIN):
        world[first].key_queues.pace.took(30.0)
    assert world.change(first, world.make(KEY, Action.ADD, amount=1), key_queues.SHORT_S * 2).applied


def test_a_round_takes_what_waits_and_no_more():
    """The rest is in the next one, in the order in which it came."""
    world = StrictWorld()
    first = world.order(KEY)[0]
    begun = [world.begin(first, world.make(KEY, Action.ADD, amount=1)) for _ in range(key_queues.FOLDED_MAX + 6)]
    assert len(world[first].key_queues) == key_queues.FOLDED_MAX + 5
    outcomes = [world.finish(each) for each in begun]
    assert [each.version for each in outcomes] == list(range(1, len(begun) + 1))
    assert world[first].metrics.paxos.round_changes.count == 3
    assert len(world[first].key_queues) == 0
