import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.errors import Applied, DynamoError, StorageFull, WriteTimeout
from dynamo.protocol.effects import PeerError, PeerFailure, Send, WakeAt
from dynamo.protocol.messages import Store, Stored
from dynamo.replication.quorum import WriteQuorum
from dynamo.replication.write import DOWN, Acks, Handoff, QuorumWrite
from dynamo.versioning.record import Record, Sibling, encode
from tests.unit.replication.cluster import DEADLINE, NODES, Cluster, Replica

RECORD = encode(Record({"a": 1}, [Sibling("a", 1, 1, b"x")]))
STORE = Store("b", b"k", RECORD)


def machine(nodes: tuple[str, ...], needed: int) -> QuorumWrite:
    return QuorumWrite(nodes[0], nodes, STORE, WriteQuorum(len(nodes), needed, 0, 0, sloppy=True), DEADLINE)


@given(st.data())
def test_no_outcome_claims_too_much(data):
    """Exactly one outcome, by the deadline, in any order of answers and failures.

    An acknowledged write is on at least W replicas at that moment; one that failed for certain is on none, then or
    later; what lies between is unknown.
    """
    replicas = {name: Replica() for name in NODES[: data.draw(st.integers(1, 5))]}
    cluster = Cluster(data, replicas)
    cluster.late_replies = (Stored(),)
    needed = data.draw(st.integers(1, len(replicas)))

    def check(outcome: object) -> None:
        if isinstance(outcome, Acks):
            assert needed <= outcome.primaries <= sum(replica.data == RECORD for replica in replicas.values())

    cluster.at_finish = check
    outcome = cluster.run(machine(tuple(replicas), needed), own_share=(Send("a", STORE),))
    assert isinstance(outcome, Acks | DynamoError)
    if isinstance(outcome, DynamoError) and outcome.applied is Applied.NO:
        assert not any(replica.data for replica in replicas.values())


@given(st.data())
def test_no_outcome_of_a_write_with_hints_claims_too_much(data):
    """The same where fallbacks keep what primaries cannot take, and afterwards every share is somewhere, or counted.

    W counts distinct nodes, fallbacks among them only if the write is sloppy; PW counts primaries; a write that was
    refused for certain leaves no hint behind.
    """
    draw = data.draw
    primaries, spare = NODES[:3], NODES[3 : 3 + draw(st.integers(0, 2))]
    away = tuple(node for node in primaries[1:] if draw(st.integers(0, 3)) == 0)
    stands_in = bool(spare) and draw(st.integers(0, 3)) == 0
    coordinator, away = (spare[0], primaries) if stands_in else (primaries[0], away)
    cluster = Cluster(data, {name: Replica() for name in NODES})
    cluster.late_replies = (Stored(),)
    cluster.repeats = False
    cluster.refusals = st.sampled_from([StorageFull("full"), WriteTimeout("perhaps")])
    pw = 0 if stands_in else draw(st.integers(0, 2))
    quorum = WriteQuorum(3, max(pw, draw(st.integers(1, 3))), pw, 0, sloppy=stands_in or draw(st.booleans()))
    spare = spare[1:] if stands_in else spare

    def stored() -> list[str]:
        return [name for name in primaries if cluster.replicas[name].data == RECORD]

    def kept() -> list[str]:
        return [name for name in NODES[3:] if cluster.replicas[name].hints]

    def check(outcome: object) -> None:
        if isinstance(outcome, Acks):
            assert outcome.primaries <= len(stored())
            assert outcome.primaries >= pw
            assert outcome.fallbacks <= len(kept())
            assert outcome.primaries + (outcome.fallbacks if quorum.sloppy else 0) >= quorum.needed

    cluster.at_finish = check
    after_s = draw(st.sampled_from([0.5, 5.0]))
    write = QuorumWrite(coordinator, primaries, STORE, quorum, DEADLINE, Handoff(spare, away, after_s))
    own = msgspec.structs.replace(STORE, hint_for=away[0] if stands_in else "")
    outcome = cluster.run(write, own_share=(Send(coordinator, own),))
    if isinstance(outcome, DynamoError) and outcome.applied is Applied.NO:
        assert not any(replica.data or replica.hints for replica in cluster.replicas.values())
    else:
        placed = [name for name in primaries if name in stored() or _is_kept(cluster, name)]
        assert len(placed) + write.unkept >= len(primaries)


def _is_kept(cluster: Cluster, target: str) -> bool:
    return any(target in replica.hints for replica in cluster.replicas.values())


@given(st.data(), st.integers(1, 5))
def test_a_write_succeeds_while_enough_replicas_take_it(data, n):
    """With up to N-W replicas failing, in whatever way, W acknowledgements are found."""
    nodes = NODES[:n]
    needed = data.draw(st.integers(1, n))
    write = machine(nodes, needed)
    write.start(0.0)
    failing = data.draw(st.lists(st.sampled_from(nodes), max_size=n - needed, unique=True))
    for node in data.draw(st.permutations(nodes)):
        if node in failing:
            write.on_failure(node, PeerError(data.draw(st.sampled_from(PeerFailure))), 0.1)
        else:
            write.on_reply(node, Stored(), 0.1)
    assert write.outcome == Acks(needed, 0)


def test_all_others_are_sent_the_record_at_once():
    """Not the coordinator, which is storing it already."""
    assert machine(("a", "b", "c"), 2).start(0.0) == [Send("b", STORE), Send("c", STORE), WakeAt(DEADLINE)]


def test_only_a_replica_coordinates():
    """Who is none would mint a dot by guessing; or who keeps a hint for the first one, where all are away."""
    quorum = WriteQuorum(2, 1, 0, 0, sloppy=True)
    for handoff in (None, Handoff(("y",), ("a",), 0.5)):
        with pytest.raises(AssertionError):
            QuorumWrite("z", ("a", "b"), STORE, quorum, DEADLINE, handoff)
    QuorumWrite("z", ("a", "b"), STORE, quorum, DEADLINE, Handoff(("y",), ("a", "b"), 0.5))


@pytest.mark.parametrize("fallbacks", [0, 1, 2])
def test_a_sloppy_write_succeeds_while_w_nodes_take_it(fallbacks):
    """Two primaries away, W=2: one fallback is enough, none is not."""
    spare = ("d", "e")[:fallbacks]
    write = QuorumWrite(
        "a", ("a", "b", "c"), STORE, WriteQuorum(3, 2, 0, 0, sloppy=True), DEADLINE, Handoff(spare, ("b", "c"), 0.5)
    )
    sent = [effect.to for effect in write.start(0.0) if isinstance(effect, Send)]
    assert sent == list(spare)
    for node in ("a", *spare):
        write.on_reply(node, Stored(), 0.1)
    assert (write.outcome == Acks(1, 1)) == bool(fallbacks)
    assert write.hints == [DOWN] * fallbacks
