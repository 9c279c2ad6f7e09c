import json


def test_the_replicas_of_a_key(cli, served):
    """In the order of its preference list."""
    wanted = [node.id for node in served.replicas("b", b"k")]
    result = cli("locate", "b", "k")
    assert [line.split()[0] for line in result.text.splitlines()[1:]] == wanted
    shown = json.loads(cli("locate", "b", "k", "--json").out)
    assert [r["node"] for r in shown["replicas"]] == wanted
    assert shown["key"] == "k"


def test_the_hosts_of_a_key(cli, served):
    """As the nodes say, and a dash where they say nothing."""
    first = served.replicas("b", b"k")[0].id
    assert [line.split()[2] for line in cli("locate", "b", "k").text.splitlines()[1:]] == ["-"] * len(served.nodes)
    served.hosts = {first: "h7"}
    assert cli("locate", "b", "k").text.splitlines()[1].split()[2] == "h7"
    shown = json.loads(cli("locate", "b", "k", "--json").out)
    assert [r["host_label"] for r in shown["replicas"]][:2] == ["h7", ""]
