import base64
import json
import re

import pytest

from tests.unit.client.faults import answering


@pytest.fixture
def stored(cli, served):
    """Writes and answers the result."""

    def put(*words: str, stdin: bytes = b""):
        return cli("kv", "put", *words, stdin=stdin)

    return put


def test_a_value_comes_out_as_it_went_in(cli, stored):
    """Every byte, and nothing added where the output is no terminal."""
    data = bytes(range(256))
    assert stored("b", "k", stdin=data).code == 0
    result = cli("kv", "get", "b", "k")
    assert (result.code, result.out, result.err) == (0, data, "")


def test_a_value_may_be_typed_or_come_from_a_file(cli, stored, served, tmp_path):
    """A typed one is text, a file is what --content-type says, or just bytes."""
    (tmp_path / "v").write_bytes(b"from a file")
    stored("b", "typed", "hello")
    stored("b", "file", "--file", tmp_path / "v", "--content-type", "a/b", "--meta", "owner=me")
    stored("b", "stdin", "--file", "-", stdin=b"piped")
    types = [json.loads(cli("kv", "get", "b", key, "--json").out) for key in ("typed", "file", "stdin")]
    assert [t["value"] for t in types] == ["hello", "from a file", "piped"]
    assert [t["content_type"] for t in types] == ["text/plain; charset=utf-8", "a/b", "application/octet-stream"]
    assert types[1]["meta"] == {"owner": "me"}


def test_a_missing_key_ends_with_1(cli, served):
    """Said on standard error; standard output stays empty."""
    result = cli("kv", "get", "b", "k")
    assert (result.code, result.out) == (1, b"")
    assert result.err == "error: No such key: b/k has no value\n"


def test_concurrent_values_are_a_table(cli, stored):
    """Fine, exit code 0; one can be picked, and the way to resolve is shown."""
    stored("b", "k", "one")
    stored("b", "k", "two")
    result = cli("kv", "get", "b", "k")
    assert result.code == 0
    assert result.text.splitlines()[0].split() == ["#", "last", "modified", "content", "type", "size", "value"]
    assert len(result.text.splitlines()) == 3
    assert "dynamo kv put b k VALUE --context" in result.err
    picked = {cli("kv", "get", "b", "k", "--sibling", n).out for n in ("1", "2")}
    assert picked == {b"one", b"two"}
    assert cli("kv", "get", "b", "k", "--sibling", "3").code == 2
    shown = json.loads(cli("kv", "get", "b", "k", "--json").out)
    assert {s["value"] for s in shown["siblings"]} == {"one", "two"}


def test_the_hint_for_siblings_works(cli, stored):
    """The command that is shown resolves them."""
    stored("b", "k", "one")
    stored("b", "k", "two")
    hint = cli("kv", "get", "b", "k").err.splitlines()[-1].split()
    assert hint[0] == "dynamo"
    assert cli(*[word.replace("VALUE", "both") for word in hint[1:]]).code == 0
    assert cli("kv", "get", "b", "k").out == b"both"


def test_replace_reads_first(cli, stored):
    """So nothing stands beside."""
    stored("b", "k", "one")
    result = stored("b", "k", "two", "--replace", "--json")
    assert json.loads(result.out)["siblings"] == 1
    assert cli("kv", "get", "b", "k").out == b"two"


def test_a_write_that_stands_beside_others_says_so(stored):
    """The writer may not have known."""
    stored("b", "k", "one")
    assert "2 concurrent values" in stored("b", "k", "two").err


def test_delete_removes_what_is_there(cli, stored):
    """And is acknowledged like a write."""
    stored("b", "k", "one")
    result = cli("kv", "delete", "b", "k", "--json")
    assert json.loads(result.out)["acks"] == {"primaries": 2, "fallbacks": 1}
    assert cli("kv", "get", "b", "k").code == 1


def test_keys_may_be_any_bytes(cli, stored, served):
    """In base64; a listing shows them so that they can be typed again."""
    key = b"\xff\x00/"
    typed = "base64:" + base64.b64encode(key).decode()
    stored("b", typed, "x")
    assert list(served.records) == [("b", key)]
    assert cli("kv", "get", "b", typed).out == b"x"
    assert json.loads(cli("kv", "list", "b", "--json").out) == {"key_b64": base64.b64encode(key).decode()}
    assert cli("kv", "get", "b", "base64:?").code == 2


