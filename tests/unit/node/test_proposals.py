"""Changes and reads of linearizable keys, over several whole nodes."""

import msgspec
import pytest

from dynamo.config import LimitsSection
from dynamo.consensus.requests import UNNAMED_MS
from dynamo.errors import (
    Applied,
    BucketNotFound,
    CalledOff,
    IdempotencyMismatch,
    ModeConflict,
    NotReady,
    Overloaded,
    QuorumUnavailable,
    ReadTimeout,
    ValueTooLarge,
    WriteTimeout,
)
from dynamo.layout.register import decode
from dynamo.node import key_queues, proposals
from dynamo.protocol.bucket import BucketProperties
from dynamo.protocol.commands import Action, ChangeOutcome, Condition, Consistency
from dynamo.protocol.paxos import Accept, Accepted, ForwardChange, Inspect, Prepare
from tests.unit.node.strict_world import BUCKET, StrictWorld, value_of

KEY = b"k"


@pytest.fixture
def world() -> StrictWorld:
    return StrictWorld()


# --- one change after the other


def test_versions_count_changes(world):
    """Over deletes and re-creations, whoever is asked; a delete of nothing is a change, too."""
    first = world.order(KEY)[0]
    made = [
        world.set(first, KEY, b"a"),
        world.set("node2", KEY, b"b"),
        world.change("node3", world.make(KEY, Action.DELETE)),
        world.change("node1", world.make(KEY, Action.DELETE)),
        world.add("node2", KEY, 5),
        world.add("node3", KEY, -2),
    ]
    assert [(each.applied, each.version, each.deleted) for each in made] == [
        (True, 1, False),
        (True, 2, False),
        (True, 3, True),
        (True, 4, True),
        (True, 5, False),
        (True, 6, False),
    ]
    assert [world.shown(node, KEY).value for node in world.network.nodes] == [b"3"] * 3


def test_the_fewest_round_trips(world):
    """Two for a first change, one while this node keeps the lead; a read is one question to a majority."""
    first = world.order(KEY)[0]
    world.set(first, KEY, b"a")
    assert world.trips() == ["Prepare", "Accept", "LearnMany"]
    world.set(first, KEY, b"b")
    assert world.trips() == ["Accept", "LearnMany"]
    world.look(first, KEY)
    known = world.state(first, KEY).accepted
    assert world.sent(Inspect, Accept, Prepare) == [(first, world.order(KEY)[1], Inspect(BUCKET, KEY, known))]
    paxos = world[first].metrics.paxos
    assert (paxos.rounds["full"].value, paxos.rounds["lead"].value) == (1, 1)
    assert (paxos.leads["used"].value, paxos.reads["fast"].value, paxos.changes["applied"].value) == (1, 1, 2)


def test_a_change_under_an_old_lead_is_of_now(world):
    """Its ballot was promised an hour ago. When it was made, and for how long it is remembered, count from now."""
    first = world.order(KEY)[0]
    world.set(first, KEY, b"a")
    world.clock.wall += 3_600_000
    world.trips()
    world.set(first, KEY, b"b")
    assert world.trips() == ["Accept", "LearnMany"]
    assert 0 <= world.shown(first, KEY).counter - world.clock.wall < 100


def test_an_old_lead_costs_a_round_and_nothing_else(world):
    """Others have changed the key meanwhile, and their requests are forgotten by now: this one was not among them."""
    first, second = world.order(KEY)[:2]
    world.set(first, KEY, b"a")
    for number in range(3):
        world.clock.wall += UNNAMED_MS + 1
        world.finish(world.here(second, world.make(KEY, value=b"%d" % number, named=False)))
    assert decode(world.state(second, KEY).value).dropped >= 2
    outcome = world.change(first, world.make(KEY, value=b"b", named=False))
    assert (outcome.applied, outcome.version) == (True, 5)


def test_a_condition_that_does_not_hold_shows_what_is_there(world):
    """Nothing is changed; what is shown was accepted by a majority at that moment, also where a lead was at hand."""
    first = world.order(KEY)[0]
    world.set(first, KEY, b"a")
    world.trips()
    refused = world.set(first, KEY, b"b", Condition(version=7))
    assert (refused.applied, refused.version, value_of(refused)) == (False, 1, b"a")
    assert world.trips()[0] == "Accept"
    assert world.set("node3", KEY, b"b", Condition(exists=False)).applied is False
    assert world.set("node2", KEY, b"b", Condition(version=1, value=b"a")).applied


