import random

from dynamo.growth.level import LEAST, Tolerance, second_half, verdict

MEMORY = Tolerance(name="memory", unit="MiB", share=0.05, amount=4.0)


def series(growth: float, noise: float = 0.0, base: float = 100.0, windows: int = 60) -> list[tuple[float, float]]:
    """A window every ten seconds; `growth` is what the whole run adds."""
    chance = random.Random(2)
    return [(10.0 * at, base + growth * at / windows + chance.gauss(0, noise)) for at in range(windows + 1)]


def judged(points: list[tuple[float, float]], tolerance: Tolerance = MEMORY):
    found = verdict(tolerance, {"": points}, points[-1][0])
    assert found is not None
    return found


def test_what_stays_is_level():
    """Also with noise that is larger than the tolerance, and where it falls."""
    assert judged(series(0)).level
    assert judged(series(0, noise=20)).level
    assert judged(series(-80)).level


def test_what_rises_is_told():
    """By what it comes to over the second half: a leak of a fifth, noise or not."""
    found = judged(series(20))
    assert (found.level, round(found.growth, 3), round(found.median)) == (False, 10.0, 115)
    assert not judged(series(40, noise=2)).level


def test_within_the_tolerance_is_level():
    """However sure the rise is: the share of the median, or the amount, whichever is more."""
    assert judged(series(7)).level
    assert judged(series(7, base=1.0)).level
    assert not judged(series(12, base=1.0)).level


def test_the_beginning_does_not_count():
    """Caches fill in the first half."""
    points = [(at, min(value, 150.0)) for at, value in series(100)]
    assert judged(points).level
    assert second_half(points, 600.0)[0][0] == 300.0


def test_the_worst_node_counts():
    """Named, whatever the others do."""
    found = verdict(MEMORY, {"node1": series(0), "node2": series(40), "node3": series(-10)}, 600.0)
    assert found is not None
    assert (found.whose, found.level) == ("node2", False)
    found = verdict(MEMORY, {"node1": series(0), "node3": series(-10)}, 600.0)
    assert found is not None
    assert (found.whose, found.level) == ("node1", True)


def test_a_few_windows_say_nothing():
    """Rather than something wrong."""
    points = series(100, windows=2 * LEAST - 3)
    assert verdict(MEMORY, {"": points}, points[-1][0]) is None
