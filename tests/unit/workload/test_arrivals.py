import pytest

from dynamo.workload.arrivals import Phase, duration_s, intended_starts, shared

PHASES = [Phase(name="slow", rate=4.0, seconds=1.0), Phase(name="fast", rate=10.0, seconds=0.5)]


def test_arrivals_are_evenly_spaced_and_phases_follow_each_other():
    """Every request knows its phase and its own time, and a phase begins when the one before is over."""
    assert list(intended_starts(PHASES)) == [
        *[(0, 0.0), (0, 0.25), (0, 0.5), (0, 0.75)],
        *[(1, 1.0), (1, 1.1), (1, 1.2), (1, 1.3), (1, 1.4)],
    ]
    assert duration_s(PHASES) == 1.5


def test_generators_share_the_rate():
    """Together they make as many arrivals, in the same time."""
    parts = shared(PHASES, 2)
    assert [part.rate for part in parts] == [2.0, 5.0]
    assert duration_s(parts) == duration_s(PHASES)
    assert 2 * len(list(intended_starts(parts))) == pytest.approx(len(list(intended_starts(PHASES))), abs=2)


def test_a_phase_without_arrivals_only_takes_time():
    """A pause between two loads is a phase like any other."""
    pause = Phase(name="pause", rate=0.0, seconds=2.0)
    assert next(iter(intended_starts([pause, PHASES[0]]))) == (1, 2.0)
