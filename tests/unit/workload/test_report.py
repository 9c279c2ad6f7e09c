import json

import msgspec
import pytest

from dynamo.workload.report import Ratio, Report, Row, Section, Table, lines, ratio, table, work_ratio, write
from dynamo.workload.runner import Sample


def sample(rate: float, faults: int = 0) -> Sample:
    return Sample(
        requests=int(rate * 2),
        seconds=2.0,
        rate=rate,
        p50_ms=1.5,
        p99_ms=9.25,
        max_ms=20.0,
        server_cpu_us=45.04,
        client_cpu_us=12.0,
        others_cores=0.25,
        faults=faults,
        first_fault="status 503: overloaded" if faults else "",
    )


def row(system: str, operation: str, *rates: float, faults: int = 0) -> Row:
    return Row(system=system, operation=operation, samples=[sample(rate, faults) for rate in rates])


OURS, THEIRS = row("dynamo", "GET R=1", 30_000, 10_000, 20_000), row("etcd", "range", 10_000, 10_000, 5_000)


def report(*sections: Section) -> Report:
    return Report(
        taken="2026-01-02T03:04:05+00:00", machine={"Python": "3.11"}, settings={"rounds": 3}, sections=list(sections)
    )


def test_a_ratio_is_taken_round_by_round():
    """The median of the rounds' ratios, not the ratio of the medians: both sides of a round had the same neighbours."""
    found = ratio("dynamo / etcd", OURS, THEIRS)
    assert found.values == [3.0, 1.0, 4.0]
    assert found.median == 3.0


def test_a_ratio_to_nothing_is_nothing():
    """A side that answered nothing makes no infinite claim."""
    assert ratio("dynamo / etcd", row("dynamo", "GET", 5.0), row("etcd", "range", 0.0)).values == [0.0]


def test_a_ratio_of_work_is_the_other_way_round():
    """Half the processor time per request is twice as good; a row that used none makes no claim."""
    half = Row(system="dynamo", operation="GET", samples=[msgspec.structs.replace(sample(1.0), server_cpu_us=22.52)])
    none = Row(system="dynamo", operation="GET", samples=[msgspec.structs.replace(sample(1.0), server_cpu_us=0.0)])
    assert work_ratio("work", half, row("bare", "GET", 1.0)).values == [2.0]
    assert work_ratio("work", none, row("bare", "GET", 1.0)).values == [0.0]


def test_rows_that_do_not_match_are_refused():
    """A round of one side only has nothing to be compared with."""
    with pytest.raises(ValueError, match="shorter"):
        ratio("dynamo / etcd", OURS, row("etcd", "range", 1.0))


def test_a_row_shows_median_and_spread():
    """The middle of the rounds, with least and greatest beside it."""
    shown = "\n".join(lines(report(Section(title="Cluster", notes=["three nodes"], rows=[OURS, THEIRS]))))
    assert "Python 3.11." in shown
    assert "  three nodes" in shown
    ours = next(line for line in shown.splitlines() if "GET R=1" in line)
    assert ours.split() == "dynamo: GET R=1 20,000 10,000 .. 30,000 1.50 9.25 45.0 12.0 0.25".split()


@pytest.mark.parametrize(("goal", "words"), [(3.0, "goal 3: met"), (3.1, "goal 3.1: missed")])
def test_a_goal_is_met_or_missed_by_the_median(goal: float, words: str):
    """Not by the best round."""
    section = Section(title="Front", ratios=[ratio("dynamo / bare", OURS, THEIRS, goal)])
    assert f"  dynamo / bare: 3.00 (1.00 .. 4.00), {words}" in lines(report(section))


def test_what_was_skipped_is_said():
    """With its reason, in the place where the figures would stand."""
    assert "  no etcd here" in lines(report(Section(title="etcd", skipped="no etcd here")))


def test_faults_are_shown_and_counted():
    """A run with wrong answers is not a result."""
    bad = row("dynamo", "PUT W=2", 10.0, 20.0, faults=2)
    found = report(Section(title="Cluster", rows=[OURS, bad]))
    assert found.faults == ["dynamo PUT W=2: 4 faults, first: status 503: overloaded"]
    assert lines(found)[-1] == "FAULTS  dynamo PUT W=2: 4 faults, first: status 503: overloaded"
    assert report(Section(title="Cluster", rows=[OURS])).faults == []


def test_the_file_holds_every_sample(tmp_path):
    """JSON that reads back as the same report, in a folder that is made for it."""
    found = report(Section(title="Cluster", rows=[OURS, THEIRS], ratios=[ratio("dynamo / etcd", OURS, THEIRS)]))
    path = tmp_path / "results" / "one.json"
    write(found, path)
    assert msgspec.json.decode(path.read_bytes(), type=Report) == found
    raw = json.loads(path.read_text())
    assert [each["rate"] for each in raw["sections"][0]["rows"][0]["samples"]] == [30_000, 10_000, 20_000]


def test_columns_are_aligned():
    """Names to the left, figures to the right, nothing trailing."""
    assert table([("", "req/s"), ("a", "1"), ("long name", "10,000")]) == [
        "              req/s",
        "  a               1",
        "  long name  10,000",
    ]


def test_tables_and_goals_that_are_a_most():
    """A table's cells are shown as they are; a ratio that should be small is met when it is."""
    small = Ratio(name="memory", values=[1.1], goal=1.25, at_most=True)
    large = Ratio(name="memory", values=[1.3], goal=1.25, at_most=True)
    section = Section(
        title="Overload", tables=[Table(headings=["", "good"], lines=[["1x", "10"]])], ratios=[small, large]
    )
    text = "\n".join(lines(report(section)))
    assert "1x    10" in text
    assert "memory: 1.10 (1.10 .. 1.10), goal at most 1.25: met" in text
    assert "memory: 1.30 (1.30 .. 1.30), goal at most 1.25: missed" in text
