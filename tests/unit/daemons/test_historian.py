"""The historian's windows are the node's own counts."""

from __future__ import annotations

import asyncio

from dynamo.daemons.historian import Historian
from tests.unit.node.world import World


async def test_a_window_is_what_the_node_counted():
    """With the hints that it keeps now, and linearizable reads, which are judged only when somebody looks."""
    node = World(2, later=asyncio.get_running_loop().call_soon)["node1"]
    historian = Historian(node)
    assert historian.period_s == node.config.telemetry.history_period_s
    await historian.run_once()
    assert len(node.history) == 0
    node.metrics.requests["get", "linearizable"].finished("ok", 0.001)
    node.clock.now += 5.0
    await historian.run_once()
    assert node.history.columns()["lasted_s"] == [5.0]
    assert node.history.columns()["hints_pending"] == [0.0]
    assert node.history.levels()["linearizable"]["judged"] == [1.0]
