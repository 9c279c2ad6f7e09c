import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dynamo.errors import ClockDrift, ContextNotReached, CorruptValue, DynamoError, ReadTimeout
from dynamo.protocol.commands import ReadOutcome
from dynamo.protocol.effects import PeerError, PeerFailure, Send, WakeAt
from dynamo.protocol.messages import Fetch, Fetched, Store
from dynamo.replication.hedge import Hedging
from dynamo.replication.quorum import ReadQuorum
from dynamo.replication.read import QuorumRead
from dynamo.replication.read_repair import Resolve, keep_newest, keep_siblings
from dynamo.replication.sources import Sources
from dynamo.versioning.clock import Clock, descends
from dynamo.versioning.record import Record, Sibling, encode
from dynamo.versioning.siblings import EMPTY
from tests.unit.replication.cluster import DEADLINE, NODES, Cluster, Replica
from tests.unit.versioning.histories import History, histories

FETCH = Fetch("b", b"k")


def hedging(late_s: float, share: float) -> Hedging:
    """Hedging that takes an answer for late after so long."""
    shared = Hedging(list(NODES), share)
    shared.latencies.late_s = late_s
    return shared


HEDGING = st.one_of(st.none(), st.builds(hedging, st.sampled_from([0.1, 0.5, 9.0]), st.sampled_from([0.0, 0.5, 1.0])))


def machine(nodes: tuple[str, ...], needed: int, resolve: Resolve, **more) -> QuorumRead:
    return QuorumRead(Sources(FETCH, nodes), ReadQuorum(len(nodes), needed), resolve, DEADLINE, **more)


@st.composite
def clusters(draw: st.DrawFn, *, skewed: bool = False) -> tuple[History, Cluster]:
    """Replicas that hold states of one history, each any of them or nothing. If `skewed`, some refuse late ones."""
    history = draw(histories(steps_max=12))
    replicas = {}
    for name in NODES[: draw(st.integers(1, 5))]:
        record = draw(st.sampled_from(history.states)).record
        replicas[name] = Replica(encode(record) if record.clock else b"")
        if skewed and history.lww and draw(st.booleans()):
            replicas[name].stamp_max = draw(st.sampled_from(history.states)).record.hybrid_max()
    return history, Cluster(draw(st.data()), replicas, keep_newest if history.lww else keep_siblings)


def has(replica: Replica, record: Record, resolve: Resolve) -> bool:
    """Whether a replica holds what was shown, or something that has seen it."""
    return encode(resolve(replica.record, record)) == encode(replica.record)


@given(clusters(skewed=True), st.data())
def test_an_answer_is_the_merge_of_enough_replicas(setting, data):
    """Exactly one outcome, by the deadline, whatever the order of answers and failures.

    A value that is shown has been seen by its replicas; with a majority it is *held* by R of them when it is shown.
    """
    history, cluster = setting
    nodes = tuple(cluster.replicas)
    needed = data.draw(st.integers(1, len(nodes)))
    read = machine(nodes, needed, cluster.resolve, ask_all=data.draw(st.booleans()), hedging=data.draw(HEDGING))
    before = {name: replica.record for name, replica in cluster.replicas.items()}

    def check(outcome: object) -> None:
        if not isinstance(outcome, ReadOutcome):
            assert isinstance(outcome, ReadTimeout | CorruptValue)
            return
        assert outcome.replicas >= needed
        shown = outcome.record or EMPTY
        seen = [name for name in nodes if descends(shown.clock, before[name].clock)]
        assert len(seen) >= needed, "all that R replicas had is in the answer"
        if needed > len(nodes) // 2 and outcome.record is not None:
            assert sum(has(replica, shown, cluster.resolve) for replica in cluster.replicas.values()) >= needed
        if history.lww:
            assert len(shown.siblings) <= 1

    cluster.at_finish = check
    cluster.run(read)


@given(clusters(skewed=True), st.data())
def test_majority_reads_never_go_backwards(setting, data):
    """Of two reads at a majority, one after the other, the second shows all that the first one has shown.

    Meanwhile writes of others spread, and either read may be cut off anywhere.
    """
    history, cluster = setting
    nodes = tuple(cluster.replicas)
    majority = len(nodes) // 2 + 1

    def spread() -> None:
        if data.draw(st.integers(0, 4)) == 0:
            name = data.draw(st.sampled_from(nodes))
            state = data.draw(st.sampled_from(history.states)).record
            replica = cluster.replicas[name]
            merged = cluster.resolve(replica.record, state)
            if merged.clock and not replica.refuses(Store("b", b"k", encode(merged))):
                replica.data = encode(merged)

    shown: list[Record] = []
    for _ in range(3):
        cluster.now = 0.0
        order = tuple(data.draw(st.permutations(nodes)))
        outcome = cluster.run(machine(order, majority, cluster.resolve, ask_all=data.draw(st.booleans())), noise=spread)
        if isinstance(outcome, ReadOutcome):
            record = outcome.record or EMPTY
            for earlier in shown:
                assert encode(cluster.resolve(record, earlier)) == encode(record)
            shown.append(record)