def test_listings_are_lines(cli, stored):
    """Bounded by prefix, start, end and limit; values only as JSON."""
    for key in ("a/1", "a/2", "a/3", "b/1"):
        stored("b", key, key)
    assert cli("kv", "list", "b").text.split() == ["a/1", "a/2", "a/3", "b/1"]
    assert cli("kv", "list", "b", "--prefix", "a/", "--limit", "2").text.split() == ["a/1", "a/2"]
    assert cli("kv", "list", "b", "--start", "a/3", "--end", "b/1").text.split() == ["a/3"]
    lines = cli("kv", "list", "b", "--values", "--json").text.splitlines()
    assert [json.loads(line)["values"][0]["value"] for line in lines] == ["a/1", "a/2", "a/3", "b/1"]
    assert cli("kv", "list", "b", "--values").code == 2


def test_options_reach_the_request(cli, stored, served):
    """Spelt as in the API."""
    stored("b", "k", "x", "-w", "all", "--dw", "1", "--pw", "2", "--no-sloppy", "--ttl", "90s", "--timeout", "40s")
    cli("kv", "get", "b", "k", "-r", "1", "--pr", "one", "--no-sloppy", "--consistency", "one", "--siblings", "lww")
    (put,), (get,) = ([c.raw_path.partition("?")[2] for c in served.calls(method)] for method in ("PUT", "GET"))
    assert re.fullmatch(r"w=all&dw=1&pw=2&sloppy=false&ttl=90000ms&timeout=19[89]\d\dms", put)
    assert get.startswith("consistency=one&r=1&pr=one&sloppy=false&siblings=lww&timeout=29"), "half of DYNAMO_TIMEOUT"


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("put", "b", "k", "v", "--ttl", "5"), "duration"),
        (("put", "b", "k", "v", "-w", "most"), "neither a number"),
        (("put", "b", "k", "v", "--meta", "novalue"), "NAME=TEXT"),
        (("put", "b", "k", "v", "--file", "-"), "not both"),
        (("get", "b", "k", "--endpoints", "h:port"), "host:port"),
        (("get", "NO", "k"), "bucket name"),
    ],
)
def test_a_mistyped_option_ends_with_2(cli, served, words, wrong):
    """Before anything is sent."""
    result = cli("kv", *words)
    assert result.code == 2
    assert wrong in result.err
    assert served.calls() == []


@pytest.mark.parametrize(
    ("code", "ends_with", "verb"),
    [
        ("quorum-unavailable", 3, ("get", "b", "k")),
        ("internal", 1, ("get", "b", "k")),
        ("quorum-unavailable", 3, ("put", "b", "k", "v")),
        ("write-timeout", 4, ("put", "b", "k", "v")),
        ("mode-conflict", 1, ("put", "b", "k", "v")),
        ("invalid-parameter", 2, ("put", "b", "k", "v")),
    ],
)
def test_failures_of_the_cluster_have_their_codes(cli, served, retries, code, ends_with, verb):
    """One error line; a doubt is never a plain failure."""
    for node in served.nodes.values():
        node.always = answering(code, applied="no") if verb[0] == "get" else answering(code)
    retries(2)
    result = cli("kv", *verb)
    assert result.code == ends_with
    assert result.err.startswith("error: ")
    assert "Traceback" not in result.err


def test_a_cluster_that_is_not_there_ends_with_3(cli, retries):
    """And says how to start one."""
    retries(2)
    result = cli("kv", "get", "b", "k", "--endpoints", "127.0.0.1:1")
    assert result.code == 3
    assert "dynamo up" in result.err


def test_one_call_is_one_request(cli, stored, served):
    """No ring is fetched for it."""
    stored("b", "k", "x")
    assert [s.raw_path.split("?")[0] for n in served.nodes.values() for s in n.seen] == ["/v1/kv/b/k"]
