from dynamo.report.differences import compare, counted
from tests.unit.report.results import result


def verdicts(a, b) -> dict[str, str]:
    return {each.what: each.verdict for each in compare(a, b).differences}


def test_a_run_beside_itself_differs_in_nothing():
    """Every figure is there, none is better or worse."""
    found = verdicts(result(), result())
    assert set(found.values()) == {"no difference shown"}
    assert "p99 response, get one" in found
    assert "stale reads at one, writes at one" in found
    assert "monotonic reads broken at one" in found


def test_what_is_slower_and_staler_is_worse():
    """In both directions; the interval leaves out zero."""
    a, b = result(20), result(20, slower=1.5, stale=20)
    found = verdicts(a, b)
    assert found["p50 response, get one"] == found["stale reads at one, writes at one"] == "worse"
    assert verdicts(b, a)["p50 response, get one"] == "better"
    worst = next(each for each in compare(a, b).worse if each.what.startswith("stale reads at one, writes at one"))
    assert worst.low > 0
    assert (worst.value_a, worst.value_b) == (6.0, 20.0)


def test_too_little_to_say():
    """One slice is one batch: there is a difference, and nobody knows what it is worth."""
    (first, *_) = compare(result(1), result(1, slower=3)).differences
    assert (first.low, first.high, first.verdict) == (None, None, "no difference shown")
    assert first.value_b > first.value_a


def test_what_was_asked_differently_is_said_first():
    """But not what makes no difference, like the run's own number."""
    a = result(plan={"seed": 1, "run": 5, "records": 10})
    b = result(plan={"seed": 2, "run": 6, "records": 10}, workers=2)
    assert compare(a, b).asked == ["seed: 1 and 2", "workers: 1 and 2"]


def test_the_warm_up_is_left_out():
    """Of the batches."""
    assert [each.at_s for each in counted(result(5, warm_up_s=2.0))] == [2.0, 3.0, 4.0]
