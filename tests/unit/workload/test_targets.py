import pytest

from dynamo.workload.peer import WORKLOADS
from dynamo.workload.report import Report, lines
from dynamo.workload.targets import TARGETS, compared, judged
from tests.unit.workload.samples import row, sample


def rows(system: str, **fields: float) -> dict:
    """Every workload of a system, all alike."""
    return {(name, system): row(system, name, sample(**fields), sample(**fields)) for name in WORKLOADS}


def test_ratios_are_taken_inside_a_round():
    """Ours over theirs, and the median of that: not the ratio of the medians."""
    ours = row("dynamo", "x", *(sample(rate=rate) for rate in (10, 40, 90)))
    theirs = row("etcd", "x", *(sample(rate=rate) for rate in (10, 10, 30)))
    ratio = compared("r", ours, theirs, goal=3.5)
    assert ratio.values == [1.0, 4.0, 3.0]
    assert ratio.median == 3.0
    assert not ratio.met


def test_work_is_theirs_over_ours_and_latency_has_a_most():
    """Twice their work is a half; a latency that is longer is missed."""
    ours, theirs = (
        row("dynamo", "x", sample(server_cpu_us=20, p99_ms=3)),
        row("c", "x", sample(server_cpu_us=50, p99_ms=2)),
    )
    assert compared("w", ours, theirs, "server_cpu_us", 2.0).values == [2.5]
    assert compared("w", ours, theirs, "server_cpu_us", 2.0).met
    latency = compared("l", ours, theirs, "p99_ms", 1.0)
    assert (latency.values, latency.at_most, latency.met) == ([1.5], True, False)


def test_nothing_is_no_divisor():
    """A system that answered nothing has no ratio worth more than nothing."""
    assert compared("r", row("a", "x", sample()), row("b", "x", sample(rate=0.0))).values == [0.0]


def test_every_goal_is_judged_where_all_was_measured():
    """Each under a name of its own, with its goal, met or missed beside it."""
    closed = rows("dynamo", rate=3000, server_cpu_us=100) | rows("etcd", rate=1000) | rows("cassandra", rate=1000)
    section = judged(closed, rows("dynamo", p50_ms=0.5) | rows("etcd"))
    assert len(section.ratios) == len(TARGETS) == len({each.name for each in section.ratios})
    assert section.notes == []
    verdicts = {each.name: each.met for each in section.ratios}
    assert verdicts["Put: requests/s, dynamo / etcd"]
    assert not verdicts["Get, quorum: requests/s, dynamo / etcd"]
    assert verdicts["Compare-and-set: requests/s, dynamo / etcd (its Put)"]
    assert not verdicts["Put: processor time, cassandra / dynamo"]
    assert verdicts["Put: p50, at the fixed rate, dynamo / etcd"]
    shown = "\n".join(lines(Report(taken="now", machine={}, settings={}, sections=[section])))
    assert "Put: requests/s, dynamo / etcd: 3.00 (3.00 .. 3.00), goal 2.5: met" in shown
    assert "Get, quorum: requests/s, dynamo / etcd: 3.00 (3.00 .. 3.00), goal 4: missed" in shown
    assert "Put: p50, at the fixed rate, dynamo / etcd: 0.50 (0.50 .. 0.50), goal at most 1: met" in shown


def test_what_was_not_measured_is_not_judged_and_is_said():
    """Neither met nor missed."""
    section = judged(rows("dynamo") | rows("cassandra"), {})
    assert {each.name.split("/")[-1].strip() for each in section.ratios} <= {"cassandra", "dynamo"}
    beside_etcd = sum(target.peer == "etcd" for target in TARGETS)
    assert section.notes == [f"not judged, as one side is missing: {beside_etcd} beside etcd"]


@pytest.mark.parametrize(
    ("workload", "peer", "its", "goal"),
    [
        ("put", "etcd", "put", 2.5),
        ("get-quorum", "etcd", "get-quorum", 4.0),
        ("get-linearizable", "etcd", "get-linearizable", 2.0),
        ("cas", "etcd", "put", 2.0),
        ("cas", "cassandra", "cas", 1.0),
    ],
)
def test_the_goals_are_those_that_were_set(workload: str, peer: str, its: str, goal: float):
    (found,) = [t for t in TARGETS if (t.workload, t.peer, t.field) == (workload, peer, "rate")]
    assert (found.its, found.goal) == (its, goal)
