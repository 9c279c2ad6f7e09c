"""Windows of counters: differences, percentiles of what came in between, and a bound on all of it."""

from math import isnan, nan

import pytest

from dynamo.telemetry.history import KEPT, History, quantile
from dynamo.telemetry.metrics import Metrics


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(["node2"], "1")


def read(metrics: Metrics, level: str, seconds: float, outcome: str = "ok") -> None:
    metrics.requests["get", level].finished(outcome, seconds)


def test_a_window_holds_what_came_since_the_last(metrics: Metrics):
    """Not what was there before, and not what came later."""
    read(metrics, "one", 0.001)
    history = History(metrics)
    history.look(1000, 10.0, 0)
    for _ in range(3):
        read(metrics, "one", 0.001)
    read(metrics, "one", 0.4, "timeout")
    read(metrics, "one", 0.001, "rejected")
    metrics.requests["cas", "linearizable"].finished("unavailable", 0.01)
    metrics.staleness.levels["one"].count("stale", 0.1, 1)
    metrics.staleness.levels["one"].count("inflight")
    metrics.staleness.levels["one"].count("unresolved")
    metrics.repairs_after_answer.value += 2
    history.look(6000, 15.0, 7)
    history.look(11000, 20.0, 0)
    node, one = history.columns(), history.levels()["one"]
    assert (node["at_ms"], node["lasted_s"]) == ([6000.0, 11000.0], [5.0, 5.0])
    assert (node["hints_pending"], node["read_repairs"]) == ([7.0, 0.0], [2.0, 0.0])
    assert (one["reads"], one["reads_failed"]) == ([5.0, 0.0], [1.0, 0.0])
    assert (one["judged"], one["stale"]) == ([2.0, 0.0], [1.0, 0.0])
    strong = history.levels()["linearizable"]
    assert (strong["writes"], strong["writes_failed"]) == ([1.0, 0.0], [1.0, 0.0])


def test_percentiles_are_of_the_window(metrics: Metrics):
    """A slow past does not show in a fast present; without reads there is none."""
    history = History(metrics)
    history.look(0, 0.0, 0)
    read(metrics, "quorum", 4.0)
    history.look(0, 1.0, 0)
    for _ in range(100):
        read(metrics, "quorum", 0.0015)
    history.look(0, 2.0, 0)
    history.look(0, 3.0, 0)
    slow, fast, none = history.levels()["quorum"]["read_p99_s"]
    assert 2.0 < slow <= 5.0
    assert 0.001 < fast <= 0.002
    assert isnan(none)


def test_it_keeps_so_many_windows(metrics: Metrics):
    """The oldest goes; a look at the same moment makes none."""
    history = History(metrics)
    for number in range(KEPT + 10):
        history.look(number, float(number), 0)
        history.look(number, float(number), 0)
    assert len(history) == KEPT
    assert history.columns()["at_ms"][0] == 10.0


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        ([0, 0, 0], 0.5, nan),
        ([4, 0, 0], 0.5, 0.5),
        ([0, 4, 0], 0.5, 2.0),
        ([2, 2, 0], 0.99, 2.96),
        ([1, 0, 9], 0.99, 3.0),
        ([0, 10, 0], 1.0, 3.0),
    ],
)
def test_quantiles(buckets: list[int], share: float, expected: float):
    """As Prometheus has them: even within a bucket; above every bound, the last bound."""
    assert quantile((1.0, 3.0), buckets, share) == pytest.approx(expected, nan_ok=True)
