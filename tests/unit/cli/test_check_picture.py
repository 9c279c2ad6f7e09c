"""`dynamo check --html`, and the counterexample that is printed."""

import json
from pathlib import Path

import pytest

from dynamo.checker.history import Remark, to_lines
from tests.unit.checker.story import Calls


@pytest.fixture
def stale(tmp_path) -> Path:
    """A stale read among thirty writes that are all read, and a fault."""
    calls = Calls()
    for number in range(30):
        calls.answer(calls.call("put", value=f"v{number}"), number=number + 1)
        calls.answer(calls.call("get"), f"v{number}", number=number + 1)
    calls.history.add(Remark(3.0, "begins: n1 is killed"))
    calls.answer(calls.call("get"), "v3", number=4)
    calls.answer(calls.call("put", key="other", value="x"), number=1)
    file = tmp_path / "history.jsonl"
    file.write_text(to_lines(calls.history))
    return file


def test_what_is_printed_is_small(cli, stale):
    """Three operations of 61, with the place where the last one was tried."""
    result = cli("check", stale, "--model", "kv")
    assert result.code == 1
    lines = result.text.splitlines()
    assert lines[0] == "b/k: not linearizable, by intervals of unique values"
    assert "(operation 61 of c61) was called" in lines[2]
    assert [line.split()[0] for line in lines[3:7]] == ["op", "7", "9", "61"]
    assert "X" in lines[6]
    assert lines[-1] == "2 keys, 62 operations: 1 legal, 1 not linearizable"


def test_the_counterexample_is_in_the_document(cli, stale):
    """Its operations, and what is wrong with them."""
    (verdict,) = json.loads(cli("check", stale, "--model", "kv", "--json").text)["verdicts"]
    assert len(verdict["counterexample"]["operations"]) == 3
    assert verdict["counterexample"]["operations"][-1] == 61
    assert "operation 61" in verdict["counterexample"]["reason"]


def test_a_page_is_written(cli, stale, tmp_path):
    """Of an illegal history and of a legal one; the code is that of the verdict."""
    assert cli("check", stale, "--model", "kv", "--html", tmp_path / "out.html").code == 1
    text = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "<title>history.jsonl, kv</title>" in text
    assert "n1 is killed" in text
    assert "1 illegal; 1 legal" in text
    assert cli("check", stale, "--model", "kv", "--key", "b/other", "--html", tmp_path / "fine.html").code == 0
    assert "legal" in (tmp_path / "fine.html").read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written(cli, stale, tmp_path):
    """Is a matter of usage."""
    result = cli("check", stale, "--model", "kv", "--html", tmp_path / "no" / "out.html")
    assert result.code == 2
    assert "No such file or directory" in result.err
