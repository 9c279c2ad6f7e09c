"""Whole nodes in memory, some of them away: what fallbacks take, answer and mint."""

import pytest

from dynamo.config import HintsSection, RequestsSection
from dynamo.errors import Applied, IdempotencyMismatch, QuorumUnavailable, ReadTimeout, StorageFull, WriteTimeout
from dynamo.layout import hint
from dynamo.layout.keyspaces import Keyspace, split_hint_key
from dynamo.protocol.commands import Consistency, WriteOutcome
from dynamo.protocol.messages import Fetch, Forward, Store
from dynamo.versioning.hybrid_time import stamp
from dynamo.versioning.record import Record, decode, encode
from tests.unit.node.world import World

KEY = b"k"


@pytest.fixture
def world() -> World:
    """Six nodes, three replicas a key."""
    return World(6)


def fallbacks(world: World) -> tuple[str, ...]:
    preference = world["node1"].preference
    return preference.fallbacks(preference.partition("b", KEY), 3)


def hints(world: World, node: str) -> dict[str, Record]:
    """What a node keeps, by target."""
    kept = world.storage[node].durable[Keyspace.HINTS]
    return {split_hint_key(stored)[0]: decode(hint.decode(data).record) for stored, data in kept.items()}


def values(record: Record) -> list[bytes | None]:
    return [sibling.value for sibling in record.siblings]


def requests(world: World, *kinds: type) -> list[tuple[str, str, str]]:
    """Who sent whom what for whom."""
    return [(s, p, getattr(m, "hint_for", "")) for s, p, m in world.network.sent if isinstance(m, kinds)]


# --- writes


def test_a_fallback_keeps_what_a_primary_misses(world):
    """It counts; the answer says how many of each, and the coordinator counts why."""
    first, second, third = world.primaries(KEY)
    d, e, _ = fallbacks(world)
    world.network.down = {second, third}
    outcome = world.write(first, KEY, b"x")
    assert (outcome.primaries, outcome.fallbacks) == (1, 1)
    assert requests(world, Store) == [(first, d, second), (first, e, third)]
    assert {target: values(record) for target, record in hints(world, d).items()} == {second: [b"x"]}
    metrics = world[first].metrics
    assert (metrics.write_hints["down"].value, metrics.sloppy_writes.value) == (2, 1)


def test_a_silent_primary_gets_a_hint_after_a_while(world):
    """If the write waits for it; nothing is left to be woken for afterwards."""
    first, _second, third = world.primaries(KEY)
    world.storage[third].held = True
    outcomes = []
    world[first].write(world.command(KEY, b"x", w=3), world.clock.now + 2, "t", outcomes.append)
    world.agenda.run()
    assert outcomes == []
    assert hints(world, fallbacks(world)[0]) == {}
    world.clock.turn(0.5)
    world.agenda.run()
    assert hints(world, fallbacks(world)[0]).keys() == {third}
    assert world[first].metrics.write_hints["silent"].value == 0, "counted when all is settled"
    world.storage[third].release()
    world.agenda.run()
    assert world[first].metrics.write_hints["silent"].value == 1
    assert len(world[first].wakeups) == 0 or all(e[2].callback is None for e in world[first].wakeups._heap)


def test_where_no_fallback_is_left_the_coordinator_keeps_it():
    """Three nodes, three replicas: it never counts, and is there."""
    world = World(3)
    first, _second, third = world.primaries(KEY)
    world.network.down = {third}
    outcome = world.write(first, KEY, b"x")
    assert (outcome.primaries, outcome.fallbacks) == (2, 0)
    assert hints(world, first).keys() == {third}
    assert isinstance(world.write(first, KEY, b"y", w=3), QuorumUnavailable)


def test_strict_writes_leave_hints_that_do_not_count(world):
    """By the request, or by the bucket."""
    first, second, third = world.primaries(KEY)
    world.network.down = {second, third}
    sent = len(world.network.sent)
    refused = world.write(first, KEY, b"x", sloppy=False)
    assert isinstance(refused, QuorumUnavailable)
    assert refused.members == {"required": 2, "alive": 1}
    assert len(world.network.sent) == sent
    world.network.down = {third}
    assert world.write(first, KEY, b"x", sloppy=False).primaries == 2
    assert hints(world, fallbacks(world)[0]).keys() == {third}


def test_pw_counts_primaries(world):
    """W=2 would be had with a fallback; PW=2 is not."""
    first, second, third = world.primaries(KEY)
    world.network.down = {second, third}
    assert isinstance(world.write(first, KEY, b"x", pw=2), QuorumUnavailable)
    assert isinstance(world.write(first, KEY, b"x", pw=1), WriteOutcome)


