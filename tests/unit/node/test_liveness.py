"""Whom a coordinator counts on."""

from dynamo.membership.detector import Detector
from dynamo.membership.view import State
from dynamo.node.liveness import Liveness
from dynamo.protocol.messages import MemberState


class Peers:
    def is_up(self, peer: str) -> bool:
        return peer != "node3"

    def send(self, *_: object) -> None:
        raise AssertionError("liveness only asks")


def test_a_node_counts_on_itself_and_on_whom_it_reaches_and_does_not_hold_dead():
    """A suspect is still asked; the dead are, once they have contradicted. The others are asked for nothing."""
    others = ["node2", "node3", "node4"]
    detector = Detector("node1", others, 1, suspicion_multiplier=4.0, period_s=1.0)
    liveness = Liveness("node1", Peers(), detector)

    def alive() -> list[bool]:
        return [liveness.is_alive(node) for node in ("node1", *others)]

    assert alive() == [True, True, False, True]
    detector.accuse("node4", [], 0.0)
    assert alive() == [True, True, False, True]
    detector.expire(100.0)
    assert alive() == [True, True, False, False]
    detector.hear([MemberState("node4", State.ALIVE, 1)], 100.0)
    assert alive() == [True, True, False, True]
