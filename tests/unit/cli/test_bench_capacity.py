import json

import msgspec
import pytest

from dynamo.workload import capacity_run
from dynamo.workload.capacity_run import Run
from dynamo.workload.processes import ServerFailed
from tests.unit.workload.capacity_inputs import run


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """What the verb asks for, with a run that is done at once."""
    asked: list[tuple] = []

    def at_once(folder, timing, loop, progress):
        asked.append((folder, timing))
        return run()

    monkeypatch.setattr(capacity_run, "run", at_once)
    return asked


def test_a_run_is_kept_and_can_be_read_again(cli, measured, tmp_path):
    """The same tables for other machines, without measuring; table and picture in files."""
    file, table, picture = (tmp_path / name for name in ("run.json", "tables.md", "picture.svg"))
    first = cli("bench", "capacity", "--sizes", "9,3", "--json", str(file))
    assert first.code == 0
    folder, timing = measured[0]
    assert timing.sizes == (3, 9)
    assert not folder.exists()
    assert msgspec.json.decode(file.read_bytes(), type=Run) == run()
    more = ("--cores", "16", "--mix", "CAS:1", "--any-node", "--markdown", str(table), "--svg", str(picture))
    again = cli("bench", "capacity", "--from", str(file), *more)
    assert (again.code, len(measured)) == (0, 1)
    assert "one node on each of 16 cores" in again.text
    assert "Mix: 1 CAS" in table.read_text()
    assert picture.read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--sizes", "2,3"), "from 3 to 16"),
        (("--sizes", "three"), "is no list of numbers"),
        (("--mix", "PUT:1"), "is none of GET R=1"),
        (("--mix", "CAS:0"), "is no share above 0"),
        (("--mix", "CAS:x"), "is no share above 0"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_measured(cli, measured, words, said):
    """Sizes and mixes."""
    result = cli("bench", "capacity", *words)
    assert result.code == 2
    assert said in result.err
    assert measured == []


def test_a_file_of_something_else_is_refused(cli, tmp_path):
    """Named."""
    (tmp_path / "other.json").write_text(json.dumps({"inputs": 1}))
    result = cli("bench", "capacity", "--from", str(tmp_path / "other.json"))
    assert result.code == 2
    assert "is no result of this command" in result.err


def test_a_server_that_fails_ends_the_run(cli, monkeypatch: pytest.MonkeyPatch):
    """With its words."""

    def failing(*_: object) -> Run:
        raise ServerFailed("node2 is not ready")

    monkeypatch.setattr(capacity_run, "run", failing)
    result = cli("bench", "capacity")
    assert result.code == 1
    assert "node2 is not ready" in result.err
