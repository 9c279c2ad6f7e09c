import json

import pytest

from dynamo.cli import bench_peers
from dynamo.workload import benchmark, peers
from dynamo.workload.peers import PeerSettings
from dynamo.workload.processes import ServerFailed
from dynamo.workload.report import Report, Section
from tests.unit.workload.samples import row, sample


def report(faults: int = 0) -> Report:
    measured = sample(rate=1234.0, faults=faults, first_fault="error 0x1001: busy" if faults else "")
    section = Section(title="Put", rows=[row("cassandra", "INSERT QUORUM", measured)])
    return Report(taken="now", machine={"Python": "3"}, settings={}, sections=[section])


@pytest.fixture
def runs(monkeypatch):
    """What the verb asks for, with a run that is done at once."""
    asked: list[tuple] = []

    def run(settings, progress, data):
        asked.append((settings, data))
        progress("measuring")
        return report()

    monkeypatch.setattr(benchmark, "run_peers", run)
    return asked


def test_a_run_is_a_table_a_file_and_a_page(cli, runs, tmp_path):
    """The page beside the file, under its name."""
    file, html = tmp_path / "one.json", tmp_path / "one.html"
    result = cli("bench", "peers", "--json", str(file))
    assert result.code == 0
    assert "cassandra: INSERT QUORUM  1,234" in result.text
    assert result.err == f"measuring\nEvery sample: {file}\nCharts: {html}\n"
    assert json.loads(file.read_text())["sections"][0]["rows"][0]["samples"][0]["rate"] == 1234.0
    assert html.read_text().startswith("<!doctype html>")
    assert runs == [(PeerSettings(), None)]


def test_options_reach_the_run(cli, runs, tmp_path):
    """Each of them, under its own name."""
    words = "--peer etcd --peer dynamo --only put --only cas --seconds 0.5 --rounds 2 --rate 50 --grow 7".split()
    words += "--connections 8 --keys 100 --value-bytes 10 --seed 7".split()
    assert cli("bench", "peers", *words, "--data", str(tmp_path), "--json", str(tmp_path / "x.json")).code == 0
    settings = PeerSettings(
        seconds=0.5,
        rounds=2,
        rate=50,
        grow_s=7,
        connections=8,
        keys=100,
        value_bytes=10,
        seed=7,
        peers=("etcd", "dynamo"),
        workloads=("put", "cas"),
    )
    assert runs == [(settings, tmp_path)]


def test_every_store_and_workload_can_be_chosen():
    """The verb knows them by heart, so that its help is quick."""
    assert tuple(peers.PEERS) == bench_peers.PEERS
    assert (peers.FRONT, *peers.WORKLOADS) == bench_peers.WORKLOADS


def test_a_run_with_faults_fails_and_is_kept(cli, monkeypatch, tmp_path):
    """Its figures are shown, and nobody takes them for good ones."""
    monkeypatch.setattr(benchmark, "run_peers", lambda *_: report(faults=3))
    result = cli("bench", "peers", "--json", str(tmp_path / "x.json"))
    assert result.code == 1
    assert "FAULTS  cassandra INSERT QUORUM: 3 faults, first: error 0x1001: busy" in result.text
    assert (tmp_path / "x.json").exists()


def test_a_server_that_does_not_start_fails_the_run(cli, monkeypatch, tmp_path):
    """With what it wrote, and no file."""

    def run(*_):
        raise ServerFailed("cassandra1 ended with code 3")

    monkeypatch.setattr(benchmark, "run_peers", run)
    result = cli("bench", "peers", "--json", str(tmp_path / "x.json"))
    assert (result.code, result.err) == (1, "error: cassandra1 ended with code 3\n")
    assert not (tmp_path / "x.json").exists()


@pytest.mark.parametrize("words", [("--peer", "redis"), ("--only", "scan"), ("--keys", "255"), ("--rate", "-1")])
def test_wrong_options_are_usage(cli, runs, words):
    """Nothing is started."""
    assert cli("bench", "peers", *words).code == 2
    assert runs == []
