"""Predicted staleness on the operations listener: the last prediction of this node, or why there is none."""

from __future__ import annotations

import msgspec

from dynamo.api import parameters
from dynamo.api.answer import Answer, json_answer
from dynamo.api.call import Call
from dynamo.api.desk import now_ms
from dynamo.api.facade import Node
from dynamo.protocol.http_fields import REQUEST_ID
from dynamo.telemetry.prediction import LIMITS


class Pbs:
    """The handler."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def show(self, call: Call) -> Answer:
        """The curve and the bounds of every partial quorum, with what they assume."""
        parameters.parse(call.query, parameters.NOTHING)
        book = self._node.pbs
        made = book.prediction
        content = {
            "node": self._node.id,
            "replicas": book.replicas,
            "why_not": book.why_not() if made is None else "",
            "age_s": None if made is None else max(0.0, (now_ms() - made.made_ms) / 1000),
            "prediction": None if made is None else msgspec.to_builtins(made),
            "limits": LIMITS,
        }
        return json_answer(200, content, {REQUEST_ID: call.trace, "Cache-Control": "no-store"})
