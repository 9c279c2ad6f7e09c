from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.replication.hedge import BURST_MAX, FLOOR_S, SAMPLES_MIN, Budget, Hedging, Latencies


def measured(**answers: list[float]) -> Latencies:
    """Latencies after these answers, peer by peer."""
    latencies = Latencies(list(answers))
    for peer, seconds in answers.items():
        for each in seconds:
            latencies.observe(peer, each)
    return latencies


def ordered(latencies: Latencies) -> list[str]:
    return sorted(latencies.ranks, key=latencies.ranks.__getitem__)


@given(st.lists(st.floats(0.0012, 2.0), min_size=2 * SAMPLES_MIN, max_size=400))
def test_late_is_what_is_beyond_the_99th_percentile(seconds):
    """Within the width of a bucket: at most 2% of the answers it was learnt from are late, and not all the rest."""
    late_s = measured(a=seconds).late_s
    learnt = sorted(seconds[: len(seconds) // 32 * 32])
    percentile = learnt[len(learnt) - 1 - len(learnt) // 100]
    assert percentile * 0.999 <= late_s <= percentile * 1.1


def test_nobody_is_late_before_enough_answers():
    """A few prove nothing."""
    assert measured(a=[0.002] * (SAMPLES_MIN - 20)).late_s == inf
    assert measured(a=[0.002] * 2 * SAMPLES_MIN).late_s < 0.003


def test_a_slow_peer_does_not_hide_behind_its_own_slowness():
    """The quickest peer says what is late, since another one is what would be asked."""
    assert measured(a=[0.002] * 200, b=[0.2] * 200).late_s < 0.003


def test_there_is_a_floor():
    """Where everything takes microseconds, the loop's own jitter is no slowness."""
    assert measured(a=[0.0001] * 200).late_s == FLOOR_S
    assert measured(a=[0.0] * 200).late_s == FLOOR_S


def test_an_answer_that_takes_very_long_is_counted():
    """In the last bucket."""
    assert 1.0 < measured(a=[100.0] * 200).late_s < inf


def test_the_percentile_follows_the_present():
    """After a slow time the old answers fade."""
    latencies = measured(a=[0.5] * 500)
    assert latencies.late_s > 0.4
    for _ in range(4000):
        latencies.observe("a", 0.002)
    assert latencies.late_s < 0.003


def test_the_nearest_come_first():
    """Peers that answer about equally fast keep their order, slower ones come after, unmeasured ones before."""
    assert ordered(measured(a=[0.0030], b=[0.0025], c=[0.2], d=[])) == ["d", "a", "b", "c"]


def test_a_slow_peer_is_tried_again():
    """One that nobody asks any more cannot show that it has recovered; so it is forgotten step by step."""
    latencies = measured(slow=[0.2] * 100, quick=[])
    for _ in range(30_000):
        latencies.observe("quick", 0.002)
    assert ordered(latencies) == ["slow", "quick"]
    latencies.observe("slow", 0.2)
    assert ordered(latencies) == ["quick", "slow"]


def test_who_is_no_peer_is_not_measured():
    """What a node asks itself takes no time."""
    latencies = Latencies(["b"])
    latencies.observe("a", 0.0)
    assert latencies.ranks.keys() == {"b"}


@given(st.floats(0.001, 1.0), st.lists(st.booleans(), max_size=300))
def test_the_budget_is_a_share_of_all_reads(share, late):
    """Never more than it, but for what was saved up, which is bounded."""
    budget = Budget(share)
    made = 0
    for each in late:
        budget.earn()
        made += each and budget.take()
    assert made <= share * len(late) + 0.001
    for _ in range(10_000):
        budget.earn()
    assert sum(budget.take() for _ in range(100)) <= BURST_MAX


@pytest.mark.parametrize(("share", "begins"), [(0.05, 10.5), (0.0, inf)])
def test_a_share_of_nothing_switches_hedging_off(share, begins):
    """Answers are measured all the same, for the order of the replicas."""
    hedging = Hedging(["b"], share)
    hedging.latencies.late_s = 0.5
    assert hedging.begin(10.0) == begins
    hedging.latencies.observe("b", 0.1)
    assert hedging.latencies.ranks["b"] < 0
