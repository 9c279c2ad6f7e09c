import pytest

from tests.counts.baseline import Cost, cost, findings
from tests.counts.counter import Count
from tests.counts.test_counter import STEPS, place_of_this, quick, slow


def of(instructions: float, calls: float = 50.0, **functions: float) -> Cost:
    return Cost(instructions, calls, {"ring/ring.py": functions or {"owner": instructions}})


def recorded(each: Cost) -> dict[str, object]:
    return {"GET": each.recorded()}


@pytest.mark.parametrize("now", [of(1000), of(1100), of(900), of(1000, calls=55), of(1000, calls=45)])
def test_a_tenth_is_not_told(now: Cost):
    """Up to a tenth in either direction, of instructions and of calls."""
    assert findings(recorded(of(1000)), {"GET": now}) == []


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (of(1101), "instructions 1,000.0 -> 1,101.0 (+10%)"),
        (of(899), "instructions 1,000.0 -> 899.0 (-10%)"),
        (of(1000, calls=56), "calls 50.0 -> 56.0 (+12%)"),
    ],
)
def test_more_than_a_tenth_is_told(now: Cost, says: str):
    """A loss is to be seen, and a gain to be recorded."""
    (finding,) = findings(recorded(of(1000)), {"GET": now})
    assert finding.startswith(f"GET: {says}")


def test_one_call_more_of_a_small_operation_is_not_told():
    """A tenth of seven calls is less than one."""
    assert findings(recorded(of(300, calls=7.0)), {"GET": of(300, calls=8.0)}) == []


def test_operations_that_came_or_went_are_told():
    assert findings(recorded(of(1)), {"PUT": of(1)}) == [
        "PUT: is counted, but not recorded",
        "GET: is recorded, but not counted",
    ]


def test_what_grew_is_named():
    """The module that changed most comes first, with its largest functions; one that has gone is named, too."""
    before = {"GET": {"instructions": 1000.0, "calls": 50.0, "modules": {"ring/ring.py": 900.0, "api/old.py": 100.0}}}
    now = Cost(1500.0, 50.0, {"ring/ring.py": {"owner": 1200.0, "walk": 300.0}})
    (finding,) = findings(before, {"GET": now})
    assert finding.splitlines()[1:] == [
        "     +600.0  ring/ring.py  (owner 1,200, walk 300)",
        "     -100.0  api/old.py  (gone)",
    ]


def test_a_function_made_slower_fails_the_guard():
    """Counted, recorded, made to do its work twice, counted again: told, with its module and name."""
    with Count(place_of_this) as before:
        quick(STEPS)
    with Count(place_of_this) as now:
        slow(STEPS)
    (finding,) = findings(recorded(cost(1, before)), {"GET": cost(1, now)})
    assert "counts/test_counter.py" in finding
    assert "(slow " in finding
