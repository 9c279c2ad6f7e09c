import json


def test_buckets_from_making_to_dropping(cli, served):
    """Create, show, list, change, delete."""
    made = json.loads(cli("bucket", "create", "carts", "--n", "3", "--ttl-s", "60", "--json").out)
    assert (made["name"], made["mode"], made["n"], made["ttl_s"]) == ("carts", "siblings", 3, 60)
    assert cli("bucket", "show", "carts").text.splitlines()[1].split() == ["name", "carts"]
    assert json.loads(cli("bucket", "list", "--json").out)["buckets"][0]["name"] == "carts"
    assert cli("bucket", "list").text.splitlines()[1].split() == ["carts", "siblings", "3", "quorum", "quorum"]
    assert cli("bucket", "create", "carts", "--mode", "lww").code == 1
    assert cli("bucket", "delete", "carts", "--yes").code == 0
    gone = cli("bucket", "show", "carts")
    assert gone.code == 1
    assert "hint: `dynamo bucket list`" in gone.err


def test_only_named_properties_are_sent(cli, served):
    """The others keep their value."""
    cli("bucket", "create", "carts", "--no-sloppy", "--r", "one")
    (put,) = [s for n in served.nodes.values() for s in n.calls("PUT", "/v1/buckets")]
    assert json.loads(put.body) == {"sloppy": False, "r": "one"}


def test_dropping_is_asked_about(cli, served):
    """A no leaves the bucket."""
    cli("bucket", "create", "carts")
    assert cli("bucket", "delete", "carts", stdin=b"n\n").code == 130
    assert "carts" in served.properties
    assert cli("bucket", "delete", "carts", stdin=b"y\n").code == 0
    assert served.properties == {}
