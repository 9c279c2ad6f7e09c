import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.errors import Overloaded, ReadTimeout
from dynamo.protocol.effects import Finish, PeerError, PeerFailure, Send
from dynamo.protocol.messages import AskKeys, AskRoots, AskTree, Roots
from dynamo.repair.exchange import START, Differences, Exchange
from tests.unit.repair.sides import Records, Side, Stage

SETTLE_S = 1.0
keys = st.one_of(
    st.binary(min_size=1, max_size=3), st.integers(0, 30).map(lambda n: b"key%d" % n), st.sampled_from([b"\0", b"\xff"])
)
records = st.dictionaries(st.tuples(st.sampled_from(["a", "b", "b.c"]), keys), st.integers(1, 3), max_size=30)


def exchange(keys_max: int = 1000, settle_s: float = SETTLE_S, shared=lambda _: True, resume=START) -> Exchange:
    return Exchange("here", "there", 7, shared, settle_s=settle_s, keys_max=keys_max, resume=resume)


def differ(left: Records, right: Records) -> list[tuple[str, bytes]]:
    return [place for place in sorted({**left, **right}) if left.get(place) != right.get(place)]


def compared(left: Records, right: Records, page: int = 3, **more) -> Differences:
    outcome = Stage(exchange(**more), Side(left, page), Side(right, page)).run()
    assert isinstance(outcome, Differences)
    return outcome


@given(records, records, st.integers(1, 5), st.sampled_from([0.0, SETTLE_S]))
def test_exactly_the_differing_keys_are_found(left, right, page, settle_s):
    """Any two sets of records, in any pages: missing here, missing there, other versions."""
    outcome = compared(left, right, page, settle_s=settle_s)
    assert outcome.keys == differ(left, right)
    assert not outcome.more


@given(records, records, st.integers(1, 5), st.integers(1, 5))
def test_a_bounded_exchange_goes_on_where_it_stopped(left, right, page, keys_max):
    """Nothing twice, nothing left out, though nothing was repaired in between."""
    found, resume = [], START
    while True:
        outcome = compared(left, right, page, keys_max=keys_max, resume=resume)
        assert len(outcome.keys) <= keys_max
        found += outcome.keys
        if not outcome.more:
            break
        resume = outcome.resume
    assert found == differ(left, right)


def test_equal_partitions_cost_one_question():
    """However many keys they have."""
    same = {("a", b"%d" % n): n for n in range(100)}
    stage = Stage(exchange(), Side(same), Side(dict(same)))
    assert stage.run() == Differences([])
    assert stage.exchange.asked == [AskRoots(7)]


def test_the_cost_is_that_of_the_differences():
    """One key among a thousand: keys of one leaf are looked at, not all."""
    left = {("a", b"%d" % n): 1 for n in range(1000)}
    outcome = compared(left, left | {("a", b"77"): 2}, page=100)
    assert outcome.keys == [("a", b"77")]
    assert outcome.keys_compared < 10


@given(records, records)
def test_what_is_not_shared_is_not_looked_at(left, right):
    """Buckets of which one side is no primary are neither asked for nor found."""
    stage = Stage(exchange(shared=lambda name: name == "b"), Side(left), Side(right))
    outcome = stage.run()
    assert isinstance(outcome, Differences)
    assert outcome.keys == [place for place in differ(left, right) if place[0] == "b"]
    assert all(question.bucket == "b" for question in stage.exchange.asked if isinstance(question, AskTree | AskKeys))


@given(records, records, records, records)
def test_only_what_stays_the_same_is_a_difference(left, right, left_later, right_later):
    """Both sides at both looks: a write on its way, a key that is written all the time, is left alone."""

    class Moving(Stage):
        def meanwhile(self) -> None:
            self.sides["here"].records = left_later
            self.sides["there"].records = right_later

    outcome = Moving(exchange(), Side(left), Side(right)).run()
    assert isinstance(outcome, Differences)
    assert outcome.keys == [
        place
        for place in differ(left, right)
        if (left.get(place), right.get(place)) == (left_later.get(place), right_later.get(place))
    ]


def test_the_second_look_waits():
    """A settle pause lies between; without one there is no second look."""
    stage = Stage(exchange(), Side({("a", b"k"): 1}), Side({}))
    stage.run()
    assert stage.now == SETTLE_S
    assert [type(question) for question in stage.exchange.asked] == [AskRoots, AskTree, AskTree, AskKeys, AskKeys]
    stage = Stage(exchange(settle_s=0.0), Side({("a", b"k"): 1}), Side({}))
    stage.run()
    assert [type(question) for question in stage.exchange.asked] == [AskRoots, AskTree, AskTree, AskKeys]


@pytest.mark.parametrize("who", ["here", "there"])
@pytest.mark.parametrize(
    ("failure", "ends_as"),
    [
        (PeerError(PeerFailure.DOWN), ReadTimeout),
        (PeerError(PeerFailure.TIMEOUT), ReadTimeout),
        (PeerError(PeerFailure.REFUSED, Overloaded("busy")), Overloaded),
    ],
)
def test_a_side_that_fails_ends_it(who, failure, ends_as):
    """At once, with the reason; what comes later changes nothing."""
    machine = exchange()
    asks = machine.start(5.0)
    assert [(ask.to, ask.message, ask.deadline > 5.0) for ask in asks if isinstance(ask, Send)] == [
        ("here", AskRoots(7), True),
        ("there", AskRoots(7), True),
    ]
    (end,) = machine.on_failure(who, failure, 6.0)
    assert isinstance(end, Finish)
    assert isinstance(end.outcome, ends_as)
    assert machine.outcome is end.outcome
    assert machine.drained
    assert machine.on_reply("there", Roots([]), 6.0) == []
    assert machine.on_failure("there", failure, 6.0) == []
    assert machine.on_wakeup(7.0) == []
