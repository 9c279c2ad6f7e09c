"""`dynamo simulate`: what it prints, what it writes, and what it ends with."""

import json
import re
from collections.abc import Iterator
from unittest.mock import patch

import click
import pytest
from click.testing import CliRunner, Result

from dynamo.checker.history import from_lines
from dynamo.cli.main import root
from dynamo.daemons.auditor import Auditor
from dynamo.node.acceptors import Acceptors


def simulate(*words: str) -> Result:
    return CliRunner().invoke(root, ["simulate", *words], standalone_mode=False)


@pytest.fixture
def broken() -> Iterator[None]:
    """A store that fails on every seed: its Merkle leaves stay as they were, and no auditor puts them right."""

    async def idle(_: Auditor) -> None:
        """One round of nothing."""

    with patch("dynamo.node.records.contribution", lambda *_: 0), patch.object(Auditor, "run_once", idle):
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
def test_linearizable_buckets():
    """The same words, other runs: sums, and one seed again with its history."""
    result = simulate("--mode", "linearizable", "--seeds", "2", "--processes", "1", "--json")
    assert result.return_value == 0
    document = json.loads(result.stdout)
    assert (document["seeds"], document["failures"]) == (2, [])
    again = json.loads(simulate("--mode", "linearizable", "--seed", "1", "--json").stdout)
    assert again["plan"]["registers"]["clients"] >= 2
    assert any("ForwardChange" in line or "Accept" in line for line in again["trace"])


@pytest.mark.simulation
def test_a_seed_of_a_linearizable_bucket_that_fails():
    """The command that replays it says what is simulated."""
    with patch.object(Acceptors, "_keep", lambda *_: None):
        result = simulate("--mode", "linearizable", "--seeds", "1", "--processes", "1")
    assert result.return_value == 1
    assert "  replay: dynamo simulate --mode linearizable --seed 1\n" in result.stdout


@pytest.mark.simulation
def test_words_that_contradict_each_other():
    """A history is of one run."""
    result = simulate("--seeds", "2", "--history", "h.jsonl")
    assert result.exception is not None
    assert "name it with --seed" in str(result.exception)


@pytest.mark.simulation
def test_the_detector_is_measured():
    """A row for each size and loss, in that order, whatever is measured first; nobody is missed."""
    result = simulate("detector", "--nodes", "5,3", "--loss", "0,10", "--pauses", "2", "--processes", "1", "--json")
    assert result.return_value == 0
    document = json.loads(result.stdout)
    assert [(row["nodes"], row["loss"]) for row in document["rows"]] == [(3, 0.0), (3, 0.1), (5, 0.0), (5, 0.1)]
    for row in document["rows"]:
        assert 1.0 < row["first_s"]["median"] <= row["detection_s"]["median"] <= row["detection_s"]["max"] < 20.0
        assert 0.0 <= row["recovery_s"]["max"] < 5.0
        assert (row["missed"], row["false_deaths_per_node_hour"]) == (0, 0)
        assert (row["false_suspicions_per_node_hour"] > 0) == (row["loss"] > 0)
    again = simulate("detector", "--nodes", "3", "--loss", "10", "--pauses", "2", "--processes", "1", "--json")
    assert json.loads(again.stdout)["rows"] == document["rows"][1:2]


@pytest.mark.simulation
def test_the_detector_as_a_table():
    """A line for each row, with times as median, p99 and greatest."""
    result = simulate("detector", "--nodes", "3", "--loss", "0", "--pauses", "1", "--processes", "1")
    assert result.return_value == 0
    heads, row = result.stdout.splitlines()
    assert heads.split()[:2] == ["nodes", "loss"]
    assert re.fullmatch(r"3 +0% +(\d+\.\d/\d+\.\d/\d+\.\d +){3}0 +0", row)


@pytest.mark.parametrize("words", [("--nodes", "1"), ("--nodes", "64"), ("--loss", "x"), ("--loss", "51")])
def test_what_the_detector_cannot_be_measured_with(words: tuple[str, str]):
    """Sizes without another node, more loss than anybody has, words."""
    assert isinstance(simulate("detector", *words).exception, click.BadParameter)
