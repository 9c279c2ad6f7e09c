import base64
import json

import pytest

from tests.unit.client.faults import answering


@pytest.fixture
def lin(cli, served):
    """A linearizable bucket of that name."""
    assert cli("bucket", "create", "lin", "--mode", "linearizable").code == 0


def test_a_condition_decides_and_the_exit_code_says_it(cli, lin):
    """0 applied, 1 not met: with what stands there."""
    made = cli("cas", "lin", "k", "--if-absent", "--set", "mine")
    assert (made.code, made.out) == (0, b"")
    assert "applied: version 1" in made.err
    refused = cli("cas", "lin", "k", "--if-absent", "--set", "yours")
    assert (refused.code, refused.out) == (1, b"")
    assert refused.err == "error: The condition does not hold: lin/k has version 1: mine\n"
    assert cli("kv", "get", "lin", "k").out == b"mine"


@pytest.mark.parametrize(
    "condition",
    [("--if-version", 1), ("--if-exists",), ("--if-value", "mine"), ("--if-value", "base64:bWluZQ==")],
)
def test_every_condition(cli, lin, condition):
    """Holds once; then the key has another version and no value, and it does not."""
    cli("cas", "lin", "k", "--set", "mine")
    assert cli("cas", "lin", "k", *condition, "--delete").code == 0
    refused = cli("cas", "lin", "k", *condition, "--set", "again")
    assert refused.code == 1
    assert "lin/k has no value, at version 2" in refused.err


def test_by_entity_tag(cli, lin):
    """As --json shows it."""
    tag = json.loads(cli("cas", "lin", "k", "--set", "a", "--json").out)["etag"]
    assert cli("cas", "lin", "k", "--if-etag", tag, "--set", "b").code == 0
    assert cli("cas", "lin", "k", "--if-etag", tag, "--set", "c").code == 1


def test_counting_prints_the_sum(cli, lin):
    """On standard output, so that a script can take it."""
    assert cli("cas", "lin", "k", "--add", 5).out == b"5"
    assert cli("cas", "lin", "k", "--add", -7).out == b"-2"
    cli("kv", "put", "lin", "k", "three")
    refused = cli("cas", "lin", "k", "--add", 1)
    assert (refused.code, "no integer" in refused.err) == (1, True)


def test_json_both_ways(cli, lin):
    """The result on standard output, the refusal on standard error, bytes in base64 where they are no text."""
    made = json.loads(cli("cas", "lin", "k", "--file", "-", "--json", stdin=b"\xff").out)
    assert made["applied"] == "yes"
    assert (made["bucket"], made["key"], made["version"], made["exists"], made["repeated"]) == (
        "lin",
        "k",
        1,
        True,
        False,
    )
    refused = cli("cas", "lin", "k", "--if-version", 0, "--delete", "--json")
    error = json.loads(refused.err)["error"]
    assert (refused.code, error["code"], error["applied"]) == (1, "precondition-failed", "no")
    assert (error["version"], error["exists"]) == (1, True)
    assert base64.b64decode(error["value_b64"]) == b"\xff"
    added = json.loads(cli("cas", "lin", "n", "--add", 5, "--json").out)
    assert added["value"] == "5"


def test_a_value_has_its_type_and_metadata(cli, lin):
    """As with `kv put`."""
    cli("cas", "lin", "k", "--set", "v", "--meta", "who=me", "--content-type", "a/b")
    shown = json.loads(cli("kv", "get", "lin", "k", "--json").out)
    assert (shown["content_type"], shown["version"]) == ("a/b", 1)
    cli("cas", "lin", "k", "--set", "v")
    assert json.loads(cli("kv", "get", "lin", "k", "--json").out)["content_type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--set", "a", "--delete"),
        ("--set", "a", "--file", "-"),
        ("--set", "a", "--meta", "b"),
        ("--add", "x"),
        ("--delete", "--meta", "a=b"),
        ("--delete", "--if-absent", "--if-version", "1"),
    ],
)
def test_a_command_that_says_no_one_thing_is_usage(cli, lin, words):
    """2, and nothing was asked."""
    assert cli("cas", "lin", "k", *words).code == 2


