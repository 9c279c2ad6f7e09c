from pathlib import Path

from dynamo.workload.arrivals import Phase
from dynamo.workload.histogram import Histogram
from dynamo.workload.slow_replica import EXTRA_GOAL, GOAL, SLOW, Measured, ProxiedCluster, _lines, _ratios
from dynamo.workload.tally import PhaseTally


def measured(p99_ms: float, extra_share: float = 0.0) -> Measured:
    phase = Phase(name="settled", rate=100.0, seconds=1.0)
    tally = PhaseTally(phase=phase, good=99, late=1, good_ns=Histogram([int(p99_ms * 1e6)] * 99).counts())
    return Measured(onset=PhaseTally(phase=phase), tally=tally, extra_share=extra_share)


def test_the_others_go_through_the_proxy():
    """The slow node itself listens where it really is."""
    cluster = ProxiedCluster(Path())
    cluster.members = {"node1": [1, 2, 3], "node2": [4, 5, 6], SLOW: [7, 8, 9]}
    cluster._proxy_port = 88
    assert cluster.as_seen_by("node1")[SLOW] == cluster.as_seen_by("node2")[SLOW] == [7, 88, 9]
    assert cluster.as_seen_by(SLOW) == cluster.members
    assert cluster.as_seen_by("node1")["node2"] == [4, 5, 6]


def test_ratios_are_taken_round_by_round():
    """And say whether the goals are met."""
    tail, extra = _ratios([measured(2.0), measured(4.0)], [measured(3.0, 0.01), measured(20.0, 0.2)])
    assert [round(value, 1) for value in tail.values] == [1.5, 5.0]
    assert (tail.goal, tail.met) == (GOAL, False)
    assert extra.values == [0.01, 0.2]
    assert (extra.goal, extra.met) == (EXTRA_GOAL, False)


def test_a_row_is_of_the_middle_round():
    """With its onset before it."""
    lines = _lines("slow", [measured(9.0), measured(2.0, 0.02), measured(1.0)])
    assert lines[0][0] == "slow, first 2 s"
    assert lines[1][:5] == ["slow", "100", "99", "1", "2.0"]
    assert lines[1][-1] == "2.0%"
