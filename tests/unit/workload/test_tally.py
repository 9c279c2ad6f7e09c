from dynamo.workload.arrivals import Phase
from dynamo.workload.histogram import Histogram
from dynamo.workload.tally import BIN_S, Bin, Tally, empty, merged

PHASES = [Phase(name="over", rate=100.0, seconds=1.0), Phase(name="after", rate=8.0, seconds=1.0)]


def after(*good: int) -> Tally:
    """A run whose second phase had so many good ones of two in each step."""
    tally = empty(PHASES)
    tally.bins[4:8] = [Bin(offered=2, good=count) for count in good]
    return tally


def test_recovery_is_for_good():
    """A good step between two bad ones is luck: what counts is when the last bad one is over."""
    assert after(0, 2, 0, 2).recovered_after_s(1, 0.95) == 3 * BIN_S
    assert after(2, 2, 2, 2).recovered_after_s(1, 0.95) == 0.0


def test_a_run_that_ends_badly_has_not_recovered():
    """There is no number for it."""
    assert after(2, 2, 2, 1).recovered_after_s(1, 0.95) is None


def test_generators_are_counted_together():
    """Each end, each step and each latency of the one is added to the other's; the rate is the whole one."""
    parts = [empty(PHASES), empty(PHASES)]
    for part, took_ns in zip(parts, (1_000_000, 3_000_000), strict=True):
        phase = part.phases[0]
        phase.good, phase.shed, phase.late, phase.unsent, phase.failed = 5, 4, 3, 2, 1
        phase.good_ns = Histogram([took_ns]).counts()
        phase.client_s = 0.5
        part.bins[0] = Bin(offered=7, good=5)
    parts[1].phases[0].first_failure = "status 500"
    whole = merged(parts, PHASES)
    phase = whole.phases[0]
    assert (phase.good, phase.shed, phase.late, phase.unsent, phase.failed) == (10, 8, 6, 4, 2)
    assert phase.offered == 30
    assert phase.goodput == 10.0
    assert phase.client_s == 1.0
    assert phase.first_failure == "status 500"
    assert 1.0 <= phase.good_ms(50) < 1.01
    assert 3.0 <= phase.good_ms(99) < 3.03
    assert whole.bins[0] == Bin(offered=14, good=10)


def test_a_phase_without_answers_has_no_latency():
    """Nothing is not a fast answer, and no error either."""
    assert empty(PHASES).phases[0].good_ms(99) == 0.0