def test_with_hints_switched_off_nobody_stands_in():
    """And nothing is kept."""
    world = World(6, hints=HintsSection(enabled=False))
    first, second, third = world.primaries(KEY)
    world.network.down = {second, third}
    assert isinstance(world.write(first, KEY, b"x"), QuorumUnavailable)
    assert isinstance(world.write(first, KEY, b"x", w=1), WriteOutcome)
    assert all(hints(world, node) == {} for node in world.network.nodes)


def test_no_node_has_room(world):
    """Refused for certain: no hint is left anywhere."""
    first, *_ = world.primaries(KEY)
    for storage in world.storage.values():
        storage.full = True
    refused = world.write(first, KEY, b"x")
    assert isinstance(refused, StorageFull)
    assert refused.applied is Applied.NO
    assert all(hints(world, node) == {} for node in world.network.nodes)


# --- standing in


def test_a_fallback_coordinates_where_no_primary_is_alive(world):
    """It mints over its own hint, under an actor of its own; the others keep theirs. All of it is read back."""
    primaries = world.primaries(KEY)
    d, e, f = fallbacks(world)
    world.network.down = set(primaries)
    outcome = world.write(e, KEY, b"x")
    assert (outcome.primaries, outcome.fallbacks, outcome.coordinator) == (0, 2, e)
    kept = [hints(world, node) for node in (d, e, f)]
    assert [list(each) for each in kept] == [[primaries[0]], [primaries[1]], [primaries[2]]]
    (sibling,) = kept[1][primaries[1]].siblings
    assert sibling.actor.startswith(f"{e}~{world.identity[e].incarnation}")
    assert world[e].metrics.stand_in_writes.value == 1
    assert [world.values(node, KEY) for node in (d, e, f)] == [[b"x"]] * 3
    assert world.values(d, KEY, r=1) == [b"x"]


def test_a_strict_write_needs_a_primary(world):
    """Nobody stands in for it."""
    world.network.down = set(world.primaries(KEY))
    for words in ({"sloppy": False}, {"pw": 1}):
        assert isinstance(world.write(fallbacks(world)[0], KEY, b"x", **words), QuorumUnavailable)
        assert isinstance(world.write(fallbacks(world)[0], KEY, b"x", w=1, **words), QuorumUnavailable)


def test_another_node_forwards_to_those_that_stand_in():
    """Of more fallbacks than primaries, the first ones coordinate, as reads will ask them."""
    world = World(8)
    world.network.down = set(world.primaries(KEY))
    d, *_, last = fallbacks(world)
    outcome = world.write(last, KEY, b"x")
    assert outcome.coordinator == d
    assert requests(world, Forward) == [(last, d, "")]
    assert world.values(last, KEY) == [b"x"]


def test_a_second_write_continues_the_first(world):
    """While the hint is here the actor goes on, and a context supersedes."""
    world.network.down = set(world.primaries(KEY))
    d, *_ = fallbacks(world)
    first = decode(world.write(d, KEY, b"old").record)
    second = decode(world.write(d, KEY, b"new", context=first.clock).record)
    assert values(second) == [b"new"]
    assert second.clock == {first.siblings[0].actor: 2}
    assert world.values(fallbacks(world)[1], KEY) == [b"new"]


def test_after_the_hint_is_gone_another_actor_mints(world):
    """A dot of the first one would claim to have seen what this node no longer knows, and hide it."""
    primaries = world.primaries(KEY)
    world.network.down = set(primaries)
    d, e, f = fallbacks(world)
    first = decode(world.write(d, KEY, b"first").record)
    for node in (d, e, f):
        world.storage[node].durable[Keyspace.HINTS].clear()
    second = decode(world.write(d, KEY, b"second").record)
    assert second.siblings[0].actor != first.siblings[0].actor
    assert second.clock.keys().isdisjoint(first.clock)
    world.network.down = set()
    for record in (first, second):
        world[primaries[0]].replica.store(Store("b", KEY, encode(record)), lambda _: None)
    world.agenda.run()
    assert sorted(world.values(primaries[0], KEY, r=1)) == [b"first", b"second"]


def test_actors_differ_by_key_and_by_life(world):
    """And by target, where another primary is the first to be away."""
    world.network.down = set(world.primaries(KEY))
    d, *_ = fallbacks(world)
    one = decode(world.write(d, KEY, b"x").record).siblings[0].actor
    other = decode(world.write(d, KEY + b"/2", b"x").record).siblings[0].actor
    assert one != other
    world.crash(d)
    again = decode(world.write(d, KEY, b"y").record)
    assert again.siblings[-1].actor not in (one, other)
    assert sorted(values(again)) == [b"x", b"y"]


def test_a_repeat_is_found_in_the_hint(world):
    """No second dot; another payload under the same name is refused."""
    world.network.down = set(world.primaries(KEY))
    d, *_ = fallbacks(world)
    first = world.write(d, KEY, b"x", request=b"r" * 16)
    again = world.write(d, KEY, b"x", request=b"r" * 16)
    assert again.repeated
    assert again.record == first.record
    assert isinstance(world.write(d, KEY, b"other", request=b"r" * 16), IdempotencyMismatch)


