import json

import pytest

from dynamo.cli.bench_growth import NAMES
from dynamo.growth import growth
from dynamo.growth.axes import AXES
from dynamo.growth.growth import Growth, Plan
from dynamo.workload.processes import ServerFailed
from tests.unit.growth.figures import curves, sample


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch):
    """What the verb asks for, with a run that says it is done at once."""
    asked: list[Plan] = []

    def run(plan, folder, fill, progress):
        assert folder.is_dir()
        asked.append(plan)
        progress("measuring")
        return Growth(curves=[curves("keys", PUT=[1, 10, 100])])

    monkeypatch.setattr(growth, "run", run)
    return asked


def test_a_run_is_tables_a_file_and_a_chart(cli, runs, tmp_path):
    """A superlinear curve is told and does not fail it."""
    file = tmp_path / "one.json"
    result = cli("bench", "growth", "--json", str(file))
    assert result.code == 0
    assert result.text.endswith("Superlinear: keys, PUT\n")
    assert result.err == f"measuring\nEvery sample: {file}; the chart: {file.with_suffix('.svg')}\n"
    assert json.loads(file.read_text())["found"]["curves"][0]["verdicts"][0]["word"] == "superlinear"
    assert file.with_suffix(".svg").read_text().startswith("<svg")
    assert runs == [Plan()]
    assert tuple(AXES) == NAMES == Plan().names


def test_options_reach_the_run(cli, runs, tmp_path):
    """Each under its own name; axes in the order in which they are named."""
    words = "--only nodes --only keys --seconds 0.5 --keys-max 10000000 --seed 7".split()
    assert cli("bench", "growth", *words, "--data", str(tmp_path), "--json", str(tmp_path / "x.json")).code == 0
    assert runs == [Plan(names=("nodes", "keys"), seconds=0.5, keys_max=10**7, seed=7)]


def test_a_run_with_wrong_answers_fails_and_is_kept(cli, monkeypatch, tmp_path):
    """Its figures are shown, and nobody takes them for good ones."""
    found = Growth(curves=[curves("keys", PUT=[1, 1])])
    found.curves[0].points[0] = type(found.curves[0].points[0])(size=10, operation="PUT", sample=sample(1, faults=3))
    monkeypatch.setattr(growth, "run", lambda *_: found)
    result = cli("bench", "growth", "--json", str(tmp_path / "x.json"))
    assert result.code == 1
    assert "FAULTS  keys 10 PUT: 3 faults" in result.text
    assert (tmp_path / "x.json").exists()


def test_a_server_that_does_not_start_fails_the_run(cli, monkeypatch, tmp_path):
    """With what it wrote, and no file."""

    def run(*_):
        raise ServerFailed("node1 ended with code 1")

    monkeypatch.setattr(growth, "run", run)
    result = cli("bench", "growth", "--json", str(tmp_path / "x.json"))
    assert (result.code, result.err) == (1, "error: node1 ended with code 1\n")
    assert not (tmp_path / "x.json").exists()


@pytest.mark.parametrize(
    "words", [("--only", "disks"), ("--keys-max", "10"), ("--seconds", "0"), ("--data", "nowhere")]
)
def test_wrong_options_are_usage(cli, runs, words):
    """Nothing is started."""
    assert cli("bench", "growth", *words).code == 2
    assert runs == []