@given(clusters(), st.data())
def test_a_context_is_reached_or_refused(setting, data):
    """An answer has seen the context, whatever R; without one the error says whether it was missing, or replicas."""
    history, cluster = setting
    nodes = tuple(cluster.replicas)
    context = data.draw(st.sampled_from(history.states)).record.clock
    needed = data.draw(st.integers(1, len(nodes)))
    read = machine(nodes, needed, cluster.resolve, context=context, ask_all=data.draw(st.booleans()))
    outcome = cluster.run(read)
    if isinstance(outcome, ReadOutcome):
        assert descends(outcome.record.clock if outcome.record else {}, context)
    else:
        assert isinstance(outcome, ContextNotReached | ReadTimeout | CorruptValue)


@given(clusters(), st.data())
def test_a_context_is_reached_once_a_replica_that_answers_has_it(setting, data):
    """Without failures, a context that any replica has seen is always reached: read-your-writes at any R."""
    _, cluster = setting
    cluster.failures = st.just("arrives")
    nodes = tuple(cluster.replicas)
    context = cluster.replicas[data.draw(st.sampled_from(nodes))].record.clock
    outcome = cluster.run(machine(nodes, data.draw(st.integers(1, len(nodes))), cluster.resolve, context=context))
    if not isinstance(outcome, ReadOutcome):
        assert isinstance(outcome, DynamoError)
        assert cluster.now >= DEADLINE, "only for want of time"
    else:
        assert descends(outcome.record.clock if outcome.record else {}, context)


@given(clusters(), st.data())
def test_replicas_that_answer_are_equal_afterwards(setting, data):
    """A read of all replicas repairs them all, before or behind the answer, if nothing fails."""
    _, cluster = setting
    cluster.failures = st.just("arrives")
    nodes = tuple(cluster.replicas)
    differed = len({replica.data for replica in cluster.replicas.values()}) > 1
    read = machine(nodes, data.draw(st.integers(1, len(nodes))), cluster.resolve, ask_all=True)
    outcome = cluster.run(read)
    if isinstance(outcome, ReadOutcome):
        assert len({replica.data for replica in cluster.replicas.values()}) == 1
        assert read.mismatched == differed == (outcome.repaired + read.repaired_later > 0)


@given(clusters(), st.data())
def test_a_sloppy_answer_counts_what_it_should(setting, data):
    """R nodes stand behind an answer, PR of them primaries; fallbacks that have no hint never speak for a key alone.

    At a majority all R hold what is shown, each as the replica or the fallback that it is.
    """
    history, cluster = setting
    primaries = tuple(cluster.replicas)
    n, draw = len(primaries), data.draw
    away = tuple(node for node in primaries if draw(st.booleans()))
    spare = ("f1", "f2", "f3")[: draw(st.integers(0, 3))]
    for node in spare:
        states = [draw(st.sampled_from(history.states)).record for _ in away]
        hints = {target: encode(state) for target, state in zip(away, states, strict=True) if state.clock}
        cluster.replicas[node] = Replica(b"", hints if draw(st.booleans()) else {})
    live = tuple(node for node in primaries if node not in away)
    most = len(live) + min(len(away), len(spare))
    assume(most)
    needed = draw(st.integers(1, most))
    quorum = ReadQuorum(n, needed, draw(st.integers(0, min(needed, len(live)))), sloppy=True)
    sources = Sources(FETCH, live, away, spare)
    read = QuorumRead(sources, quorum, cluster.resolve, DEADLINE, ask_all=draw(st.booleans()), hedging=draw(HEDGING))

    def holds(node: str, record: Record) -> bool:
        replica = cluster.replicas[node]
        if node in live:
            return has(replica, record, cluster.resolve)
        return any(has(Replica(hint), record, cluster.resolve) for hint in replica.hints.values())

    def check(outcome: object) -> None:
        if not isinstance(outcome, ReadOutcome):
            assert isinstance(outcome, ReadTimeout | CorruptValue)
            return
        assert live or outcome.record is not None, "nobody who would know of the key has answered"
        shown = outcome.record
        if shown is not None and quorum.repairs_first:
            assert sum(holds(node, shown) for node in (*live, *spare)) >= needed
            assert sum(holds(node, shown) for node in live) >= quorum.primaries

    cluster.at_finish = check
    cluster.run(read)


@given(clusters(), st.data())
def test_what_all_replicas_have_forgotten(setting, data):
    """A context so old that its key may be forgotten is answered with nothing once all N hold nothing; never before."""
    _, cluster = setting
    cluster.failures = st.just("arrives")
    nodes = tuple(cluster.replicas)
    empty = data.draw(st.booleans())
    if empty:
        for replica in cluster.replicas.values():
            replica.data = b""
    read = machine(
        nodes, data.draw(st.integers(1, len(nodes))), cluster.resolve, context={"never": 1}, forgettable=True
    )
    outcome = cluster.run(read)
    if isinstance(outcome, ReadOutcome):
        assert outcome.record is None
        assert not any(replica.data for replica in cluster.replicas.values())
    else:
        assert isinstance(outcome, DynamoError)


