"""`dynamo check`: what it ends with, what it prints, and what it refuses to read."""

import json
from pathlib import Path

import pytest

from dynamo.checker import search
from dynamo.checker.history import Condition, to_lines
from dynamo.cli import check
from tests.unit.checker.story import Calls

PUBLIC = Path(__file__).resolve().parents[1] / "checker" / "public"


@pytest.fixture
def ours(tmp_path) -> Path:
    """Two keys of ours: a stale read on one of them."""
    calls = Calls()
    calls.answer(calls.call("put", value="x"), number=1)
    calls.answer(calls.call("put", value="y"), number=2)
    calls.answer(calls.call("get"), "x", number=1)
    calls.answer(calls.call("cas", "other", value="z", condition=Condition("absent")), number=1)
    file = tmp_path / "history.jsonl"
    file.write_text(to_lines(calls.history))
    return file


def test_a_legal_history_ends_with_0(cli):
    """And with one line."""
    result = cli("check", PUBLIC / "etcd_002.log", "--model", "cas-register")
    assert (result.code, result.text) == (0, "1 key, 77 operations: 1 legal\n")


def test_an_illegal_history_ends_with_1_and_says_why(cli, ours):
    """One sentence, and its counterexample."""
    result = cli("check", ours, "--model", "kv")
    assert result.code == 1
    lines = result.text.splitlines()
    assert lines[0] == "b/k: not linearizable, by intervals of unique values"
    assert lines[1].startswith(
        "put x (v1) (operation 1 of c1) returned before put y (v2) (operation 2 of c2) was called"
    )
    assert [line.split()[0] for line in lines[3:7]] == ["op", "1", "2", "3"]
    assert lines[-1] == "2 keys, 4 operations: 1 legal, 1 not linearizable"


def test_json_has_the_same(cli, ours):
    """One document."""
    result = cli("check", ours, "--model", "kv", "--json")
    document = json.loads(result.text)
    assert result.code == 1
    assert (document["result"], document["keys"], document["operations"]) == ("illegal", 2, 4)
    assert (document["legal"], document["illegal"], document["undecided"]) == (1, 1, 0)
    (verdict,) = document["verdicts"]
    assert (verdict["key"], verdict["method"]) == ("b/k", "zones")
    assert [op["operation"] for op in verdict["operations"]] == [1, 2, 3]
    assert verdict["operations"][2] == {
        "operation": 3,
        "process": "c3",
        "called_s": 5.0,
        "returned_s": 6.0,
        "what": "get -> x (v1)",
    }


def test_only_some_keys(cli, ours):
    """Chosen by name or by bucket; those that there are not are refused."""
    assert cli("check", ours, "--model", "kv", "--key", "b/other").code == 0
    assert cli("check", ours, "--model", "kv", "--bucket", "b").code == 1
    assert "the history has no key b/none" in cli("check", ours, "--model", "kv", "--key", "b/none").err
    assert cli("check", ours, "--model", "kv", "--bucket", "none").code == 2


def test_a_budget_that_runs_out_ends_with_4(cli):
    """On the only key, or on one of several that are legal else."""
    adds = "\n".join(f"{number} :invoke :add {2**number}" for number in range(12))
    reads = (
        "\n".join(f"{number} :ok :add {2**number}" for number in range(12)) + "\n20 :invoke :read nil\n20 :ok :read 1\n"
    )
    words = ("check", "-", "--model", "counter", "--budget")
    result = cli(*words, "100", stdin=f"{adds}\n{reads}".encode())
    assert result.code == 4
    assert "more than 100 configurations, where 12 operations were under way at once" in result.text
    assert cli(*words, "1000000", stdin=f"{adds}\n{reads}".encode()).code == 1


def test_hard_keys_are_judged_again_with_the_whole_budget(cli, monkeypatch):
    """After the easy ones, by several processes; the verdicts are the same."""
    monkeypatch.setattr(check, "FIRST_BUDGET", 10)
    words = ("check", PUBLIC / "kv-c01-bad.edn", "--model", "kv", "--initial", '""', "--method", "search", "--json")
    document = json.loads(cli(*words, "--processes", "1").text)
    assert [verdict["key"] for verdict in document["verdicts"]] == ["7"]
    assert (document["keys"], document["undecided"]) == (8, 0)


def test_two_answers_to_one_request_are_illegal(cli, tmp_path):
    """Though the values are fine."""
    calls = Calls()
    calls.answer(calls.call("put", value="x", request="r"), number=1)
    calls.answer(calls.call("put", value="x", request="r"), number=2)
    file = tmp_path / "history.jsonl"
    file.write_text(to_lines(calls.history))
    result = cli("check", file, "--model", "kv")
    assert result.code == 1
    assert "b/k: not linearizable, by one request, one answer" in result.text


@pytest.mark.parametrize(
    ("text", "words", "complaint"),
    [
        ("", (), "line 1: there is no operation in this file"),
        ('{"event":"dance"}\n', (), "line 1 is no event of a history"),
        ("{:process 0 :type :invoke :f :read}\n]", (), "line 2: ] closes nothing"),
        ("0 :invoke :write 1", ("--model", "counter"), "the kind put, which the model counter does not know"),
        ("0 :invoke :delete", ("--method", "zones"), "the method zones does not apply to the key"),
        ("0 :invoke :read", ("--initial", "["), "the text ends within a value"),
    ],
)
def test_what_cannot_be_judged_is_a_matter_of_usage(cli, tmp_path, text, words, complaint):
    """Exit code 2, with the line where there is one."""
    file = tmp_path / "history"
    file.write_text(text)
    result = cli("check", file, "--model", "kv", *words)
    assert result.code == 2
    assert complaint in result.err
    assert str(file) in result.err


def test_a_file_that_is_no_text(cli, tmp_path):
    """Refused as well, and so is one that is not there."""
    file = tmp_path / "history"
    file.write_bytes(b"\xff\xfe")
    assert cli("check", file, "--model", "kv").code == 2
    assert cli("check", tmp_path / "none", "--model", "kv").code == 2


def test_the_budget_is_that_of_the_search():
    """The command names it without importing the checker."""
    assert check.BUDGET == search.BUDGET