def test_a_delete_removes_what_those_who_stand_in_show(world):
    """Also without a context: they are read first."""
    world.network.down = set(world.primaries(KEY))
    d, e, _ = fallbacks(world)
    world.write(d, KEY, b"x")
    assert isinstance(world.write(e, KEY, None), WriteOutcome)
    assert world.values(d, KEY) == []
    assert world.values(e, KEY, r=1) == []


def test_a_delete_that_can_see_nothing_is_refused(world):
    """Nobody alive has heard of the key: what a delete without a context means, only the primaries know."""
    world.network.down = set(world.primaries(KEY))
    refused = world.write(fallbacks(world)[0], KEY, None)
    assert isinstance(refused, QuorumUnavailable)
    assert isinstance(world.write(fallbacks(world)[0], KEY, None, context={"a": 1}), WriteOutcome)


def test_a_full_disk_of_who_stands_in(world):
    """The other fallbacks suffice; all of them full is a definite error."""
    world.network.down = set(world.primaries(KEY))
    d, e, f = fallbacks(world)
    world.storage[d].full = True
    assert world.write(d, KEY, b"x").fallbacks == 2
    world.storage[e].full = world.storage[f].full = True
    refused = world.write(d, KEY + b"/2", b"x")
    assert isinstance(refused, StorageFull | WriteTimeout)


def test_a_damaged_hint_is_no_base(world):
    """It is replaced, and another actor begins."""
    world.network.down = set(world.primaries(KEY))
    d, *_ = fallbacks(world)
    world.write(d, KEY, b"lost here")
    ((stored, data),) = world.storage[d].durable[Keyspace.HINTS].items()
    world.storage[d].durable[Keyspace.HINTS][stored] = data[:-1] + bytes([data[-1] ^ 1])
    assert isinstance(world.write(d, KEY, b"x"), WriteOutcome)
    assert sorted(world.values(d, KEY)) == [b"lost here", b"x"]


# --- reads


def test_a_read_finds_what_a_sloppy_write_left(world):
    """Its own primary is back, and empty; the others are away with their hints at the fallbacks."""
    first, second, third = world.primaries(KEY)
    world.network.down = {second, third}
    world.write(first, KEY, b"x")
    world.network.down = {first, third}
    world.network.sent.clear()
    assert isinstance(world.read(second, KEY, sloppy=False), QuorumUnavailable)
    world.network.down = {second, third}
    assert world.values(first, KEY) == [b"x"]
    assert requests(world, Fetch) == [(first, fallbacks(world)[0], second)]


def test_a_fallback_without_a_hint_speaks_beside_a_primary_only(world):
    """With one it makes up the number; alone it does not make a missing key."""
    first, second, third = world.primaries(KEY)
    world.network.down = {second, third}
    assert world.values(first, KEY) == []
    world.network.down = {first, second, third}
    assert isinstance(world.read(fallbacks(world)[0], KEY), ReadTimeout)
    assert isinstance(world.read(fallbacks(world)[0], KEY, pr=1), QuorumUnavailable)


def test_the_nearest_replica_is_asked(world):
    """By how fast it answered lately."""
    first, second, third = world.primaries(KEY)
    latencies = world[first]._coordinator._hedging.latencies
    latencies.observe(second, 0.2)
    latencies.observe(third, 0.001)
    world.read(first, KEY)
    assert requests(world, Fetch) == [(first, third, "")]


def test_a_late_answer_is_hedged():
    """One replica that answers nothing holds up a read for as long as an answer is not late, and no longer."""
    world = World(3, requests=RequestsSection(read_all_share=0.0, hedge_share=1.0))
    first, second, _third = world.primaries(KEY)
    world.write(first, KEY, b"x", consistency=Consistency.ALL)
    world[first]._coordinator._hedging.latencies.late_s = 0.01
    world.network.lost = {second}
    began = world.clock.now
    outcomes: list = []
    world.begin_read(first, KEY, outcomes)
    world.clock.turn(0.01)
    world.agenda.run()
    assert values(outcomes[0].record) == [b"x"]
    assert world.clock.now == began + 0.01
    world.clock.turn(2)
    world.network.fail_lost()
    world.agenda.run()
    metrics = world[first].metrics
    assert (metrics.hedges["sent"].value, metrics.hedges["won"].value) == (1, 1)


def test_a_context_older_than_tombstones_live_is_not_waited_for(world):
    """All three replicas hold nothing: the key was deleted and forgotten. A young context is waited for."""
    first, *_ = world.primaries(KEY)
    old = stamp(world.clock.wall - 3_600_000)
    assert world.values(first, KEY, context={"gone": 1}, context_hybrid=old) == []
    young = stamp(world.clock.wall - 3_599_000)
    assert world.read(first, KEY, context={"gone": 1}, context_hybrid=young).code == "context-not-reached"
