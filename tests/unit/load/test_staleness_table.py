import math

from dynamo.load.staleness_table import Cut, cut_lines, lines, row
from dynamo.report.counts import Checks, Counts, Probed, Requests
from dynamo.report.result import Result

PREDICTION = {
    "quorums": [
        {
            "read_replies": 1,
            "write_acks": 1,
            "curve": [(0.0, 0.75), (0.1, 1.0)],
            "bounds": [{"probability": 0.99, "seconds": 0.05}, {"probability": 0.999, "seconds": 0.08}],
        }
    ]
}


def result() -> Result:
    """Of a run with 200 reads at each of two levels, after writes at one."""
    totals = Counts(
        requests={f"get {level}": Requests([200, 0, 0, 0, 0, 0], {1000: 200}) for level in ("one", "all")},
        checks={"one one": Checks([180, 12, 8, 3]), "all one": Checks([200, 0, 0, 0])},
        probes={"one one 0": Probed([30, 10, 0, 0])},
    )
    return Result(
        taken="", began_s=0, plan={}, n=3, reads=["one", "all"], writes=["one"], nodes=[], seconds=1, totals=totals
    )  # fmt: skip


def test_a_pair_has_its_four_views():
    """What cannot be said is in no denominator; of several nodes the least fresh one predicts."""
    fresher = {"quorums": [PREDICTION["quorums"][0] | {"curve": [(0.0, 0.9)]}]}
    found = row(result(), "one", "one", (11, 190), [fresher, PREDICTION])
    assert (found.server, found.true, found.probed) == ((11, 190), (22, 240), (10, 40))
    assert (found.predicted, found.fresh_after_s) == (0.25, 0.08)
    assert found.p50_ms == found.p99_ms > 0


def test_a_strict_pair_is_predicted_without_asking():
    """Zero, at once."""
    found = row(result(), "all", "one", (0, 200), [])
    assert (found.predicted, found.fresh_after_s, found.probed) == (0, 0, (0, 0))


def test_nobody_has_predicted():
    """That is no zero."""
    found = row(result(), "one", "one", (0, 0), [])
    assert math.isnan(found.predicted)
    assert "| none yet | - |" in list(lines([found]))[-1]


def test_the_table_has_a_line_for_each_pair():
    """Shares with what they are shares of."""
    rows = [row(result(), "one", "one", (11, 190), [PREDICTION]), row(result(), "all", "one", (0, 200), [])]
    rows[0].answered = [((98, 100), (100, 100)), ((0, 0), (50, 100))]
    heads, _, first, second = lines(rows)
    assert {line.count("|") for line in (heads, first)} == {13}
    assert "11 of 190" in first
    assert "| 25 % | 80 ms |" in first
    assert "98%, 100% | -, 50% |" in first
    assert "| 0, strict | at once |" in second


def test_the_cut_has_a_line_for_each_kind_of_quorum():
    """Side by side."""
    *_, strict, sloppy = cut_lines(
        [Cut("strict", (0, 300), (50, 100), (60, 100)), Cut("sloppy", (30, 300), (99, 100), (9, 9))]
    )
    assert strict.startswith("| strict | 0 of 300")
    assert sloppy.startswith("| sloppy | 30 of 300 (10 %")
