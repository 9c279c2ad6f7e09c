from dynamo.report.result import Moment
from dynamo.report.timelines import away, timelines
from tests.unit.report.drawing import words
from tests.unit.report.results import result


def test_who_was_away_when():
    """From a kill or a pause to a start or a resume; what never came back was away until the end."""
    moments = [
        Moment(1, "kill", "node1"),
        Moment(2, "pause", "node2"),
        Moment(3, "kill", "node2"),
        Moment(4, "resume", "node2"),
    ]
    assert away(moments, 9) == [("node1", "kill", 1, 9), ("node2", "pause", 2, 4)]


def test_panels_share_their_time():
    """Four of them, the fault across all; the table has every second and level."""
    chart = timelines(result())
    said = words(chart)
    assert {
        "stale share of reads",
        "p99 of reads",
        "reads answered",
        "reads a second",
        "hints that wait for nodes",
        "kill node2",
    } <= set(said)
    assert chart.says == "node2: kill from 3.0 s to 6.0 s."
    assert len(chart.table.rows) == 10
    assert [row[2] for row in chart.table.rows[2:4]] == ["0", "10"]
    answered = chart.table.heads.index("reads answered, all")
    assert [row[answered] for row in chart.table.rows[2:7]] == ["100", "0", "0", "0", "100"]


def test_hints_are_a_panel_only_where_they_were_seen():
    """Of a cluster whose operations listeners nobody named there is nothing to draw."""
    assert "hints that wait for nodes" not in words(timelines(result(hints=[])))


def test_one_second_is_no_line():
    """The table is all there is then."""
    assert timelines(result(1, moments=[])).picture == ""
    assert timelines(result(1, moments=[])).says == "Nothing was done to the cluster during this run."
