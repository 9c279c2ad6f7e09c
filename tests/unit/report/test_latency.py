from dynamo.report.counts import Counts
from dynamo.report.latency import latency
from tests.unit.report.drawing import words
from tests.unit.report.results import result


def test_a_panel_for_each_operation():
    """Response and service time of each level; the table has both."""
    chart = latency(result())
    assert {"get", "put", "99.9 %"} <= set(words(chart))
    assert chart.picture.count("stroke-dasharray") == 3
    assert [row[:3] for row in chart.table.rows][:2] == [
        ["get at one", "response", "1,000"],
        ["get at one", "service", "1,000"],
    ]
    assert chart.says.startswith("get at one: p50 1.")


def test_nothing_asked():
    """Nothing drawn."""
    assert latency(result(totals=Counts())).picture == ""
