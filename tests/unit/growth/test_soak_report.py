import json

from dynamo.growth.soak import Plan
from dynamo.growth.soak_report import ROWS_MAX, Report, free_list, lines, write
from tests.unit.growth.soaks import soak


def report(**changed: float) -> Report:
    return Report(taken="now", machine={"Python": "3"}, plan=Plan(), found=soak(**changed))


def test_windows_and_verdicts_are_shown():
    """With the rate and what it is a share of."""
    shown = lines(report())
    assert shown[1].startswith("70 requests a second (70% of a peak of 100/s) for 3.33333 minutes.")
    first = next(line for line in shown if line.startswith("  10 s"))
    assert first.split() == ["10", "s", "10", "20.1", "20.1", "20.1", "120.0", "30.0", "10.0", "16.0", "0.0", "0"]
    assert sum(line.endswith("level") for line in shown) == 7
    assert shown[-1] == "All of it is level."


def test_what_fails_stands_at_the_end():
    """And in the table of verdicts, with the node."""
    shown = lines(report(leak_mib=2))
    assert shown[-1] == "FAILED  memory rises"
    (line,) = [line for line in shown if line.endswith("RISES")]
    assert line.split()[:5] == ["memory,", "MiB", "(node2)", "90.0", "+20.00"]


def test_a_long_run_shows_some_of_its_windows():
    """The last one among them."""
    shown = [line for line in lines(report(windows=180)) if " s " in line and line[2:3].isdigit()]
    assert len(shown) == ROWS_MAX
    assert shown[-1].startswith("  1,800 s")


def test_free_pages_are_told():
    """At half time, at the end, and over how many checkpoints."""
    assert free_list(soak().looks) == (
        "LMDB's free pages: 10.0 of 30.0 MiB at half time, 10.0 of 30.0 MiB at the end, 30 checkpoints later; "
        "most at any look: 10.0 MiB"
    )
    assert free_list([]) == "LMDB's free pages: too few looks."


def test_the_file_has_everything(tmp_path):
    """Windows with their histograms, looks, verdicts, and why it failed."""
    file = tmp_path / "new" / "soak.json"
    write(report(leak_mib=2), file)
    content = json.loads(file.read_text())
    assert len(content["found"]["tally"]["phases"]) == 20
    assert content["found"]["looks"][4]["nodes"]["node1"]["used_bytes"] == 20 * 2**20
    assert content["failures"] == ["memory rises"]
    assert [each["name"] for each in content["verdicts"] if not each["level"]] == ["memory"]
