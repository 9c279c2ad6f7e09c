"""Anti-entropy on the operations listener: start a run, see how far it is, and what comparing has come to.

All of it is about the node that is asked: it compares its own partitions with their other replicas. `dynamo repair`
asks every node.
"""

from __future__ import annotations

import msgspec

from dynamo.api import parameters
from dynamo.api.answer import Answer, json_answer
from dynamo.api.call import Call
from dynamo.api.facade import Node
from dynamo.errors import InvalidParameter
from dynamo.node.repairs import Run, Tally
from dynamo.protocol.bucket import check_name
from dynamo.protocol.http_fields import REQUEST_ID

SCOPE = frozenset({"bucket", "partition"})


class Repairs:
    """The handlers."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def start(self, call: Call) -> Answer:
        """Compare all partitions, or one, with all their replicas that are alive, now. Answers before it has begun."""
        given = parameters.parse(call.query, SCOPE)
        partition = self._partition(given.text("partition"))
        bucket = given.text("bucket")
        if bucket is not None:
            check_name(bucket)
        run = self._node.repairs.request(bucket or "", partition)
        return json_answer(202, {"node": self._node.id, "run": run_json(run)}, self._fields(call))

    async def status(self, call: Call) -> Answer:
        """The sweep by the clock, the last run that was asked for, and all since the node's start."""
        parameters.parse(call.query, parameters.NOTHING)
        status = self._node.repairs.status()
        content = {
            "node": self._node.id,
            "enabled": status.enabled,
            "rebuilding_partitions": status.rebuilding,
            "last_full_sweep_age_s": status.last_full_sweep_age_s,
            "sweep": run_json(status.sweep),
            "run": None if status.run is None else run_json(status.run),
            "total": tally_json(status.total),
        }
        return json_answer(200, content, self._fields(call))

    def _partition(self, text: str | None) -> int:
        if text is None:
            return -1
        if not text.isascii() or not text.isdigit() or int(text) >= self._node.ring.partitions:
            raise InvalidParameter(
                f"the partitions are 0 to {self._node.ring.partitions - 1}, not {text!r}", parameter="partition"
            )
        return int(text)

    def _fields(self, call: Call) -> dict[str, str]:
        return {REQUEST_ID: call.trace, "Cache-Control": "no-store"}


def run_json(run: Run) -> dict[str, object]:
    """A run or a sweep."""
    state = "finished" if run.finished else "running" if run.started else "waiting"
    return {
        "number": run.number,
        "state": state,
        "bucket": run.bucket or None,
        "partition": None if run.partition < 0 else run.partition,
        "exchanges_due": run.exchanges_due,
        "peers_away": run.peers_away,
        **tally_json(run.tally),
    }


def tally_json(tally: Tally) -> dict[str, object]:
    """What exchanges came to."""
    return dict(msgspec.structs.asdict(tally))
