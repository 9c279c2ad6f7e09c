from dynamo.report.convergence import convergence, heal_s
from tests.unit.report.drawing import words
from tests.unit.report.results import result


def test_from_the_heal_on():
    """The share of keys that agree, and who repaired what."""
    chart = convergence(result())
    assert {"keys that agree", "repairs by hints", "since the heal"} <= set(words(chart))
    assert chart.says == "25 % of the keys agreed 0.5 s after the heal, all of them for the first time 1.0 s after it."
    assert chart.table.rows == [
        ["0.50", "10 of 40", "1", "20", "0", "0.5 s"],
        ["1.00", "40 of 40", "2", "50", "8", "0.0 s"],
    ]
    assert "longest that a key has differed" in words(chart)
    assert chart.picture.count("<polygon") == 3


def test_what_did_not_agree_in_time():
    """Is said with how far it came."""
    assert convergence(result(agreements=result().agreements[:1])).says.endswith("25 % at the end of the run.")


def test_without_a_heal_there_is_nothing():
    """And the chart says what would make it."""
    chart = convergence(result(moments=[], agreements=[]))
    assert chart.picture == ""
    assert "--resume" in chart.says
    assert heal_s(result(moments=[])) is None
