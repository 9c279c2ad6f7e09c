import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.errors import Applied, DynamoError
from dynamo.protocol.effects import PeerError, PeerFailure, Send, WakeAt
from dynamo.protocol.messages import Store, Stored
from dynamo.replication.quorum import WriteQuorum
from dynamo.replication.write import Acks, QuorumWrite
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
    """Who is none would mint a dot by guessing."""
    with pytest.raises(AssertionError):
        QuorumWrite("z", ("a", "b"), STORE, WriteQuorum(2, 1, 0, 0, sloppy=True), DEADLINE)
