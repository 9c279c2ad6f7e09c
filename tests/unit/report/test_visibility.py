from dynamo.report.counts import Counts
from dynamo.report.result import Predicted
from dynamo.report.visibility import visibility
from tests.unit.report.drawing import words
from tests.unit.report.results import result


def test_a_curve_for_each_pair():
    """Points with their shares, by delay; what was missed by background reads beside it."""
    chart = visibility(result())
    said = words(chart)
    assert any("R=one W=one, 0 ms: stale 20 of 50" in each for each in said)
    assert chart.says == (
        "reads at one after writes at one: stale reads up to 0 ms; "
        "reads at all after writes at quorum: no stale read in 50 probes."
    )
    assert chart.table.rows[1][:4] == ["one", "one", "50 ms", "52.00 ms"]
    assert ["one", "one", "background", "missed 3 writes", "10 of 1,000", ""] in chart.table.rows


def test_what_the_nodes_predicted_lies_beside_it():
    """A dotted line for a pair that is not strict, and its share at the delay as it was in the table."""
    predicted = [Predicted(1, 1, [(0.0, 0.5), (0.05, 0.9), (0.054, 1.0), (10.0, 1.0)], 3)]
    chart = visibility(result(predicted=predicted))
    assert chart.picture.count('stroke-dasharray="1 4"') == 1
    assert "dotted: predicted by the nodes" in words(chart)
    assert [row[5] for row in chart.table.rows[:3]] == ["50 %", "5 %", "none, R + W > N"]
    assert [row[5] for row in visibility(result()).table.rows[:3]] == ["unknown", "unknown", "none, R + W > N"]
    assert "dotted: predicted by the nodes" not in words(visibility(result()))


def test_without_probes_it_says_how_to_make_some():
    """No empty axes."""
    chart = visibility(result(totals=Counts()))
    assert chart.picture == ""
    assert "--probe-rate" in chart.says
