import json
import signal

import pytest

from dynamo.workload import benchmark
from dynamo.workload.comparison import Settings
from dynamo.workload.processes import ServerFailed
from dynamo.workload.report import Report, Row, Section
from dynamo.workload.runner import Sample


def report(faults: int = 0) -> Report:
    sample = Sample(
        requests=2,
        seconds=1.0,
        rate=1234.0,
        p50_ms=1.0,
        p99_ms=2.0,
        max_ms=3.0,
        server_cpu_us=4.0,
        client_cpu_us=5.0,
        others_cores=0.0,
        faults=faults,
        first_fault="status 503",
    )
    row = Row(system="dynamo", operation="GET R=1", samples=[sample])
    return Report(taken="now", machine={"Python": "3"}, settings={}, sections=[Section(title="Front", rows=[row])])


@pytest.fixture
def runs(monkeypatch):
    """What the verb asks for, with a run that says it is done at once."""
    asked: list[tuple] = []

    def run(names, settings, progress, data):
        asked.append((tuple(names), settings, data))
        progress("measuring")
        return report()

    monkeypatch.setattr(benchmark, "run", run)
    return asked


def test_a_run_is_a_table_and_a_file(cli, runs, tmp_path):
    """The table on standard output, progress and the file's name on standard error."""
    file = tmp_path / "one.json"
    result = cli("bench", "store", "--json", str(file))
    assert result.code == 0
    assert "dynamo: GET R=1  1,234" in result.text
    assert result.err == f"measuring\nEvery sample: {file}\n"
    assert json.loads(file.read_text())["sections"][0]["rows"][0]["samples"][0]["rate"] == 1234.0
    assert runs == [(benchmark.EVERYTHING, Settings(), None)]


def test_options_reach_the_run(cli, runs, tmp_path):
    """Each of them, under its own name."""
    words = "--only cluster --seconds 0.5 --rounds 2 --connections 8 --keys 100 --value-bytes 10 --seed 7".split()
    assert cli("bench", "store", *words, "--data", str(tmp_path), "--json", str(tmp_path / "x.json")).code == 0
    settings = Settings(seconds=0.5, rounds=2, connections=8, keys=100, value_bytes=10, seed=7)
    assert runs == [(("cluster",), settings, tmp_path)]


def test_without_a_name_the_file_gets_one(cli, runs, tmp_path, monkeypatch):
    """In a folder that git leaves alone."""
    monkeypatch.chdir(tmp_path)
    assert cli("bench", "store").code == 0
    assert len(list((tmp_path / "bench-results").glob("*Z.json"))) == 1


def test_a_run_with_faults_fails_and_is_kept(cli, monkeypatch, tmp_path):
    """Its figures are shown, and nobody takes them for good ones."""
    monkeypatch.setattr(benchmark, "run", lambda *_: report(faults=3))
    result = cli("bench", "store", "--json", str(tmp_path / "x.json"))
    assert result.code == 1
    assert "FAULTS  dynamo GET R=1: 3 faults, first: status 503" in result.text
    assert (tmp_path / "x.json").exists()


def test_a_server_that_does_not_start_fails_the_run(cli, monkeypatch, tmp_path):
    """With what it wrote, and no file."""

    def run(*_):
        raise ServerFailed("node1 ended with code 1\nno space left")

    monkeypatch.setattr(benchmark, "run", run)
    result = cli("bench", "store", "--json", str(tmp_path / "x.json"))
    assert (result.code, result.err) == (1, "error: node1 ended with code 1\nno space left\n")
    assert not (tmp_path / "x.json").exists()


@pytest.mark.parametrize(
    "words", [("--only", "redis"), ("--keys", "10"), ("--rounds", "0"), ("--seconds", "0"), ("--data", "nowhere")]
)
def test_wrong_options_are_usage(cli, runs, words):
    """Nothing is started."""
    assert cli("bench", "store", *words).code == 2
    assert runs == []


def test_asked_to_end_it_unwinds(cli, monkeypatch, tmp_path):
    """A termination signal passes through the run, which ends its servers on the way; afterwards all is as before."""
    unwound: list[bool] = []
    before = signal.getsignal(signal.SIGTERM)

    def run(*_):
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            unwound.append(True)

    monkeypatch.setattr(benchmark, "run", run)
    with pytest.raises(SystemExit) as ended:
        cli("bench", "store", "--json", str(tmp_path / "x.json"))
    assert ended.value.code == 128 + signal.SIGTERM
    assert unwound == [True]
    assert signal.getsignal(signal.SIGTERM) is before
