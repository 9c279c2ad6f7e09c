"""What the console draws that no other route of the operations listener says: the ring, the last minutes, what if.

All of it is this node's: what it counted as a coordinator. Who is alive, hints, repair and predictions have routes of
their own, which the page asks as well: a cluster that answers slowly does not keep the rest waiting.
"""

from __future__ import annotations

from collections.abc import Sequence

from dynamo.api import parameters
from dynamo.api.answer import Answer, json_answer
from dynamo.api.call import Call
from dynamo.api.desk import now_ms
from dynamo.api.facade import Node
from dynamo.protocol.http_fields import REQUEST_ID
from dynamo.telemetry.exposition import Histogram
from dynamo.telemetry.history import KEPT, quantile
from dynamo.telemetry.staleness_series import LEVELS, REPLIES_MAX, LevelSeries
from dynamo.version import VERSION


class ConsoleData:
    """The handler."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def show(self, call: Call) -> Answer:
        """Ring, history, and what was judged since the start."""
        parameters.parse(call.query, parameters.NOTHING)
        node, judge = self._node, self._node.judge.status()
        content = {
            "node": node.id,
            "cluster": node.config.cluster.name,
            "version": VERSION,
            "now_ms": now_ms(),
            "replicas": node.config.default_n,
            "period_s": node.config.telemetry.history_period_s,
            "windows_max": KEPT,
            "sample_share": judge.sample if judge.enabled else 0.0,
            "ring": self._ring(),
            "history": {**node.history.columns(), "levels": node.history.levels()},
            "since_start": self._since_start(),
        }
        return json_answer(200, content, {REQUEST_ID: call.trace, "Cache-Control": "no-store"})

    def _ring(self) -> dict[str, object]:
        """Owners as places in the list of members: one number a partition, the first primary of its keys."""
        ring = self._node.ring
        places = {member.id: place for place, member in enumerate(ring.members)}
        return {
            "epoch": ring.epoch,
            "partitions": ring.partitions,
            "members": [member.id for member in ring.members],
            "owners": [places[owner] for owner in ring.owners],
        }

    def _since_start(self) -> dict[str, object]:
        series, replicas = self._node.metrics.staleness, min(self._node.config.default_n, REPLIES_MAX)
        return {
            "levels": {level: _level(series.levels[level]) for level in LEVELS},
            "replies": [
                {
                    "replies": number + 1,
                    "judged": sum(cell.value for word, cell in series.whatif[number].items() if word != "unresolved"),
                    "stale": series.whatif[number]["stale"].value,
                    **_times(series.reply_times[number]),
                }
                for number in range(replicas)
            ],
            "acks": [
                {"acks": number + 1, "measured": series.ack_times[number].count, **_times(series.ack_times[number])}
                for number in range(replicas)
            ],
        }


def _level(series: LevelSeries) -> dict[str, object]:
    """`staler`: pairs of a time, and how many judged reads missed a write acknowledged longer ago than that."""
    counts = series.seconds.buckets
    return {
        **{word: cell.value for word, cell in series.verdicts.items()},
        "staler": [(bound, sum(counts[place + 1 :])) for place, bound in enumerate(series.seconds.bounds)],
    }


def _times(histogram: Histogram) -> dict[str, float]:
    bounds: Sequence[float] = histogram.bounds
    return {
        "p50_s": quantile(bounds, histogram.buckets, 0.5),
        "p99_s": quantile(bounds, histogram.buckets, 0.99),
    }
