"""The audit on the operations listener: how it stands on this node, and having a pass made now."""

from __future__ import annotations

import msgspec

from dynamo.api import parameters
from dynamo.api.answer import Answer, json_answer
from dynamo.api.call import Call
from dynamo.api.facade import Node
from dynamo.protocol.http_fields import REQUEST_ID


class Audit:
    """The handlers."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def status(self, call: Call) -> Answer:
        """What the pass under way, or the last one, has found."""
        parameters.parse(call.query, parameters.NOTHING)
        return self._shown(200, call)

    async def run(self, call: Call) -> Answer:
        """202: a pass begins within a second. One that waits for its time goes on at once instead."""
        parameters.parse(call.query, parameters.NOTHING)
        self._node.audit.ask()
        return self._shown(202, call)

    def _shown(self, status: int, call: Call) -> Answer:
        content = {"node": self._node.id, **msgspec.structs.asdict(self._node.audit.status())}
        return json_answer(status, content, {REQUEST_ID: call.trace, "Cache-Control": "no-store"})
