import asyncio
from pathlib import Path

import pytest

from dynamo.workload import benchmark
from dynamo.workload.comparison import Progress, Settings
from dynamo.workload.peers import PeerSettings
from dynamo.workload.processes import ServerFailed
from dynamo.workload.report import Section

SETTINGS = Settings(rounds=2)


def test_comparisons_are_made_in_their_order(tmp_path, monkeypatch):
    """Each with a folder of its own, on the same loop, and the data is gone afterwards."""
    folders: list[Path] = []
    loops: list[asyncio.Runner] = []

    def comparison(folder: Path, settings: Settings, loop: asyncio.Runner, progress: Progress) -> Section:
        (folder / "data").write_text("much")
        folders.append(folder)
        loops.append(loop)
        assert settings is SETTINGS
        return Section(title=folder.name)

    monkeypatch.setattr(benchmark, "COMPARISONS", {"one": comparison, "two": comparison})
    said: list[str] = []
    report = benchmark.run(["two", "one"], SETTINGS, said.append, tmp_path)
    assert [section.title for section in report.sections] == ["two", "one"]
    assert said == ["two: starting", "one: starting"]
    assert loops[0] is loops[1]
    assert all(folder.is_relative_to(tmp_path) for folder in folders)
    assert list(tmp_path.iterdir()) == []
    assert report.settings["rounds"] == 2
    assert report.taken.endswith("+00:00")
    assert report.machine["Data on"]


def test_a_server_that_failed_leaves_no_data(tmp_path, monkeypatch):
    """The error comes out, the folder is gone."""

    def failing(folder: Path, settings: Settings, loop: asyncio.Runner, progress: Progress) -> Section:
        (folder / "data").write_text("much")
        raise ServerFailed("no port")

    monkeypatch.setattr(benchmark, "COMPARISONS", {"one": failing})
    with pytest.raises(ServerFailed, match="no port"):
        benchmark.run(["one"], SETTINGS, print, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_everything_is_made_of_known_comparisons():
    """The default names what exists, each once."""
    assert set(benchmark.EVERYTHING) <= set(benchmark.COMPARISONS)
    assert len(set(benchmark.EVERYTHING)) == len(benchmark.EVERYTHING)


def test_peers_are_reported_like_the_others(tmp_path, monkeypatch):
    """All their sections, the settings they were measured with, and no data left."""
    asked: list = []

    def peers(folder: Path, settings: PeerSettings, loop: asyncio.Runner, progress: Progress) -> list[Section]:
        (folder / "data").write_text("much")
        asked.append(settings)
        return [Section(title="one"), Section(title="two")]

    monkeypatch.setattr(benchmark, "peers", peers)
    settings = PeerSettings(rate=50)
    report = benchmark.run_peers(settings, print, tmp_path)
    assert [section.title for section in report.sections] == ["one", "two"]
    assert (asked, report.settings["rate"]) == ([settings], 50)
    assert list(tmp_path.iterdir()) == []
