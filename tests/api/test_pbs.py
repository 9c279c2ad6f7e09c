"""Predicted staleness on the operations listener."""

import pytest

from dynamo.telemetry.pbs import Curve
from dynamo.telemetry.prediction import LIMITS, Prediction, quorum_prediction
from tests.api.serving import Api, assert_problem

PBS = "/admin/v1/pbs"


async def test_no_prediction_yet(fake: Api):
    """It says why, and what predictions will assume."""
    reply = await fake.call("GET", PBS, ops=True)
    assert (reply.status, reply.json["prediction"], reply.json["age_s"]) == (200, None, None)
    assert "too few writes" in reply.json["why_not"]
    assert reply.json["limits"] == list(LIMITS)


async def test_a_prediction(fake: Api):
    """With its curve, its bounds and its age."""
    quorum = quorum_prediction(Curve([0.0, 0.005]), (1, 2), 3)
    fake.node.pbs.prediction = Prediction(0, 3, 2, 100, [quorum])
    reply = await fake.call("GET", PBS, ops=True)
    shown = reply.json["prediction"]["quorums"][0]
    assert reply.json["age_s"] > 1e9
    assert reply.json["why_not"] == ""
    assert (shown["read_replies"], shown["write_acks"], shown["curve"][0]) == (1, 2, [0.0, 0.5])
    assert shown["bounds"][0] == {"probability": 0.9, "seconds": 0.005, "low_s": 0.0, "high_s": 0.005}
    assert shown["within_versions"] == pytest.approx([2 / 3, 8 / 9, 26 / 27])


async def test_unknown_words(api: Api):
    """Are refused, as everywhere."""
    assert_problem(await api.call("GET", f"{PBS}?now=true", ops=True), 400, "invalid-parameter")
    assert_problem(await api.call("POST", PBS, ops=True), 405, "method-not-allowed")
