"""`dynamo check --level`: weaker levels, beside linearizability or alone."""

import json
from pathlib import Path

import pytest

from dynamo.checker.history import to_lines
from dynamo.checker.levels import LEVELS
from dynamo.cli import check_levels
from tests.unit.checker.story import Calls, Story, sibling, version


@pytest.fixture
def stale(tmp_path) -> Path:
    """Two writes of two clients, and one that reads the newer version and then the older one."""
    calls = Calls()
    calls.answer(calls.call("put", value="x"), number=1)
    calls.answer(calls.call("put", value="y"), number=2)
    calls.answer(calls.call("get", process="r"), "y", number=2)
    calls.answer(calls.call("get", process="r"), "x", number=1)
    file = tmp_path / "history.jsonl"
    file.write_text(to_lines(calls.history))
    return file


def test_a_level_alone_needs_no_model(cli, stale):
    """It ends with 1 if it is broken, and says by which operations."""
    result = cli("check", stale, "--level", "sessions")
    assert result.code == 1
    assert result.text.splitlines() == [
        "sessions: broken: 1 monotonic-reads",
        "  monotonic-reads: b/k: r reads version 1, and had read version 2 before (operations 3, 4)",
    ]


def test_levels_that_measure_end_with_0(cli, stale):
    """Staleness as two histograms, delta as a time."""
    result = cli("check", stale, "--level", "staleness", "--level", "delta")
    assert result.code == 0
    assert result.text.splitlines() == [
        "staleness: 1 of 2 reads were stale (50.00%), by up to 1 version and 3 s",
        "  versions behind  reads",
        "  0                1",
        "  1                1",
        "  seconds behind  reads",
        "  0               1",
        "  up to 10        1",
        "delta: 0 of 1 keys are linearizable as they are, 1 if reads looked back up to 3 s (b/k)",
    ]


def test_all_levels_and_linearizability(cli, stale):
    """In one document."""
    result = cli("check", stale, "--level", "all", "--model", "kv", "--json")
    document = json.loads(result.text)
    assert result.code == 1
    assert document["result"] == "illegal"
    assert [(each["level"], each["result"]) for each in document["levels"]] == [
        ("sessions", "broken"),
        ("causal", "kept"),
        ("staleness", "measured"),
        ("delta", "measured"),
    ]
    assert document["levels"][0]["violations"][0]["operations"] == [3, 4]
    assert document["levels"][2]["staleness"]["by_versions"] == {"0": 1, "1": 1}


def test_linearizability_needs_a_model(cli, stale):
    """Nobody can say else what a key should do."""
    for words in ((), ("--level", "all"), ("--level", "sessions", "--html", stale.with_suffix(".html"))):
        result = cli("check", stale, *words)
        assert result.code == 2
        assert "Missing option '--model'" in result.err


def test_only_some_keys_and_clocks_in_place_of_numbers(cli, tmp_path):
    """A history with siblings: one key has gone backwards, of the other one nothing is said."""
    story = Story()
    story.put("v1", shown=version({"a": 1}, sibling("v1", "a", 1)), quorum=1)
    story.get(version({"b": 1}, sibling("v2", "b", 1)), quorum=1)
    file = tmp_path / "history.jsonl"
    file.write_text(to_lines(story.history))
    assert "1 read-your-writes" in cli("check", file, "--level", "sessions").text
    assert cli("check", file, "--level", "sessions", "--key", "b/none").code == 2


def test_what_cannot_be_judged_ends_with_4(cli, tmp_path):
    """Unless every level was asked for."""
    file = tmp_path / "history.log"
    file.write_text("0 :invoke :write 1\n0 :ok :write 1\n1 :invoke :write 1\n1 :ok :write 1\n")
    result = cli("check", file, "--level", "causal", "--level", "sessions")
    assert result.code == 4
    assert "sessions: not judged: the answers carry neither version numbers nor clocks" in result.text
    assert cli("check", file, "--level", "all", "--model", "register").code == 0


def test_the_levels_are_those_of_the_checker():
    """The command names them without importing it."""
    assert check_levels.LEVELS == LEVELS
