"""The series of predictions: all there from the start, unknown until something is known."""

from math import isnan

from prometheus_client.parser import text_string_to_metric_families

from dynamo.telemetry.metrics import Metrics
from dynamo.telemetry.pbs import AFTER_S, PROBABILITIES, Curve


def samples(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    page = metrics.expose()[0].decode()
    families = {family.name: family for family in text_string_to_metric_families(page)}
    return {tuple(each.labels.values()): each.value for each in families[name].samples} if name in families else {}


def test_every_partial_quorum_has_its_series():
    """Three of N=3, ten of N=5; none where there is nothing to predict, or too much."""
    for n, quorums in ((1, 0), (2, 1), (3, 3), (5, 10), (7, 0)):
        metrics = Metrics(["b"], "1", n)
        assert len(samples(metrics, "dynamo_pbs_fresh_ratio")) == quorums * len(AFTER_S)
        assert len(samples(metrics, "dynamo_pbs_staleness_bound_seconds")) == quorums * len(PROBABILITIES)
        assert len(samples(metrics, "dynamo_wars_seconds")) > 4


def test_nothing_is_predicted_at_first():
    """0 would say: never fresh."""
    metrics = Metrics(["b"], "1")
    assert all(isnan(value) for value in samples(metrics, "dynamo_pbs_fresh_ratio").values())
    assert samples(metrics, "dynamo_pbs_last_run_timestamp_seconds") == {(): 0}


def test_a_curve_is_shown():
    """By quorum and time, spelt as people write it."""
    metrics = Metrics(["b"], "1")
    metrics.pbs.show((1, 2), Curve([0.0005, 0.0015, 0.3, 0.6]))
    fresh = samples(metrics, "dynamo_pbs_fresh_ratio")
    assert [fresh["1", "2", after] for after in ("0", "0.001", "0.002", "0.5", "1")] == [0, 0.25, 0.5, 0.75, 1]
    assert isnan(fresh["1", "1", "0"])
    assert samples(metrics, "dynamo_pbs_staleness_bound_seconds")["1", "2", "0.999"] == 0.6
