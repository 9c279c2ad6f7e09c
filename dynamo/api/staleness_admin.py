"""Whether this node judges how stale reads are: shown and switched on the operations listener."""

from __future__ import annotations

import msgspec

from dynamo.api import parameters
from dynamo.api.answer import Answer, json_answer
from dynamo.api.call import Call
from dynamo.api.facade import Node
from dynamo.errors import InvalidParameter
from dynamo.protocol.http_fields import REQUEST_ID

ENABLED = frozenset({"enabled"})


class Staleness:
    """The handlers."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def status(self, call: Call) -> Answer:
        """Whether reads are judged, which share of them, and what is kept for it."""
        parameters.parse(call.query, parameters.NOTHING)
        return self._shown(call)

    async def switch(self, call: Call) -> Answer:
        """Begin or cease; holds until the node's next start, which goes by its configuration."""
        on = parameters.parse(call.query, ENABLED).flag("enabled")
        if on is None:
            raise InvalidParameter("say whether reads are to be judged: ?enabled=true or false", parameter="enabled")
        self._node.judge.switch(on=on)
        return self._shown(call)

    def _shown(self, call: Call) -> Answer:
        content = {"node": self._node.id, **msgspec.structs.asdict(self._node.judge.status())}
        return json_answer(200, content, {REQUEST_ID: call.trace, "Cache-Control": "no-store"})
