import json
import os
import subprocess
import sys

import click
import pytest

from dynamo import errors
from dynamo.cli import main as entry
from dynamo.cli.lazy import Verb
from dynamo.cli.main import VERBS
from dynamo.version import VERSION


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_of_the_table_is_there(cli, verb: str):
    """Its help can be shown."""
    result = cli(verb, "--help")
    assert result.code == 0
    assert result.text.startswith(f"Usage: dynamo {verb}")


def test_help_is_written_from_the_table(cli):
    """And imports no verb, nor anything heavy."""
    program = "import sys; from dynamo.cli.main import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = done.stdout.rpartition("\n  config")[2].split()
    assert not {"aiohttp", "lmdb", "rich", "dynamo.cli.up", "dynamo.client"} & set(modules)
    for name, row in VERBS.items():
        assert f"  {name}" in done.stdout
        assert row.summary in done.stdout


def test_the_version_is_the_packages(cli):
    """One line."""
    assert cli("--version").text == f"dynamo, version {VERSION}\n"


@pytest.mark.parametrize("words", [("fly",), ("kv", "fly"), ("kv", "get"), ("kv", "get", "b", "k", "--bad")])
def test_wrong_usage_ends_with_2_and_says_where_to_look(cli, words):
    """One error line, one hint."""
    result = cli(*words)
    assert result.code == 2
    error, hint = result.err.splitlines()
    assert error.startswith("error: Usage: ")
    assert hint.endswith("--help")


def test_errors_are_json_where_json_was_asked_for(cli):
    """On standard error, so that standard output stays empty."""
    result = cli("kv", "get", "--json")
    assert (result.code, result.out) == (2, b"")
    assert json.loads(result.err)["error"]["code"] == "usage"


def broken(problem: BaseException):
    import click

    @click.command()
    def verb() -> None:
        raise problem

    return verb


@pytest.fixture
def failing(monkeypatch):
    """A verb that fails with what it is given."""

    def plant(problem: BaseException, failed: int = 1) -> None:
        monkeypatch.setattr("tests.unit.cli.test_main.planted", broken(problem), raising=False)
        monkeypatch.setitem(entry.VERBS, "break", Verb("tests.unit.cli.test_main:planted", "fails", failed))

    return plant


def test_a_bug_is_one_line_too(cli, failing, monkeypatch):
    """With the way to see more."""
    failing(ZeroDivisionError("by zero"))
    result = cli("break")
    assert result.code == 1
    assert result.err.startswith("error: Internal error: ZeroDivisionError: by zero\nhint: set DYNAMO_TRACEBACK=1")
    monkeypatch.setenv("DYNAMO_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        cli("break")


def test_an_operating_system_error_names_the_file(cli, failing):
    """And ends with 1."""
    failing(FileNotFoundError(2, "No such file or directory", "gone.txt"))
    result = cli("break")
    assert (result.code, result.err) == (1, "error: Operating system: gone.txt: No such file or directory\n")


@pytest.mark.parametrize(
    "problem",
    [
        ZeroDivisionError("by zero"),
        OSError(28, "No space left on device"),
        errors.ModeConflict("x"),
        click.ClickException("x"),
    ],
)
def test_where_1_is_an_answer_no_failure_ends_with_it(cli, failing, problem):
    """Whatever fails; `resolve` is such a verb."""
    failing(problem, failed=4)
    assert cli("break").code == 4
    failing(problem)
    assert cli("break").code == 1
    assert [name for name, row in VERBS.items() if row.failed != 1] == ["resolve"]


def test_a_reader_that_left_is_not_taken_for_an_answer():
    """What could not be said is unknown."""
    program = (
        "import sys; from dynamo.cli import main, resolve; from dynamo.client.results import Resolved\n"
        "resolve.run = lambda *_: Resolved(bucket='b', key=b'k', applied=True, version=1)\n"
        "sys.exit(main.main(['resolve', 'b', 'k', 'x', '--json']))"
    )
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run([sys.executable, "-c", program], stdout=theirs, stderr=subprocess.PIPE, check=False)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (4, b"")


def test_an_interrupt_ends_with_130(cli, failing):
    """As a shell expects, without a word."""
    failing(KeyboardInterrupt())
    result = cli("break")
    assert (result.code, result.out, result.err.strip()) == (130, b"", "")


def test_a_reader_that_left_is_no_traceback():
    """`dynamo ... | head` ends quietly."""
    done = subprocess.run(
        f"{sys.executable} -m dynamo config show --json | head -c 1",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "{"
    assert done.stderr == ""
