from dynamo.report.counts import Counts
from dynamo.report.tradeoff import tradeoff
from tests.unit.report.drawing import words
from tests.unit.report.results import result


def test_a_dot_for_each_pair():
    """With its p99 and its stale share; what a reader is to take home stands above."""
    chart = tradeoff(result())
    said = words(chart)
    assert {"one/one", "one/quorum", "all/one", "all/quorum"} <= set(said)
    assert any("R=one W=one" in each and "60 of 1,000" in each for each in said)
    assert chart.says.startswith("At one, 1 read in 17 misses a write acknowledged at one; its p99 is")
    assert "times lower than at all" in chart.says
    assert chart.table.rows[0][:3] == ["one", "one", "no"]
    assert chart.table.rows[2][4] == "0 of 1,000 (below 0.38 %)"


def test_strict_pairs_are_hollow():
    """Reads at all with any level of writes."""
    picture = tradeoff(result()).picture
    assert picture.count('fill="var(--paper)"') == 2


def test_nothing_judged_is_said():
    """In words, without a picture."""
    chart = tradeoff(result(totals=Counts()))
    assert (chart.picture, chart.table.rows) == ("", [])
    assert "No read was judged" in chart.says
