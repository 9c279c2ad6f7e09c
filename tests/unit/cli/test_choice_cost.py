from dynamo.cli import choice_cost
from dynamo.cli.choice_cost import choice_node_us


def test_a_node_more_costs_a_little(monkeypatch):
    """More than nothing and less than ten microseconds: the look at one entry of a dictionary or two."""
    monkeypatch.setattr(choice_cost, "RUNS", 2)
    assert 0 < choice_node_us() < 10
