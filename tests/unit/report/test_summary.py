from dynamo.report.counts import Counts
from dynamo.report.summary import facts, probes_table, requests_table, staleness_table, warnings
from dynamo.workload.hlog import counts_of
from tests.unit.report.results import MS, result


def test_facts_come_first():
    """How much, against what, and what the generator took itself."""
    found = dict(facts(result(nodes_s=0.9, machine={"Kernel": "6"})))
    assert found["Operations"] == "2,400 in 10 s, 240 a second, open loop, poisson arrivals"
    assert found["Cluster"] == "3 nodes, bucket load (lww, N = 3)"
    assert found["Nodes"] == "375 us for each operation; the generator used 10% of what both used"
    assert found["Kernel"] == "6"
    assert "closed loop" in dict(facts(result(plan={"closed": True})))["Operations"]
    assert facts(result(totals=Counts(), slices=[], seconds=0))


def test_tables_of_a_terminal():
    """Operations with their percentiles and ends; staleness with its denominators."""
    rows = {row[0]: row for row in requests_table(result()).rows}
    assert rows["get at all"][-1] == "timeout 240"
    assert rows["get at one"][-1] == "all good"
    stale = dict(staleness_table(result()).rows)
    assert stale["reads at one, writes at quorum"] == "0 of 1,000 (below 0.38 %)"
    assert stale["monotonic reads broken at one"].startswith("10 of 200")


def test_probes_of_a_terminal():
    """A line for each pair, a column for each delay; without probes there is nothing to show."""
    shown = probes_table(result())
    assert shown.heads == ["stale, so long after a write", "0 ms", "50 ms"]
    rows = {row[0]: row[1:] for row in shown.rows}
    assert rows["reads at one, writes at one"] == ["20 of 50", "0 of 50"]
    assert rows["reads at all, writes at quorum"] == ["-", "0 of 50"]
    assert probes_table(result(totals=Counts())).rows == []


def test_what_to_beware_of():
    """A generator that was late, a strict pair that is stale."""
    assert warnings(result(), 0.1) == []
    totals = Counts()
    totals.add(result().totals)
    totals.send_delay = counts_of({5 * MS: 100})
    totals.checks["all one"].verdicts[1] = 3
    late, strict = warnings(result(totals=totals), 0.1)
    assert "The generator was late" in late
    assert "R + W > N" in strict
    assert len(warnings(result(totals=totals, plan={"closed": True}), 0.1)) == 1
