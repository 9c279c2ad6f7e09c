"""A node judges the reads that it coordinates: by what it hears of others, with the same answers for the client."""

import msgspec
import pytest

from dynamo.config import TelemetrySection
from dynamo.errors import DynamoError
from dynamo.node.judging import ANSWER_S
from dynamo.protocol.commands import ChangeOutcome, ReadOutcome, WriteOutcome
from dynamo.protocol.messages import AskAcknowledged
from dynamo.protocol.paxos import LearnMany
from dynamo.telemetry.staleness_series import LEVELS, VERDICTS
from tests.unit.node.strict_world import BUCKET, StrictWorld
from tests.unit.node.world import World

KEY = b"k"
ALL = TelemetrySection(staleness_sample=1.0)


@pytest.fixture
def world() -> World:
    """Three nodes that judge every read."""
    return World(telemetry=ALL)


def verdicts(world: World, at: str) -> dict[str, int]:
    """What a node has counted, by level and verdict; zeros left out."""
    levels = world[at].metrics.staleness.levels
    found = {
        f"{level} {verdict}": int(levels[level].verdicts[verdict].value) for level in LEVELS for verdict in VERDICTS
    }
    return {name: count for name, count in found.items() if count}


def sessions(world: World, at: str) -> dict[str, int]:
    """What a node has counted of sessions; zeros left out."""
    found = world[at].metrics.staleness.sessions
    return {" ".join(labels): int(cell.value) for labels, cell in found.items() if cell.value}


def whatif(world: World, at: str) -> list[str]:
    """The verdict at one reply, at two, at three, where one read was judged."""
    return [
        next((verdict for verdict in VERDICTS if cells[verdict].value), "")
        for cells in world[at].metrics.staleness.whatif[:3]
    ]


def asked(world: World) -> list[str]:
    return [to for _, to, message in world.network.sent if isinstance(message, AskAcknowledged)]


def write_to_one(world: World, *, w: int = 1) -> WriteOutcome | DynamoError:
    """A write through node1 that reaches nobody else; then its key's other replicas are back, and time passes."""
    world.network.lost = {"node2", "node3"}
    outcome = world.write("node1", KEY, b"v", w=w, sloppy=False)
    world.network.fail_lost()
    world.agenda.run()
    world.network.lost = set()
    world.clock.turn(5.0)
    return outcome


def test_equal_replicas_need_no_question(world: World):
    """A fresh read is 0 s and 0 versions stale, at any number of replies."""
    world.write("node1", KEY, b"v", w=3)
    world.read("node2", KEY, r=1)
    assert verdicts(world, "node2") == {"one fresh": 1}
    assert whatif(world, "node2") == ["fresh"] * 3
    level = world["node2"].metrics.staleness.levels["one"]
    assert (level.seconds.buckets[0], level.versions.buckets[0], level.seconds.count) == (1, 1, 1)
    assert asked(world) == []


def test_a_read_that_missed_an_acknowledged_write_is_stale(world: World):
    """Since the acknowledgement; its coordinator says so, after the client was answered."""
    assert isinstance(write_to_one(world), WriteOutcome)
    found = world.read("node2", KEY, r=1)
    assert isinstance(found, ReadOutcome)
    assert found.record is None
    assert asked(world) == ["node1"]
    assert verdicts(world, "node2") == {"one stale": 1}
    level = world["node2"].metrics.staleness.levels["one"]
    assert level.seconds.sum == pytest.approx(5.0, abs=0.01)
    assert level.versions.sum == 1


def test_what_fewer_or_more_replies_would_have_come_to(world: World):
    """The first reply has missed it, and all three together have not."""
    write_to_one(world)
    world.read("node2", KEY, r=3)
    assert verdicts(world, "node2") == {"all fresh": 1}
    first, *_, last = whatif(world, "node2")
    assert (first, last) == ("stale", "fresh")
    assert [histogram.count for histogram in world["node2"].metrics.staleness.reply_times[:4]] == [1, 1, 1, 0]


def test_a_failed_write_left_on_one_replica_makes_nothing_stale(world: World):
    """However old it is: nobody was told that it is kept."""
    assert isinstance(write_to_one(world, w=2), DynamoError)
    world.read("node2", KEY, r=1)
    assert verdicts(world, "node2") == {"one inflight": 1}
    assert world["node2"].metrics.staleness.levels["one"].seconds.buckets[0] == 1


def test_a_coordinator_that_has_forgotten_leaves_it_unresolved(world: World):
    """A restart forgets; nothing is counted that nobody knows."""
    write_to_one(world)
    world.crash("node1")
    world.read("node2", KEY, r=1)
    assert verdicts(world, "node2") == {"one unresolved": 1}
    assert world["node2"].metrics.staleness.levels["one"].seconds.count == 0


def test_while_a_replica_is_away_nothing_is_known(world: World):
    """It may hold an acknowledged write that nobody else has: neither fresh nor stale reads are counted."""
    world.write("node1", KEY, b"v", w=3)
    world.network.down = {"node3"}
    world.read("node2", KEY, r=1)
    assert verdicts(world, "node2") == {"one unresolved": 1}


def test_a_read_that_fails_is_none(world: World):
    """There is no answer to judge."""
    world.network.down = {"node1", "node3"}
    assert isinstance(world.read("node2", KEY, r=2, sloppy=False), DynamoError)
    assert verdicts(world, "node2") == {}


