import pytest

from dynamo.client.routing import Routing, endpoint
from dynamo.errors import InvalidParameter
from dynamo.ring.preference_list import PreferenceLists
from dynamo.ring.ring import Member, first_ring

SEEDS = ["a:1", "b:2", "c:3"]


def ring(*ids: str, epoch: int = 1):
    return first_ring([Member(i, f"host-{i}", 0, 7610, 0) for i in ids], 64, epoch)


def routing(*ids: str, turn: float = 0.0) -> Routing:
    made = Routing(SEEDS, lambda: turn)
    if ids:
        made.install(ring(*ids))
    return made


def test_without_a_ring_the_seeds_take_turns():
    """Clients begin at different nodes."""
    assert routing().order("b", b"k", 0.0) == SEEDS
    assert routing(turn=0.34).order("b", b"k", 0.0) == ["b:2", "c:3", "a:1"]


def test_with_a_ring_a_replica_comes_first():
    """The order is the key's preference list, computed as the nodes compute it; then fallbacks, then seeds."""
    made = routing("n1", "n2", "n3", "n4", "n5")
    lists = PreferenceLists(made.ring)
    for number in range(50):
        key = f"key-{number}".encode()
        partition = lists.partition("b", key)
        wanted = [f"host-{n}:7610" for n in lists.primaries(partition, 3) + lists.fallbacks(partition, 3)]
        assert made.order("b", key, 0.0) == wanted + SEEDS


def test_keys_of_one_partition_key_go_to_one_node():
    """What shares replicas shares a first node."""
    made = routing("n1", "n2", "n3", "n4", "n5")
    assert made.order("b", b"user/1", 0.0) == made.order("b", b"user/2", 0.0)


def test_a_request_without_a_key_goes_round():
    """Listings and bucket calls spread over the members."""
    made = routing("n1", "n2", "n3", turn=0.5)
    assert made.order("", None, 0.0)[:3] == ["host-n2:7610", "host-n3:7610", "host-n1:7610"]


def test_a_failed_node_comes_last_for_a_while():
    """And the wait doubles with each failure, up to a bound; an answer ends it."""
    made = routing()
    made.failed("a:1", 0.0)
    assert made.order("b", b"k", 0.4) == ["b:2", "c:3", "a:1"]
    assert made.order("b", b"k", 0.6) == SEEDS
    made.failed("a:1", 1.0)
    assert made.order("b", b"k", 1.9)[-1] == "a:1"
    for _ in range(20):
        made.failed("a:1", 2.0)
    assert made.order("b", b"k", 11.9)[-1] == "a:1"
    assert made.order("b", b"k", 12.1) == SEEDS
    made.failed("a:1", 20.0)
    made.answered("a:1")
    assert made.order("b", b"k", 20.0) == SEEDS


def test_when_all_failed_all_are_still_tried():
    """Suspicion orders, it never excludes."""
    made = routing()
    for seed in SEEDS:
        made.failed(seed, 0.0)
    assert sorted(made.order("b", b"k", 0.1)) == SEEDS


def test_the_ring_is_wanted_at_first_on_another_epoch_and_on_failure():
    """But not twice within a second."""
    made = routing()
    assert made.wants_refresh(7, 0.0)
    assert not made.wants_refresh(7, 0.5)
    made.install(ring("n1", epoch=7))
    assert not made.wants_refresh(7, 2.0)
    assert made.wants_refresh(8, 2.0)
    assert not made.wants_refresh(8, 2.9)
    assert made.wants_refresh(6, 3.1)
    assert made.wants_refresh(None, 5.0)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("h:1", "h:1"), (" h ", "h:7610"), ("[::1]:80", "[::1]:80"), ("[::1]", "[::1]:7610"), ("h:0080", "h:80")],
)
def test_endpoints_have_one_spelling(text, wanted):
    """The port may be left out, and one node is not known under two names."""
    assert endpoint(text) == wanted


@pytest.mark.parametrize("text", ["", ":80", "h:", "h:x", "h:0", "h:65536", "::1", "http://h:80", "h/p:1"])
def test_what_is_no_endpoint_is_refused(text):
    """At once, not when the first call fails."""
    with pytest.raises(InvalidParameter):
        endpoint(text)


def test_a_client_needs_an_endpoint():
    """An empty list is a mistake."""
    with pytest.raises(InvalidParameter):
        Routing([], lambda: 0.0)


def test_an_ipv6_member_is_written_in_brackets():
    """Else its port could not be told from its address."""
    made = routing()
    made.install(first_ring([Member("n1", "::1", 0, 7610, 0)], 1))
    assert made.order("b", b"k", 0.0)[0] == "[::1]:7610"
