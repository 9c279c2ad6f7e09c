"""`dynamo simulate`: what it prints, what it writes, and what it ends with."""

import json
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from click.testing import CliRunner, Result

from dynamo.checker.history import from_lines
from dynamo.cli.main import root


def simulate(*words: str) -> Result:
    return CliRunner().invoke(root, ["simulate", *words], standalone_mode=False)


@pytest.fixture
def broken() -> Iterator[None]:
    """A store that fails on every seed: its Merkle leaves stay as they were."""
    with patch("dynamo.node.records.contribution", lambda *_: 0):
        yield


@pytest.mark.simulation
def test_seeds_that_pass():
    """Sums and a verdict; nothing on failures."""
    result = simulate("--seeds", "4", "--first-seed", "11", "--processes", "1")
    assert result.return_value == 0
    assert result.stdout.startswith("4 seeds, ")
    assert result.stdout.endswith("no promise was broken\n")
    assert "fails" not in result.stdout


@pytest.mark.simulation
@pytest.mark.usefixtures("broken")
def test_seeds_that_fail():
    """Exit code 1; each seed with its first violations and the command that replays it."""
    result = simulate("--seeds", "4", "--processes", "1")
    assert result.return_value == 1
    assert [f"  replay: dynamo simulate --seed {seed}\n" in result.stdout for seed in range(5)] == [False, *[True] * 4]
    assert "wrong-leaf: " in result.stdout
    assert "4 seeds failed\n" in result.stdout


@pytest.mark.simulation
@pytest.mark.usefixtures("broken")
def test_seeds_that_fail_as_json():
    """One document with all violations."""
    result = simulate("--seeds", "4", "--processes", "1", "--json")
    assert result.return_value == 1
    document = json.loads(result.stdout)
    assert document["seeds"] == 4
    assert document["operations"] == sum(document["outcomes"].values())
    assert [failure["seed"] for failure in document["failures"]] == [1, 2, 3, 4]
    for failure in document["failures"]:
        assert any(violation.startswith("wrong-leaf: ") for violation in failure["violations"])


@pytest.mark.simulation
def test_one_seed_again(tmp_path):
    """Its trace, plan and history; the same hash as before."""
    file = tmp_path / "history.jsonl"
    result = simulate("--seed", "11", "--history", str(file))
    assert result.return_value == 0
    document = json.loads(simulate("--seed", "11", "--json").stdout)
    assert f"trace {document['trace_hash']}\n" in result.stdout
    assert result.stdout.startswith("\n".join(document["trace"]))
    assert '\nplan: {"shape":' in result.stdout
    history = from_lines(file.read_text())
    assert len(history.operations) == document["operations"]


@pytest.mark.simulation
@pytest.mark.usefixtures("broken")
def test_one_failing_seed_again():
    """All of its violations, and exit code 1."""
    result = simulate("--seed", "1")
    assert result.return_value == 1
    assert "  wrong-leaf: " in result.stdout


@pytest.mark.simulation
def test_words_that_contradict_each_other():
    """A history is of one run."""
    result = simulate("--seeds", "2", "--history", "h.jsonl")
    assert result.exception is not None
    assert "name it with --seed" in str(result.exception)
