import pytest

from dynamo.node import recent_acks
from dynamo.node.recent_acks import RecentAcks
from dynamo.protocol.messages import Acknowledged, AskAcknowledged, SpanAcks
from tests.unit.node.world import ManualClock

ACTOR = "n1.00000001"


class Memory(RecentAcks):
    """One that is easily asked."""

    def __init__(self, entries_max: int = 100, age_max_s: float = 60.0) -> None:
        self.clock = ManualClock()
        super().__init__(self.clock, entries_max, age_max_s)

    def span(self, after: int, upto: int, *, key: bytes = b"k", actor: str = ACTOR) -> SpanAcks:
        answers: list[Acknowledged] = []
        self.tell(AskAcknowledged("b", key, [(actor, after, upto)]), 0.0, "", answers.append)
        assert answers[0].clock_s == self.clock.now
        return answers[0].spans[0]


@pytest.fixture
def memory() -> Memory:
    return Memory()


def test_a_write_is_found_with_the_age_of_its_acknowledgement(memory: Memory):
    """And how many replicas had it; one that has none was not acknowledged."""
    memory.begun("b", b"k", (ACTOR, 5), 0)
    assert memory.span(0, 5) == SpanAcks([(5, -1.0, 0)])
    memory.acknowledged((ACTOR, 5), 2)
    memory.clock.turn(3.0)
    assert memory.span(0, 5) == SpanAcks([(5, 3.0, 2)])


def test_the_first_acknowledgement_counts(memory: Memory):
    """A repeat of the request is the same write."""
    memory.begun("b", b"k", (ACTOR, 5), 0)
    memory.acknowledged((ACTOR, 5), 1)
    memory.clock.turn(3.0)
    memory.acknowledged((ACTOR, 5), 3)
    assert memory.span(0, 5) == SpanAcks([(5, 3.0, 1)])


def test_the_writes_of_a_key_are_followed_back(memory: Memory):
    """Past those of other keys in between, as far as the span goes."""
    memory.begun("b", b"k", (ACTOR, 1), 0)
    memory.begun("b", b"other", (ACTOR, 2), 0)
    memory.begun("b", b"k", (ACTOR, 3), 1)
    memory.begun("b", b"k", (ACTOR, 4), 3)
    assert [counter for counter, _, _ in memory.span(0, 4).writes] == [4, 3, 1]
    assert [counter for counter, _, _ in memory.span(1, 4).writes] == [4, 3]
    assert [counter for counter, _, _ in memory.span(2, 3).writes] == [3]
    assert memory.span(0, 4).unknown_upto == 0


def test_what_is_not_there_is_unknown(memory: Memory):
    """Another key's counter, another actor's, one from before a restart: never "not acknowledged"."""
    memory.begun("b", b"k", (ACTOR, 3), 2)
    assert memory.span(0, 3) == SpanAcks([(3, -1.0, 0)], 2)
    assert memory.span(2, 3).unknown_upto == 0
    assert memory.span(0, 3, key=b"other") == SpanAcks([], 3)
    assert memory.span(0, 3, actor="n1.00000002") == SpanAcks([], 3)
    assert memory.span(3, 9) == SpanAcks([], 9)


def test_it_is_bounded_in_number():
    """The oldest are forgotten first."""
    memory = Memory(entries_max=3)
    for counter in range(1, 6):
        memory.begun("b", b"k", (ACTOR, counter), counter - 1)
    assert len(memory) == 3
    assert memory.span(0, 5) == SpanAcks([(5, -1.0, 0), (4, -1.0, 0), (3, -1.0, 0)], 2)


def test_it_is_bounded_in_age():
    """Counted from when they were begun."""
    memory = Memory(age_max_s=60.0)
    memory.begun("b", b"k", (ACTOR, 1), 0)
    memory.clock.turn(61.0)
    memory.begun("b", b"k", (ACTOR, 2), 1)
    assert (len(memory), memory.span(0, 2).unknown_upto) == (1, 1)


def test_none_may_be_remembered():
    """Then everything is unknown."""
    memory = Memory(entries_max=0)
    memory.begun("b", b"k", (ACTOR, 1), 0)
    memory.acknowledged((ACTOR, 1), 1)
    assert (len(memory), memory.span(0, 1)) == (0, SpanAcks([], 1))


def test_an_answer_is_bounded(memory: Memory, monkeypatch: pytest.MonkeyPatch):
    """The newest are told, the rest is unknown."""
    monkeypatch.setattr(recent_acks, "WRITES_TOLD_MAX", 2)
    for counter in range(1, 6):
        memory.begun("b", b"k", (ACTOR, counter), counter - 1)
    assert memory.span(0, 5) == SpanAcks([(5, -1.0, 0), (4, -1.0, 0)], 3)


def test_after_clearing_all_is_unknown(memory: Memory):
    """What was acknowledged while nothing was noted must not look as if it had failed."""
    memory.begun("b", b"k", (ACTOR, 1), 0)
    memory.clear()
    memory.acknowledged((ACTOR, 1), 1)
    assert (len(memory), memory.span(0, 1)) == (0, SpanAcks([], 1))


def test_versions_of_linearizable_keys(memory: Memory):
    """Their numbers are each key's own; the one before is one less; noted once."""
    memory.chosen("b", b"k", 7)
    memory.chosen("b", b"other", 7)
    memory.clock.turn(2.0)
    memory.chosen("b", b"k", 8)
    memory.chosen("b", b"k", 7)
    assert memory.span(5, 8, actor="~") == SpanAcks([(8, 0.0, 0), (7, 2.0, 0)], 6)
    assert memory.span(6, 7, key=b"other", actor="~") == SpanAcks([(7, 2.0, 0)])
    assert len(memory) == 3