@pytest.mark.parametrize(("nodes", "n"), [(1, 1), (2, 2), (3, 1), (5, 5), (5, 3)])
def test_every_size_of_cluster(nodes, n):
    """A node alone, two of two, five of five."""
    world = StrictWorld(nodes, n=n)
    for number, node in enumerate(world.network.nodes):
        assert world.add(node, KEY).version == number + 1
    assert world.shown("node1", KEY).value == b"%d" % nodes


def test_a_node_that_is_no_replica_reads_and_changes():
    """It hands a change to the first replica, once, and asks the replicas itself for a read."""
    world = StrictWorld(5)
    stranger = next(node for node in world.network.nodes if node not in world.order(KEY))
    assert world.set(stranger, KEY, b"a").coordinator == world.order(KEY)[0]
    assert [(a, b) for a, b, _ in world.sent(ForwardChange)] == [(stranger, world.order(KEY)[0])]
    assert world.shown(stranger, KEY).value == b"a"


def test_what_two_nodes_may_make_is_remembered_like_a_named_request():
    """Who hands an unnamed change on may have to take it over: it must find what the other one made of it."""
    world = StrictWorld(5)
    stranger = next(node for node in world.network.nodes if node not in world.order(KEY))
    outcomes = world.begin(stranger, world.make(KEY, value=b"a", named=False))
    world.pass_time(0.1)
    assert [isinstance(outcome, ChangeOutcome) for outcome in outcomes] == [True]
    assert [message.command.named for _, _, message in world.sent(ForwardChange)] == [True]


# --- who may


def test_other_buckets_take_no_changes(world):
    """Neither those of another mode nor, where none is made by a write, unknown ones."""
    for node in world.network.nodes.values():
        node.buckets.learn([BucketProperties(name="b")], lambda _: None)
    command = msgspec.structs.replace(world.make(KEY, value=b"x"), bucket="b")
    assert isinstance(world.change("node1", command), ModeConflict)
    world["node1"].buckets.learn([msgspec.structs.replace(world.properties, deleted=True)], lambda _: None)
    assert isinstance(world.set("node1", KEY, b"x"), BucketNotFound)


def test_what_is_too_large_is_refused(world):
    """A register must fit in a frame."""
    small = StrictWorld(limits=LimitsSection(object_bytes_max=proposals.OVERHEAD_BYTES + 10))
    assert small.set("node1", KEY, b"x" * 10).applied
    assert isinstance(small.set("node1", KEY, b"x" * 11), ValueTooLarge)


def test_without_a_majority_alive_nothing_is_sent(world):
    """Changes and reads are refused at once, and definitely nothing was done."""
    world.network.down = {"node2", "node3"}
    for outcome in (world.set("node1", KEY, b"x"), world.look("node1", KEY)):
        assert isinstance(outcome, QuorumUnavailable)
        assert outcome.detail.endswith("nothing was sent. Retry later"), "nobody can ask for fewer"
        assert outcome.applied is Applied.NO
    assert world.sent(Prepare, Accept, Inspect, ForwardChange) == []


def test_empty_stores_are_no_majority():
    """Of three replicas two have lost their disks: the third alone decides nothing."""
    world = StrictWorld(empty=True)
    assert isinstance(world.look("node1", KEY), QuorumUnavailable | ReadTimeout)
    outcome = world.set("node1", KEY, b"x")
    assert isinstance(outcome, QuorumUnavailable | NotReady)
    assert outcome.applied is Applied.NO


# --- many at once


def test_64_clients_on_one_key_all_finish(world):
    """Through all nodes at once. Those that wait share rounds, and each is applied exactly once."""
    begun = [world.begin(f"node{number % 3 + 1}", world.make(KEY, Action.ADD, amount=1)) for number in range(64)]
    outcomes = [world.finish(each) for each in begun]
    assert sorted(each.version for each in outcomes) == list(range(1, 65))
    assert world.shown("node1", KEY).value == b"64"
    assert sum(world[node].metrics.paxos.round_trips.count for node in world.network.nodes) <= 6