NOW, FUTURE = 5, 10**6
TOO_FAR_AHEAD = PeerError(PeerFailure.REFUSED, ClockDrift("too far ahead"))
OLD = encode(Record({"b": 1}, [Sibling("b", 1, NOW, b"old")]))
AHEAD = encode(Record({"a": 1, "b": 1}, [Sibling("a", 1, FUTURE, b"ahead")]))
BESIDE = encode(Record({"a": 1}, [Sibling("a", 1, FUTURE, b"ahead")]))


@pytest.mark.parametrize(
    ("held", "takers", "order", "ask_all", "shown"),
    [
        ({"a": AHEAD, "b": OLD, "c": OLD}, "", "abc", False, b"old"),
        ({"a": AHEAD, "b": OLD, "c": OLD}, "", "bca", True, b"old"),
        ({"a": BESIDE, "b": OLD, "c": OLD}, "", "abc", False, b"old"),
        ({"a": BESIDE, "b": b"", "c": OLD}, "a", "abc", False, b"old"),
        ({"a": AHEAD, "b": b"", "c": b""}, "", "abc", False, None),
        ({"a": AHEAD, "b": AHEAD, "c": OLD}, "ab", "acb", False, b"ahead"),
        ({"a": BESIDE, "b": OLD, "c": AHEAD}, "ac", "abc", True, b"ahead"),
    ],
)
def test_what_too_few_take_counts_as_not_said(held, takers, order, ask_all, shown):
    """One node's clock was far ahead when it wrote; or, where two take it, the third one's is behind."""
    replicas = {node: Replica(data, stamp_max=FUTURE if node in takers else NOW) for node, data in held.items()}
    read = machine(tuple(order), 2, keep_newest, ask_all=ask_all)
    sends = [effect for effect in read.start(0.0) if isinstance(effect, Send)]
    while sends:
        node, message = sends[0].to, sends[0].message
        if replicas[node].refuses(message):
            effects = read.on_failure(node, TOO_FAR_AHEAD, 0.0)
        else:
            effects = read.on_reply(node, replicas[node].handle(message, keep_newest), 0.0)
        sends = [*sends[1:], *(effect for effect in effects if isinstance(effect, Send))]
    assert isinstance(read.outcome, ReadOutcome)
    assert [s.value for s in (read.outcome.record or EMPTY).siblings] == ([] if shown is None else [shown])


def test_a_value_of_the_future_on_enough_replicas_is_never_passed_over():
    """Two of three have it, one of those fails: who does not take it must not be heard alone."""
    read = machine(("a", "b", "c"), 2, keep_newest)
    read.start(0.0)
    read.on_reply("a", Fetched(AHEAD), 0.0)
    assert read.on_reply("b", Fetched(OLD), 0.0)[0].to == "b"
    read.on_failure("b", TOO_FAR_AHEAD, 0.0)
    read.on_failure("c", PeerError(PeerFailure.LOST), 0.0)
    assert isinstance(read.outcome, ReadTimeout)


def test_a_late_answer_costs_one_more_request():
    """And only within the budget: of a hundred reads that all wait for a slow replica, five ask another one."""
    shared = Hedging([], 0.05)
    shared.latencies.late_s = 0.01
    outcomes: list[object] = []
    extra = 0
    for _ in range(100):
        read = machine(("a", "b", "c"), 2, keep_siblings, hedging=shared)
        assert WakeAt(0.01) in read.start(0.0)
        read.on_reply("a", Fetched(b""), 0.001)
        sent = [effect for effect in read.on_wakeup(0.01) if isinstance(effect, Send)]
        extra += len(sent)
        if sent:
            read.on_reply("c", Fetched(b""), 0.011)
            assert read.outcome is not None
        read.on_reply("b", Fetched(b""), 0.2)
        outcomes.append(read.outcome)
        assert read.hedge == ("won" if sent else "refused")
    assert 4 <= extra <= 5
    assert None not in outcomes


def test_a_read_asks_only_as_many_as_it_needs():
    """Nearest first; one wake-up, at the deadline."""
    read = machine(("c", "a", "b"), 2, keep_siblings)
    assert read.start(0.0) == [Send("c", FETCH), Send("a", FETCH), WakeAt(DEADLINE)]


def test_too_few_replicas_is_a_bug_of_the_caller():
    """It is answered before anything is sent, with another error."""
    with pytest.raises(AssertionError):
        machine(("a",), 2, keep_siblings)


@pytest.mark.parametrize(("context", "reached"), [({}, True), ({"a": 1}, True), ({"a": 2}, False), ({"b": 1}, False)])
def test_a_context_on_a_single_replica(context: Clock, reached: bool):
    """What it takes for R=1 of N=1."""
    read = machine(("a",), 1, keep_siblings, context=context)
    read.start(0.0)
    read.on_reply("a", Fetched(encode(Record({"a": 1}, [Sibling("a", 1, 1, b"x")]))), 0.0)
    assert (read.outcome is not None) == reached
