"""Hints on the operations listener: what this node keeps for others, and what an operator does about it.

All of it is about the node that is asked; `dynamo hints` asks every node.
"""

from __future__ import annotations

import time

from dynamo.api import parameters
from dynamo.api.answer import Answer, json_answer
from dynamo.api.call import Call
from dynamo.api.facade import Node
from dynamo.errors import HintsPending, InvalidParameter
from dynamo.protocol.http_fields import REQUEST_ID

TARGET = frozenset({"target"})
WAIT_S = 60.0
WAIT_S_MAX = 3600.0


class Hints:
    """The handlers."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def status(self, call: Call) -> Answer:
        """Count, bytes and age of the hints for each node that has some here."""
        parameters.parse(call.query, parameters.NOTHING)
        return self._shown(call)

    async def pause(self, call: Call) -> Answer:
        """Deliver nothing until resumed; kept over restarts."""
        parameters.parse(call.query, parameters.NOTHING)
        await self._node.hint_desk.pause()
        return self._shown(call)

    async def resume(self, call: Call) -> Answer:
        """Deliver again."""
        parameters.parse(call.query, parameters.NOTHING)
        await self._node.hint_desk.resume()
        return self._shown(call)

    async def drop(self, call: Call) -> Answer:
        """Throw away the hints for one node."""
        target = parameters.parse(call.query, TARGET).text("target")
        if not target:
            raise InvalidParameter("say whose hints are to be dropped: ?target=NODE", parameter="target")
        dropped = await self._node.hint_desk.drop(target)
        return json_answer(200, {"node": self._node.id, "target": target, "dropped": dropped}, {REQUEST_ID: call.trace})

    async def wait(self, call: Call) -> Answer:
        """Answer once every hint that is here now was delivered. Raises HintsPending if that takes too long."""
        given = parameters.parse(call.query, parameters.TIMEOUT)
        timeout_s = given.timeout_s()
        timeout_s = WAIT_S if timeout_s is None else min(timeout_s, WAIT_S_MAX)
        pending = await self._node.hint_desk.wait(time.monotonic() + timeout_s)
        if pending:
            stopped = "; the delivery is paused on this node" if self._node.hint_desk.paused else ""
            raise HintsPending(
                f"hints for {', '.join(pending)} were not delivered within {timeout_s:g} s{stopped}", targets=pending
            )
        return self._shown(call)

    def _shown(self, call: Call) -> Answer:
        desk = self._node.hint_desk
        targets = [
            {
                "target": status.target,
                "count": status.count,
                "bytes": status.size_bytes,
                "oldest_age_s": status.oldest_age_s,
                "alive": status.alive,
                "problem": status.problem,
            }
            for status in desk.status()
        ]
        content = {"node": self._node.id, "paused": desk.paused, "inflight": desk.inflight, "targets": targets}
        return json_answer(200, content, {REQUEST_ID: call.trace, "Cache-Control": "no-store"})