def test_an_unknown_outcome_says_how_to_resolve_it(cli, served, lin, retries):
    """4, with the name of the change; `dynamo resolve` asks by it: 1 not applied, 0 applied."""
    retries(1)
    for node in served.nodes.values():
        node.always = answering("write-timeout")
    unknown = cli("cas", "lin", "k", "--add", 1, "--json")
    assert unknown.code == 4
    error = json.loads(unknown.err)["error"]
    assert (error["bucket"], error["key"], error["applied"]) == ("lin", "k", "unknown")
    assert "dynamo resolve" in error["hint"]
    assert cli("resolve", "lin", "k", error["idempotency_key"]).code == 4
    for node in served.nodes.values():
        node.always = None
    resolved = cli("resolve", "lin", "k", error["idempotency_key"], "--json")
    assert (resolved.code, json.loads(resolved.out)["applied"], json.loads(resolved.out)["version"]) == (1, "no", 0)
    assert "not applied, and never will be" in cli("resolve", "lin", "k", error["idempotency_key"]).err
    late = cli("cas", "lin", "k", "--add", 1, "--idempotency-key", error["idempotency_key"])
    assert (late.code, "called off" in late.err) == (1, True)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("mode-conflict", 4),
        ("bucket-not-found", 4),
        ("route-not-found", 4),
        ("idempotency-mismatch", 4),
        ("key-too-long", 4),
        ("corrupt-value", 4),
        ("storage-refused", 4),
        ("internal", 4),
        ("write-timeout", 4),
        ("outcome-forgotten", 4),
        ("quorum-unavailable", 3),
        ("overloaded", 3),
        ("not-ready", 3),
        ("wrong-epoch", 3),
        ("bad-request", 2),
        ("invalid-parameter", 2),
    ],
)
def test_no_error_of_a_resolve_is_taken_for_a_no(cli, served, lin, retries, error, code):
    """1 is the answer that it never will be; the `applied` of an error is of the question, so it is not shown."""
    retries(1)
    for node in served.nodes.values():
        node.always = answering(error)
    failed = cli("resolve", "lin", "k", "pay-1", "--json")
    assert (failed.code, failed.out) == (code, b"")
    shown = json.loads(failed.err)["error"]
    assert shown["applied"] == "unknown"
    assert shown.get("idempotency_key", "pay-1") == "pay-1"
    assert "dynamo resolve" not in shown.get("hint", "")
    assert ("does not help" in shown.get("hint", "")) == (error == "outcome-forgotten")


def test_a_question_that_reaches_nobody_is_no_no(cli, lin):
    """Mistyped, or sent where no node is; other verbs go on ending with 1, whatever their words are."""
    assert [cli("resolve", *words).code for words in (("LIN", "k", "pay-1"), ("lin", "k"))] == [2, 2]
    assert cli("resolve", "lin", "k", "pay-1", "--endpoints", "127.0.0.1:1").code == 3
    assert cli("resolve", "lin", "k", "pay-1").code == 1
    assert cli("kv", "get", "lin", "resolve").code == 1


def test_a_repeat_says_that_it_is_one(cli, lin):
    """And `resolve` finds it."""
    for _ in range(2):
        result = cli("cas", "lin", "k", "--add", 1, "--idempotency-key", "pay-1")
        assert (result.code, result.out) == (0, b"1")
    assert "when it was sent before" in result.err
    found = cli("resolve", "lin", "k", "pay-1")
    assert (found.code, found.err) == (0, "applied: it made version 1\n")


def test_plain_verbs_show_versions(cli, lin):
    """`kv put` and `kv delete` are changes there."""
    assert cli("kv", "put", "lin", "k", "v").err.startswith("version 1; coordinator node")
    assert json.loads(cli("kv", "delete", "lin", "k", "--json").out)["version"] == 2
    missing = cli("kv", "get", "lin", "k", "--json")
    assert (missing.code, json.loads(missing.err)["error"]["version"]) == (1, 2)
