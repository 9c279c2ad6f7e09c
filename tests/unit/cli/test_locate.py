import json


def test_the_replicas_of_a_key(cli, served):
    """In the order of its preference list."""
    wanted = [node.id for node in served.replicas("b", b"k")]
    result = cli("locate", "b", "k")
    assert [line.split()[0] for line in result.text.splitlines()[1:]] == wanted
    shown = json.loads(cli("locate", "b", "k", "--json").out)
    assert [r["node"] for r in shown["replicas"]] == wanted
    assert shown["key"] == "k"
