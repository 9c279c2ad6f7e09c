import json

import pytest

from dynamo.load import client_cost
from dynamo.load.client_cost import Cost


@pytest.fixture(autouse=True)
def measured(monkeypatch):
    """A measurement of its own."""
    monkeypatch.setattr(client_cost, "measure", lambda _: [Cost("as fast as it can", 9000.0, 35.0)])


def test_the_goal_is_held_against_what_was_measured(cli):
    """In words, and as JSON."""
    assert "at most 40 us: met" in cli("bench", "client").text
    document = json.loads(cli("bench", "client", "--json").text)
    assert document == {"goal_us": 40.0, "measurements": [{"what": "as fast as it can", "rate": 9000.0, "us": 35.0}]}


def test_a_limit_for_ci(cli):
    """Above it, it ends with 1."""
    assert cli("bench", "client", "--fail-above", "36").code == 0
    assert cli("bench", "client", "--fail-above", "34").code == 1
