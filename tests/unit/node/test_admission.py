import pytest

from dynamo.errors import Draining, Overloaded
from dynamo.node.admission import (
    DELAY_SHARE,
    LIMIT_MIN,
    RETRY_AFTER_S,
    TURNS,
    WINDOW_S,
    AdaptiveLimit,
    Admission,
    shed_reason,
)
from dynamo.telemetry.stall import Stall


def test_as_many_as_the_limit_are_let_in():
    """One more is refused before any work; when one has left, the next may come."""
    admission = Admission(2)
    assert admission.enter() is None
    assert admission.enter() is None
    refusal = admission.enter()
    assert isinstance(refusal, Overloaded)
    assert refusal.members == {"reason": "overloaded", "limit": 2}
    assert admission.inflight == 2
    admission.leave()
    assert admission.enter() is None


def test_a_draining_node_lets_nobody_in():
    """Those inside go on; when the last one leaves it is told, once."""
    idle = []
    admission = Admission(5)
    admission.enter()
    admission.enter()
    admission.drain(lambda: idle.append(True))
    assert isinstance(admission.enter(), Draining)
    admission.leave()
    assert idle == []
    admission.leave()
    assert idle == [True]


def test_an_idle_node_has_drained_at_once():
    """Nobody is waited for."""
    idle = []
    Admission(1).drain(lambda: idle.append(True))
    assert idle == [True]


def test_nobody_leaves_twice():
    """A count below zero would let too many in later."""
    admission = Admission(1)
    with pytest.raises(AssertionError):
        admission.leave()


def windows(limit: AdaptiveLimit, count: int, share: float, inflight: int, began: float = 100.0) -> float:
    """So many windows in which each request lay for that share of its two seconds; when the last one is over."""
    for number in range(count * 10):
        limit.waited(share * 2.0, 2.0, inflight, began + number * WINDOW_S / 10)
    end = began + count * WINDOW_S
    limit.waited(share * 2.0, 2.0, inflight, end)
    return end


def test_nobody_is_refused_below_the_most_while_requests_start_in_time():
    """However many come: the limit stays where the configuration has it."""
    limit = AdaptiveLimit(1000)
    windows(limit, 20, DELAY_SHARE / 2, inflight=999)
    assert limit.value == 1000
    assert limit.delay_s == 0.0


def test_the_limit_shrinks_in_proportion_to_the_delay():
    """From what was under way, not from a limit that nobody had reached; at most by half in a window."""
    limit = AdaptiveLimit(1000)
    windows(limit, 1, DELAY_SHARE * 1.25, inflight=500)
    assert limit.value == 400
    assert limit.delay_s == pytest.approx(DELAY_SHARE * 1.25 * 2.0)
    limit = AdaptiveLimit(1000)
    windows(limit, 1, DELAY_SHARE * 10, inflight=500)
    assert limit.value == 250


def test_the_limit_has_a_floor():
    """A node always takes some: one that takes none could not find out that it is well again."""
    limit = AdaptiveLimit(1000)
    windows(limit, 30, 0.9, inflight=500)
    assert limit.value == LIMIT_MIN
    small = AdaptiveLimit(10)
    windows(small, 30, 0.9, inflight=10)
    assert small.value == 10, "the configured most is never exceeded"


def test_the_limit_grows_back_within_seconds():
    """Once requests start in time again, whether they come in numbers or not."""
    limit = AdaptiveLimit(1000)
    end = windows(limit, 30, 0.9, inflight=500)
    windows(limit, 25, 0.0, inflight=1, began=end + WINDOW_S)
    assert limit.value == 1000
    assert 25 * WINDOW_S < 3


def test_what_is_late_depends_on_the_time_that_requests_have():
    """The same delay is in order for those with much time and out of order for those with little."""
    for time_s, grows in ((10.0, True), (0.5, False)):
        limit = AdaptiveLimit(1000)
        limit.waited(0.1, time_s, 500, 100.0)
        limit.waited(0.1, time_s, 500, 100.0 + WINDOW_S)
        assert (limit.value == 1000) is grows


def test_a_request_whose_time_is_over_is_not_begun():
    """Nor one that could only be answered too late: several turns of the loop are still before it."""
    admission = Admission(1000)
    assert admission.begin(started=10.0, deadline=12.0, now=10.01) is None
    late = admission.begin(started=10.0, deadline=12.0, now=12.0)
    assert late is not None
    assert shed_reason(late) == "deadline"
    for number in range(20):
        admission.begin(started=20.0 + number * 0.1, deadline=22.0 + number * 0.1, now=20.5 + number * 0.1)
    # Requests lie for half a second now.
    assert admission.begin(started=30.0, deadline=30.0 + 0.5 * TURNS + 0.1, now=30.0) is None
    assert admission.begin(started=30.0, deadline=30.0 + 0.5 * TURNS - 0.1, now=30.0) is not None


def test_what_has_arrived_counts_before_it_is_started():
    """Otherwise a thousand that come in one turn of the loop would all find room."""
    admission = Admission(3)
    admission.enter()
    admission.arriving = 1
    assert not admission.is_full
    admission.arriving = 2
    assert admission.is_full
    assert admission.enter() is None, "those that are let in do not count themselves twice"


def test_refused_clients_do_not_come_back_together():
    """Retry-After differs from one to the next."""
    admission = Admission(1)
    admission.enter()
    told = [error.retry_after_s for _ in range(6) if (error := admission.enter()) is not None]
    assert sorted(told) == sorted(RETRY_AFTER_S * 2)


def test_bodies_take_only_so_much_memory():
    """What is announced counts until its request has ended; requests without a body need none of it."""
    admission = Admission(1000, bytes_max=100)
    assert admission.enter(60) is None
    refused = admission.enter(41)
    assert refused is not None
    assert shed_reason(refused) == "memory"
    assert admission.inflight == 1, "what is refused is not inside"
    assert admission.enter(40) is None
    assert admission.enter() is None
    admission.leave(60)
    assert admission.enter(60) is None


def test_memory_is_freed_once():
    """A second time would let in more than there is room for."""
    admission = Admission(1000, bytes_max=100)
    admission.reserve(10)
    admission.free(10)
    with pytest.raises(AssertionError):
        admission.free(10)


def test_what_may_have_waited_while_the_process_was_stopped_is_not_begun():
    """A request read at a doubtful moment is refused, and counted apart; one whose moment is not known goes on."""
    stall = Stall(2.0)
    stall.beat(10.0)
    admission = Admission(5, stall=stall)
    assert admission.enter(arrived=11.0) is None
    refused = admission.enter(arrived=13.0)
    assert isinstance(refused, Overloaded)
    assert shed_reason(refused) == "stalled"
    assert "nothing was done" in refused.detail
    assert admission.enter() is None
    assert admission.inflight == 2
