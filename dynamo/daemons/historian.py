"""The historian: looks at the node's counters every few seconds, so that the console can draw the last minutes.

Nothing is asked of anybody: totals that are counted anyway are read, a tenth of a millisecond of work each time.
"""

from __future__ import annotations

from dynamo.node.node import Node


class Historian:
    """Daemon."""

    name = "historian"

    def __init__(self, node: Node) -> None:
        self._node = node

    @property
    def period_s(self) -> float:
        """Length of a window, give or take a quarter."""
        return self._node.config.telemetry.history_period_s

    async def run_once(self) -> None:
        """Look once."""
        node = self._node
        node.judge.refresh()
        pending = sum(status.count for status in node.hint_desk.status())
        node.history.look(node.clock.wall_ms(), node.clock.monotonic(), pending)
