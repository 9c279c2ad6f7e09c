import pytest

from dynamo import errors
from dynamo.client.results import ConnectionLost, NodeUnreachable
from dynamo.client.retry import (
    BACKOFF_MAX_S,
    BUDGET_MAX,
    Budget,
    Verdict,
    attempt_s,
    backoff_s,
    judge,
    may_have_applied,
)

ELSEWHERE = [NodeUnreachable, errors.Draining, errors.NotReady, errors.StorageFull]
AGAIN = [
    ConnectionLost,
    errors.QuorumUnavailable,
    errors.Overloaded,
    errors.ReadTimeout,
    errors.WriteTimeout,
    errors.ContextNotReached,
    errors.Internal,
]
STOP = [errors.BadRequest, errors.KeyNotFound, errors.ModeConflict, errors.CorruptValue]


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        (kind, verdict)
        for kinds, verdict in ((ELSEWHERE, Verdict.ELSEWHERE), (AGAIN, Verdict.AGAIN), (STOP, Verdict.STOP))
        for kind in kinds
    ],
)
def test_each_kind_of_error_has_its_verdict(kind, verdict):
    """Free moves for what cost the cluster nothing, paid repeats for what may help, an end for what will not."""
    assert judge(kind("x")) is verdict


def test_every_error_of_the_catalogue_has_a_verdict():
    """A class that is added later is judged by its attributes, and a refusal by the client's fault never repeats."""
    for kind in errors.CATALOGUE.values():
        if not kind.retryable and kind.http_status < 500:
            assert judge(kind("x")) is Verdict.STOP


def test_the_answer_knows_better_than_its_class_whether_it_applied():
    """`applied` in the answer goes before what the kind of error says."""
    assert may_have_applied(errors.WriteTimeout("x"))
    assert not may_have_applied(errors.WriteTimeout("x", applied="no"))
    assert not may_have_applied(errors.Overloaded("x"))
    assert may_have_applied(errors.Overloaded("x", applied="unknown"))


@pytest.mark.parametrize(("left_s", "wanted_s"), [(5.0, 2.5), (0.4, 0.25), (0.1, 0.1), (1000.0, 60.0)])
def test_an_attempt_leaves_time_for_another_node(left_s, wanted_s):
    """Half of what is left, but enough to be worth it, and no more than a node accepts."""
    assert attempt_s(left_s) == wanted_s


@pytest.mark.parametrize("left_s", [0.0, -3.0])
def test_an_attempt_is_never_without_a_limit(left_s):
    """The deadline passed while nobody looked: 0 seconds would mean endless ones."""
    assert 0 < attempt_s(left_s) < 0.01


def test_backoff_is_fully_jittered_doubles_and_is_capped():
    """Uniform from 0 to a ceiling that doubles each round."""
    assert backoff_s(1, lambda: 0.0) == 0.0
    ceilings = [backoff_s(n, lambda: 1.0) for n in range(1, 30)]
    assert ceilings[1] == 2 * ceilings[0]
    assert max(ceilings) == ceilings[-1] == BACKOFF_MAX_S


def test_a_wait_that_the_server_asked_for_is_kept():
    """Retry-After is a floor, jitter comes on top."""
    assert 1.0 <= backoff_s(1, lambda: 0.5, 1) < 1.1


def test_the_budget_bounds_retries_to_a_share_of_the_calls():
    """Under steady failure of every call, retries are a fifth of the calls once the reserve is used up."""
    budget = Budget()
    while budget.take():
        pass
    taken = 0
    for _ in range(1000):
        budget.earn(0.0)
        taken += budget.take()
    assert taken == pytest.approx(200, abs=1)


def test_an_idle_client_gets_its_reserve_back():
    """Time refills the budget up to its bound, so that a quiet client is not stuck with an old outage."""
    budget = Budget()
    while budget.take():
        pass
    budget.earn(0.0)
    budget.earn(10_000.0)
    assert budget.tokens == BUDGET_MAX
