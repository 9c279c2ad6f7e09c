import pytest

from dynamo.membership.detector import Change, Detector
from dynamo.membership.view import State
from dynamo.protocol.messages import MemberState

OTHERS = ["a", "b", "c", "d"]
ME = MemberState("me", State.ALIVE, 100, "me")


def suspect(node: str, incarnation: int = 0, by: str = "b") -> MemberState:
    return MemberState(node, State.SUSPECT, incarnation, by)


def dead(node: str, incarnation: int = 0, by: str = "b") -> MemberState:
    return MemberState(node, State.DEAD, incarnation, by)


def alive(node: str, incarnation: int) -> MemberState:
    return MemberState(node, State.ALIVE, incarnation, node)


@pytest.fixture
def detector() -> Detector:
    """Of a cluster of five: shortest suspicion 4 s, longest 12 s, three confirmations wanted."""
    return Detector("me", OTHERS, 100, suspicion_multiplier=4.0, period_s=1.0)


def states(detector: Detector) -> dict[str, State]:
    return {held.node: State(held.state) for held in detector.view.all() if held.state}


def test_a_failed_probe_makes_a_suspect_and_its_time_a_death(detector):
    """One lone accuser needs the longest time."""
    assert detector.accuse("a", [], 10.0) == [Change(suspect("a", by="me"), State.ALIVE)]
    assert detector.suspects() == ["a"]
    assert detector.expire(21.9) == []
    assert detector.dead == {}
    assert detector.expire(22.0) == [Change(dead("a", by="me"), State.SUSPECT)]
    assert detector.dead == {"a": None}
    assert detector.expire(60.0) == []
    assert detector.suspects() == []


def test_witnesses_shorten_the_time(detector):
    """Each helper that could not reach it either is an accuser."""
    detector.accuse("a", ["b", "c", "d"], 10.0)
    assert detector.expire(13.9) == []
    assert states(detector) == {"a": State.SUSPECT}
    detector.expire(14.0)
    assert states(detector) == {"a": State.DEAD}


def test_accusers_that_are_heard_of_shorten_it_too(detector):
    """As long as they mean the same incarnation; and are passed on."""
    detector.accuse("a", [], 10.0)
    assert detector.hear([suspect("a", 0, by) for by in "bcd"], 11.0) == []
    assert detector.tell("b")[1:] == [suspect("a", 0, "d")]
    detector.expire(14.0)
    assert states(detector) == {"a": State.DEAD}
    detector.accuse("c", [], 20.0)
    detector.hear([suspect("c", 0, "b"), suspect("c", 0, "b")], 21.0)
    assert detector.expire(24.0) == []


def test_a_suspect_that_contradicts_is_alive(detector):
    """Nothing of the old suspicion is left."""
    detector.accuse("a", [], 10.0)
    assert detector.hear([alive("a", 0)], 11.0) == []
    assert detector.hear([alive("a", 1)], 11.0) == [Change(alive("a", 1), State.SUSPECT)]
    assert (states(detector), detector.suspects(), detector.expire(99.0)) == ({}, [], [])


def test_the_dead_come_back(detector):
    """By their own word, never by being probed."""
    detector.accuse("a", ["b", "c", "d"], 10.0)
    detector.expire(14.0)
    assert detector.accuse("a", [], 15.0) == []
    assert detector.hear([alive("a", 0), suspect("a", 0)], 15.0) == []
    assert detector.hear([alive("a", 1)], 16.0) == [Change(alive("a", 1), State.DEAD)]
    assert detector.dead == {}


def test_nobody_is_dead_on_somebodys_word_alone(detector):
    """It is an accusation at first; after half of the shortest time of a suspicion here, it is believed."""
    assert detector.hear([dead("a")], 10.0) == [Change(suspect("a"), State.ALIVE)]
    assert detector.suspects() == ["a"]
    assert detector.hear([dead("a", by="c")], 11.9) == []
    assert detector.dead == {}
    assert detector.hear([dead("a", by="c")], 12.0) == [Change(dead("a", by="c"), State.SUSPECT)]
    assert detector.dead == {"a": None}


def test_somebodys_word_leaves_a_suspect_the_shortest_time(detector):
    """Nobody has to say it again."""
    detector.hear([dead("a")], 10.0)
    assert detector.expire(13.9) == []
    assert detector.expire(14.0) == [Change(dead("a", by="me"), State.SUSPECT)]


def test_an_outdated_death_is_nothing(detector):
    """The node has contradicted since."""
    detector.hear([alive("a", 5)], 10.0)
    assert detector.hear([dead("a", 4)], 11.0) == []
    assert detector.hear([suspect("a", 5)], 11.0) != []
    assert detector.hear([dead("a", 4)], 11.0) == []
    assert detector.expire(22.9) == []


def test_a_death_in_a_newer_incarnation_is_an_accusation_too(detector):
    """The suspicion of the older one was contradicted, though nobody has heard it here."""
    detector.accuse("a", [], 10.0)
    assert detector.hear([dead("a", 5)], 20.0) == [Change(suspect("a", 5), State.SUSPECT)]
    detector.hear([dead("a", 5)], 22.0)
    assert detector.hear([dead("a", 6)], 23.0) == [Change(dead("a", 6), State.DEAD)]


@pytest.mark.parametrize(("said", "incarnation"), [(suspect("me", 100), 101), (dead("me", 150), 151)])
def test_a_node_contradicts_what_is_said_of_it(detector, said, incarnation):
    """That is a sign that it is ill, and reported; its next messages say so."""
    assert detector.hear([said], 10.0) == [Change(alive("me", incarnation), State(said.state))]
    assert detector.health.score == 1
    assert detector.tell("a")[0] == alive("me", incarnation)
    assert detector.hear([said], 11.0) == []


def test_an_incarnation_of_an_earlier_run_is_passed(detector):
    """Nobody accuses anybody: the clock was set back between two starts."""
    assert detector.hear([alive("me", 200)], 10.0) == []
    assert detector.tell("a") == [alive("me", 201)]
    assert detector.health.score == 0


def test_a_message_begins_with_oneself_and_what_is_held_against_its_receiver(detector):
    """So that it can contradict at once, however often the news was told already."""
    detector.accuse("a", [], 10.0)
    for _ in range(20):
        assert detector.tell("a") == [ME, suspect("a", by="me")]
    assert detector.tell("b") == [ME]
    assert detector.tell("stranger") == [ME]


def test_after_a_stop_suspects_have_their_time_again(detector):
    """They could not be heard meanwhile; and the stop is a sign that this node is ill."""
    detector.accuse("a", ["b", "c", "d"], 10.0)
    detector.excuse(1000.0)
    assert detector.health.score == 1
    assert detector.expire(1007.9) == []
    assert [change.saying for change in detector.expire(1008.0)] == [dead("a", by="me")]


def test_strangers_are_nobody(detector):
    """Neither suspected nor told of."""
    assert detector.hear([suspect("z"), dead("z"), MemberState("a", 7, 9)], 10.0) == []
    assert detector.tell("a") == [ME]
