import json

import pytest

from dynamo.growth import soak as soaking
from dynamo.growth.soak import Plan
from dynamo.workload.processes import ServerFailed
from tests.unit.growth.soaks import soak


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch):
    """What the verb asks for, with a run that says it is done at once."""
    asked: list[Plan] = []

    def run(plan, folder, progress):
        assert folder.is_dir()
        asked.append(plan)
        progress("soaking")
        return soak(leak_mib=2 if plan.seed == 13 else 0)

    monkeypatch.setattr(soaking, "run", run)
    return asked


def test_a_level_run_is_passed(cli, runs, tmp_path):
    """With a table, a file and a chart."""
    file = tmp_path / "one.json"
    result = cli("bench", "soak", "--json", str(file))
    assert (result.code, result.text.splitlines()[-1]) == (0, "All of it is level.")
    assert result.err == f"soaking\nEvery window: {file}; the chart: {file.with_suffix('.svg')}\n"
    assert json.loads(file.read_text())["failures"] == []
    assert file.with_suffix(".svg").read_text().startswith("<svg")
    assert runs == [Plan()]


def test_what_rises_fails_the_run(cli, runs, tmp_path):
    """And is kept."""
    result = cli("bench", "soak", "--seed", "13", "--json", str(tmp_path / "x.json"))
    assert (result.code, result.text.splitlines()[-1]) == (1, "FAILED  memory rises")
    assert (tmp_path / "x.json").exists()


def test_options_reach_the_run(cli, runs, tmp_path):
    """Each of them, under its own name."""
    words = "--minutes 2 --load 0.5 --rate 100 --keys 3000 --value-bytes 10 --seed 7".split()
    assert cli("bench", "soak", *words, "--data", str(tmp_path), "--json", str(tmp_path / "x.json")).code == 0
    assert runs == [Plan(minutes=2, load=0.5, rate=100, keys=3000, value_bytes=10, seed=7)]


def test_a_server_that_ends_fails_the_run(cli, monkeypatch, tmp_path):
    """There is no file of it."""

    def run(*_):
        raise ServerFailed("node2 ended during the run")

    monkeypatch.setattr(soaking, "run", run)
    result = cli("bench", "soak", "--json", str(tmp_path / "x.json"))
    assert (result.code, result.err) == (1, "error: node2 ended during the run\n")
    assert not (tmp_path / "x.json").exists()


@pytest.mark.parametrize("words", [("--minutes", "0"), ("--load", "1.5"), ("--keys", "10"), ("--data", "nowhere")])
def test_wrong_options_are_usage(cli, runs, words):
    """Nothing is started."""
    assert cli("bench", "soak", *words).code == 2
    assert runs == []
