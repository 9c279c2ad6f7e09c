"""Whom a coordinator counts on."""

from dynamo.node.liveness import Liveness


class Peers:
    def is_up(self, peer: str) -> bool:
        return peer == "node2"

    def send(self, *_: object) -> None:
        raise AssertionError("liveness only asks")


def test_a_node_counts_on_itself_and_on_whom_it_reaches():
    """The others are asked for nothing."""
    liveness = Liveness("node1", Peers())
    assert [liveness.is_alive(node) for node in ("node1", "node2", "node3")] == [True, True, False]