def test_coordinators_that_fight_over_a_key_all_finish(world):
    """64 changes, each carried out by the node that got it: whoever is overtaken waits, and tries again."""
    begun = [world.here(f"node{number % 3 + 1}", world.make(KEY, Action.ADD, amount=1)) for number in range(64)]
    outcomes = [world.finish(each) for each in begun]
    assert all(isinstance(each, ChangeOutcome) and each.applied for each in outcomes)
    assert world.shown("node1", KEY).value == b"64"
    assert sum(world[node].metrics.paxos.rejections["prepare"].value for node in world.network.nodes) > 0


def test_a_lead_that_another_coordinator_has_taken_is_worth_nothing(world):
    """The next change of the first one is refused, prepares anew, and builds on what the other made."""
    for node in ("node1", "node2", "node1"):
        assert world.finish(world.here(node, world.make(KEY, Action.ADD, amount=1))).applied
    assert world.shown("node3", KEY).value == b"3"
    assert world["node1"].metrics.paxos.leads["lost"].value == 1


def test_too_many_for_one_key_are_refused(world, monkeypatch):
    """At once, and definitely not applied; the others are not harmed, and other keys not concerned."""
    monkeypatch.setattr(key_queues, "WAITING_MAX", 3)
    first = world.order(KEY)[0]
    begun = [world.begin(first, world.make(KEY, Action.ADD, amount=1)) for _ in range(6)]
    elsewhere = world.begin(first, world.make(KEY + b"/other", Action.ADD, amount=1))
    outcomes = [world.finish(each) for each in begun]
    refused = [each for each in outcomes if isinstance(each, Overloaded)]
    assert [each.members["reason"] for each in refused] == ["key-queue"] * 2
    assert world.finish(elsewhere).applied
    assert world.shown(first, KEY).value == b"4"
    assert world[first].metrics.shed_requests["key-queue"].value == 2


# --- time


def test_a_change_whose_time_is_over_harms_no_other(world):
    """It ends its round; the others go into the next one as they are, and are made once."""
    first, *others = world.order(KEY)
    world.network.lost = {*others}
    short = world.begin(first, world.make(KEY, Action.ADD, amount=1), timeout_s=0.1)
    world.agenda.run()
    long = [world.begin(first, world.make(KEY, Action.ADD, amount=1), timeout_s=5) for _ in range(3)]
    world.pass_time(0.15)
    assert isinstance(short[0], QuorumUnavailable)
    assert short[0].applied is Applied.NO
    world.network.lost = set()
    assert [world.finish(each).version for each in long] == [1, 2, 3]
    assert world.shown(first, KEY).value == b"3"


def test_a_change_that_waits_until_its_time_is_over_was_not_made(world):
    """It never left its queue."""
    first, *others = world.order(KEY)
    world.network.lost = {*others}
    ahead = world.begin(first, world.make(KEY, value=b"ahead"), timeout_s=2)
    world.agenda.run()
    behind = world.begin(first, world.make(KEY, value=b"behind"), timeout_s=0.5)
    world.pass_time(0.6)
    assert ahead == []
    assert isinstance(behind[0], Overloaded)
    assert behind[0].applied is Applied.NO
    assert world[first].key_queues.__len__() == 0


def test_a_change_that_was_sent_is_unknown_until_it_is_seen(world):
    """Answers are lost from the accept on: the change may be there, and is. Repeating it makes it no second time."""
    first, *others = world.order(KEY)
    world.set(first, KEY, b"before")
    command = world.make(KEY, Action.ADD, value=b"", amount=1)
    world.change(first, world.make(KEY, value=b"10"))
    world.network.mute = {*others}
    outcome = world.change(first, command)
    assert isinstance(outcome, WriteTimeout)
    assert outcome.applied is Applied.UNKNOWN
    world.network.mute = set()
    again = world.change(others[0], command)
    assert (again.applied, again.repeated, again.version) == (True, True, 3)
    assert world.shown(first, KEY).value == b"11"
    other = world.change(first, msgspec.structs.replace(command, amount=2))
    assert isinstance(other, IdempotencyMismatch)


