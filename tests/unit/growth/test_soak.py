from pathlib import Path

import pytest

from dynamo.growth.soak import Plan, Soak, run, shown
from tests.unit.growth.soaks import soak


def rising(found: Soak) -> list[tuple[str, str]]:
    return [(each.name, each.whose) for each in found.verdicts if not each.level]


def test_a_level_run_passes():
    """Seven figures are judged."""
    found = soak()
    names = [each.name for each in found.verdicts]
    assert names == ["p99.9", "not answered well", "memory", "LMDB's file", "log", "disk", "hints"]
    assert (rising(found), found.failures) == ([], [])


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (soak(leak_mib=2), ("memory", "node2")),
        (soak(hints=20), ("hints", "node2")),
        (soak(slower_ms=3), ("p99.9", "")),
        (soak(shed=3), ("not answered well", "")),
    ],
)
def test_what_rises_fails_the_run(found: Soak, what: tuple[str, str]):
    """Each of them alone; what is refused all the time need not even rise."""
    assert rising(found) == [what]
    assert found.failures == [f"{what[0]} rises"]


def test_a_wrong_answer_fails_the_run():
    """However few there are."""
    assert soak(failed=1).failures == ["1 requests failed, first in window 3: status 500"]


def test_a_short_run_is_not_passed():
    """There is nothing to say yes to."""
    assert soak(windows=3).failures == ["the run was too short for any verdict"]


def test_a_watch_that_ended_fails_the_run():
    """What was not looked at may be anything."""
    found = soak()
    found.problem = "after 30 s a node does not answer"
    assert found.failures == [found.problem]


def test_a_look_is_a_line():
    """Of all nodes together."""
    line = shown(soak(hints=20).looks[5])
    assert line == "   50 s  memory 120 MiB, LMDB 30 MiB (10 free), log 16 MiB, 100 hints"


def test_a_run_has_whole_windows():
    """Of ten seconds, at least one."""
    assert (Plan(minutes=30).windows, Plan(minutes=2).windows, Plan(minutes=0.01).windows) == (180, 12, 1)


@pytest.mark.night
@pytest.mark.cluster
@pytest.mark.timeout(240)
def test_a_real_cluster_is_soaked(tmp_path: Path):
    """Every kind of request is answered rightly, at a rate that any machine carries, and every window was looked at."""
    told: list[str] = []
    found = run(Plan(minutes=1.5, rate=100, keys=2_000), tmp_path, told.append)
    assert [each.failed for each in found.windows] == [0] * 9, found.windows[0].first_failure
    assert sum(each.good for each in found.windows) > 0.9 * 9_000
    assert len(found.looks) >= 9
    assert {each.name for each in found.verdicts} >= {"p99.9", "memory", "hints"}
    assert found.problem == ""
