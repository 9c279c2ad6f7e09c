from dynamo.workload.overload import TIMES, Round, best, phases_of
from dynamo.workload.tally import empty


def test_the_loads_of_a_round():
    """One, two and five times the peak, then less than it, with the same time for each."""
    phases = phases_of(1000.0, 3.0)
    assert [phase.rate for phase in phases] == [1000.0, 2000.0, 5000.0, 800.0]
    assert {phase.seconds for phase in phases} == {3.0}
    assert TIMES[-1] == 5.0


def test_a_peak_that_was_missed_raises_the_measure():
    """If twice the load brings more good answers than the search had found, five times is compared with that."""
    tally = empty(phases_of(1000.0, 1.0))
    tally.phases[0].good, tally.phases[1].good, tally.phases[2].good = 990, 1100, 2000
    run = Round(tally=tally, memory=[], largest_bytes=[])
    assert best(1000.0, run) == 1100.0
    assert best(1200.0, run) == 1200.0
