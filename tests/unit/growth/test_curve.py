import pytest

from dynamo.growth.curve import verdict
from tests.unit.growth.figures import curves


@pytest.mark.parametrize(
    ("costs", "allowed", "word"),
    [
        ([100, 105, 98], 0.2, "flat"),
        ([100, 140, 195], 0.2, "sublinear"),
        ([100, 50, 20], 0.2, "falling"),
        ([100, 1000, 10_000], 1.1, "linear"),
        ([100, 1000, 10_000], 0.2, "superlinear"),
        ([100, 10_000, 1_000_000], 1.1, "superlinear"),
        ([100, 100, 200], 0.2, "superlinear"),
    ],
)
def test_a_curve_is_called_by_its_power(costs: list[float], allowed: float, word: str):
    """Of what its axis allows; the largest sizes alone can make it superlinear."""
    found = curves(allowed=allowed, PUT=costs)
    assert verdict(found.axis, found.points).word == word


def test_each_operation_has_its_own_verdict():
    """None where there is one size only."""
    found = curves(PUT=[100, 100, 100], GET=[10, 100, 1000])
    assert [(each.operation, each.word) for each in found.verdicts] == [("PUT", "flat"), ("GET", "superlinear")]
    assert [point.cost_us for point in found.of("GET")] == [10, 100, 1000]
    assert curves(PUT=[100]).verdicts == []
