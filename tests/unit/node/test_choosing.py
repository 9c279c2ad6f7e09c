import pytest

from dynamo.errors import QuorumUnavailable
from dynamo.node.choosing import Chooser, Chosen
from dynamo.node.liveness import Liveness
from dynamo.ring.preference_list import PreferenceLists
from dynamo.ring.ring import Member, first_ring
from tests.unit.node.world import World

KEY = b"k"


@pytest.fixture
def world() -> World:
    """Six nodes, three replicas a key."""
    return World(6)


def chosen(world: World, at: str, *, fallbacks: bool = True, stands_in: bool = True) -> Chosen:
    node = world[at]
    liveness = Liveness(at, node.peers, node.detector)
    chooser = Chooser(at, node.preference, liveness, stands_in=stands_in)
    return chooser.choose(node.preference.partition("b", KEY), 3, fallbacks=fallbacks)


def fallbacks(world: World) -> tuple[str, ...]:
    preference = world["node1"].preference
    return preference.fallbacks(preference.partition("b", KEY), 3)


def test_all_are_alive(world):
    """This node first, then the preference list; every other node is spare."""
    first, second, third = world.primaries(KEY)
    found = chosen(world, second)
    assert found == Chosen((first, second, third), (second, first, third), (), fallbacks(world))


def test_who_is_down_is_away(world):
    """Primaries and fallbacks alike; order stays."""
    first, second, third = world.primaries(KEY)
    d, e, f = fallbacks(world)
    world.network.down = {first, third, e}
    assert chosen(world, second) == Chosen((first, second, third), (second,), (first, third), (d, f))


def test_a_fallback_counts_itself(world):
    """It is alive, and may stand in."""
    world.network.down = set(world.primaries(KEY))
    assert chosen(world, fallbacks(world)[1]).spare == fallbacks(world)


@pytest.mark.parametrize("switched", [{"fallbacks": False}, {"stands_in": False}])
def test_nobody_stands_in_where_that_is_switched_off(world, switched):
    """By the request, or by hints.enabled."""
    assert chosen(world, "node1", **switched).spare == ()


class Looked:
    """Liveness of many nodes, that keeps who was asked about."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.at: list[str] = []

    def is_alive(self, node: str) -> bool:
        self.at.append(node)
        return node not in self.down


def test_of_many_nodes_a_few_are_looked_at():
    """The replicas and two fallbacks for each, the next ones where some of those are down: whoever else is alive."""
    preference = PreferenceLists(first_ring([Member(f"n{number}", "h", 1, 2, 3) for number in range(40)], 64))
    looked, others = Looked(), preference.fallbacks(5, 3)
    chooser = Chooser("n1", preference, looked, stands_in=True)
    assert chooser.choose(5, 3, fallbacks=True).spare == others[:6]
    assert looked.at == [*preference.primaries(5, 3), *others[:6]]
    looked.down = {others[0], others[4]}
    assert chooser.choose(5, 3, fallbacks=True).spare == (*others[1:4], *others[5:8])
    looked.down = {others[8], others[20]}
    assert chooser.choose(5, 3, fallbacks=True).spare == others[:6]


CHOSEN = Chosen(("a", "b", "c"), ("a",), ("b", "c"), ("d",))


@pytest.mark.parametrize(
    ("needed", "primaries", "sloppy", "missing"),
    [
        (1, 0, False, None),
        (1, 1, True, None),
        (2, 0, True, None),
        (2, 1, True, None),
        (2, 0, False, {"required": 2, "alive": 1}),
        (3, 0, True, {"required": 3, "alive": 2}),
        (2, 2, True, {"required": 2, "alive": 1}),
    ],
)
def test_too_few(needed, primaries, sloppy, missing):
    """The error names what is lacking: nodes, or primaries among them. A spare node helps only for one that is away."""
    if missing is None:
        CHOSEN.check(needed, primaries, sloppy=sloppy)
        return
    with pytest.raises(QuorumUnavailable) as caught:
        CHOSEN.check(needed, primaries, sloppy=sloppy)
    assert caught.value.members == missing


def test_more_fallbacks_than_are_away_do_not_help():
    """W is at most N: each stands in for one."""
    with pytest.raises(QuorumUnavailable):
        Chosen(("a", "b"), ("a",), ("b",), ("d", "e", "f")).check(3, 0, sloppy=True)