def test_too_many_that_wait_are_shed():
    """The memory for open questions is bounded; what is beyond is unresolved, and counted."""
    world = World(telemetry=TelemetrySection(staleness_sample=1.0, checks_max=0))
    write_to_one(world)
    world.read("node2", KEY, r=1)
    assert (verdicts(world, "node2"), asked(world)) == ({"one unresolved": 1}, [])
    assert world["node2"].metrics.staleness.shed.value == 1


def test_a_silent_coordinator_is_not_waited_for(world: World):
    """A question has a deadline; the read is unresolved then, and nothing waits any more."""
    write_to_one(world)
    world["node1"]._handlers[AskAcknowledged] = lambda *_: None
    world.read("node2", KEY, r=1)
    assert (verdicts(world, "node2"), world["node2"].judge.status().waiting) == ({}, 1)
    world.clock.turn(ANSWER_S)
    assert verdicts(world, "node2") == {"one unresolved": 1}
    assert world["node2"].judge.status().waiting == 0


def test_switched_off_it_looks_at_nothing(world: World):
    """No questions, no counts, no memory; and what happened meanwhile stays unknown."""
    world["node1"].judge.switch(on=False)
    world["node2"].judge.switch(on=False)
    write_to_one(world)
    world.read("node2", KEY, r=1)
    assert (verdicts(world, "node2"), asked(world)) == ({}, [])
    assert world["node1"].judge.status().acks_remembered == 0
    world["node1"].judge.switch(on=True)
    world["node2"].judge.switch(on=True)
    write_to_one(world)
    world["node1"].judge.recent.clear()
    world.read("node2", KEY, r=1)
    assert verdicts(world, "node2") == {"one unresolved": 1}


@pytest.mark.parametrize(("share", "judged"), [(0.0, 0), (0.5, 0), (1.0, 1), (None, 1)])
def test_a_bucket_has_its_own_share(world: World, share: float | None, judged: int):
    """The dice always show 0.999."""
    world.write("node1", KEY, b"v", w=3)
    book = world["node2"].buckets
    bucket = book.for_reading("b")
    assert world["node2"].judge.share(bucket) == 1.0
    book.learn([msgspec.structs.replace(bucket, staleness_sample=share, changed=(2**62, "node1"))], lambda _: None)
    world.agenda.run()
    world.read("node2", KEY, r=1)
    assert sum(verdicts(world, "node2").values()) == judged


@pytest.mark.parametrize(("wrote", "guarantee"), [(True, "read_your_writes"), (False, "monotonic_reads")])
def test_what_a_session_would_have_seen(world: World, wrote: bool, guarantee: str):
    """A read with a context is answered new enough; counted is what its first replies would have done.

    Its context says which of it the session wrote itself.
    """
    write_to_one(world)
    context = {world["node1"].replica.mint.actor: 1}
    for expected in ({"violated": 1}, {"violated": 1, "kept": 1}):
        found = world.read("node2", KEY, r=1, context=context, context_wrote=context if wrote else {})
        assert isinstance(found, ReadOutcome)
        assert found.record is not None
        assert sessions(world, "node2") == {f"one {guarantee} {verdict}": 1 for verdict in expected}


def test_a_context_of_nothing_demands_nothing(world: World):
    """There is no guarantee to check."""
    world.write("node1", KEY, b"v", w=3)
    world.read("node2", KEY, r=1, context={})
    assert sessions(world, "node2") == {}


def test_gauges_tell_share_and_clocks(world: World):
    """At each scrape; the share is 0 while it is switched off."""
    write_to_one(world)
    world.read("node2", KEY, r=1)
    metrics = world["node2"].metrics
    metrics.expose()
    assert metrics.staleness.sample_ratio.value == 1.0
    assert metrics.staleness.clock_error_s["node1"].value == 0.0
    world["node2"].judge.switch(on=False)
    metrics.expose()
    assert metrics.staleness.sample_ratio.value == 0.0


def test_linearizable_reads_are_fresh_by_construction(world: World):
    """As many as were answered, without a look."""
    metrics = world["node1"].metrics
    for _ in range(3):
        metrics.requests["get", "linearizable"].finished("ok", 0.001)
    metrics.expose()
    metrics.expose()
    assert verdicts(world, "node1") == {"linearizable fresh": 3}


def test_when_the_acknowledgements_of_writes_came(world: World):
    """The first of all, the second, ...; each of a sample of writes."""
    world.write("node1", KEY, b"v", w=1)
    times = world["node1"].metrics.staleness.ack_times
    assert [histogram.count for histogram in times[:4]] == [1, 1, 1, 0]


@pytest.mark.parametrize("known", [True, False])
def test_weaker_reads_of_linearizable_keys(known: bool):
    """By the version that was chosen, and when it was acknowledged by whoever made it, if that is remembered."""
    world = StrictWorld(telemetry=ALL)
    first, _, last = world.order(KEY)
    world[last]._handlers[LearnMany] = lambda *_: None
    outcome = world.set(first, KEY, b"v")
    assert isinstance(outcome, ChangeOutcome)
    world.clock.turn(1.0)
    if not known:
        world[first].judge.recent.clear()
    found = world.read(last, KEY, bucket=BUCKET, r=1)
    assert isinstance(found, ReadOutcome)
    assert found.record is None
    assert verdicts(world, last) == {f"one {'stale' if known else 'unresolved'}": 1}