def test_without_a_majority_in_the_first_phase_nothing_was_changed(world):
    """No Accept was sent, and the answer says so."""
    first, *others = world.order(KEY)
    world.network.lost = {*others}
    outcome = world.set(first, KEY, b"x")
    assert isinstance(outcome, QuorumUnavailable)
    assert outcome.applied is Applied.NO
    assert world.sent(Accept) == []


def test_an_unknown_change_can_be_resolved(world):
    """Made: its result. Not made: called off, and then it never is, wherever it comes from again."""
    first, *others = world.order(KEY)
    lost = world.make(KEY, value=b"lost")
    resolved = world.change(others[0], world.make(KEY, Action.RESOLVE, target=lost.request))
    assert resolved.applied is False
    for node in world.network.nodes:
        assert isinstance(world.change(node, lost), CalledOff)
    made = world.make(KEY, value=b"made")
    world.change(first, made)
    resolved = world.change(others[1], world.make(KEY, Action.RESOLVE, target=made.request))
    assert (resolved.applied, resolved.version) == (True, 1)


# --- what was found under way


def test_a_read_settles_what_it_finds(world):
    """A value on a minority is replayed to a majority before it is shown; afterwards everybody sees it."""
    first, second, third = world.order(KEY)
    world.set(first, KEY, b"old")
    newer = world.state(first, KEY)
    world.network.lost = {second, third}
    pending = world.begin(first, world.make(KEY, value=b"new"), timeout_s=0.5)
    world.pass_time(0.6)
    assert isinstance(pending[0], WriteTimeout)
    assert world.state(first, KEY).accepted > newer.accepted
    world.network.lost = set()
    assert world.shown(first, KEY).value == b"new"
    assert world[first].metrics.paxos.reads["replayed"].value == 1
    assert [world.shown(node, KEY).value for node in (second, third)] == [b"new"] * 2


def test_a_read_that_a_proposer_is_in_the_way_of_makes_a_round(world):
    """What it found cannot be replayed any more, since something higher was promised."""
    first, second, third = world.order(KEY)
    world.set(first, KEY, b"old")
    ballot = (world.state(first, KEY).promised[0] + 1, "z~1", 1)
    newest = world[first].ballots.next(ballot)
    value = world.state(first, KEY).value
    assert isinstance(world.ask(first, Accept(BUCKET, KEY, ballot, value)), Accepted)
    for node in (second, third):
        world.ask(node, Prepare(BUCKET, KEY, newest))
    assert world.shown(first, KEY).value == b"old"
    assert world[first].metrics.paxos.reads["round"].value == 1


def test_weaker_reads_never_show_what_was_not_chosen(world):
    """A value that one replica has accepted is in no record, hence in no read at one and in no listing."""
    first, second, third = world.order(KEY)
    world.set(first, KEY, b"old")
    world.network.lost = {second, third}
    world.begin(first, world.make(KEY, value=b"new"), timeout_s=0.5)
    world.pass_time(0.6)
    world.network.lost = set()
    assert world.state(first, KEY).accepted > world.state(second, KEY).accepted
    for consistency in (Consistency.ONE, Consistency.QUORUM, Consistency.ALL):
        assert world.values(first, KEY, bucket=BUCKET, consistency=consistency) == [b"old"]
    world.shown(first, KEY)
    for node in world.network.nodes:
        assert world.values(node, KEY, bucket=BUCKET, consistency=Consistency.ONE) == [b"new"]


def test_chosen_values_reach_those_that_were_away(world):
    """By read repair, as with any record: no vote, no round."""
    first, _, third = world.order(KEY)
    world.network.down = {third}
    world.set(first, KEY, b"a")
    world.network.down = set()
    assert world.values(third, KEY, bucket=BUCKET, consistency=Consistency.ONE) == []
    assert world.values(third, KEY, bucket=BUCKET, consistency=Consistency.ALL) == [b"a"]
    assert world.values(third, KEY, bucket=BUCKET, consistency=Consistency.ONE) == [b"a"]
    assert world.state(third, KEY) is None
