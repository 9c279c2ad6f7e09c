"""One page of hints on its way: sent at once, answered one by one, over when the last answer is in."""

from __future__ import annotations

import asyncio

from dynamo.layout.hint import Hint
from dynamo.layout.keyspaces import split_hint_key, split_record_key
from dynamo.node.node import Node
from dynamo.protocol.effects import PeerError
from dynamo.protocol.messages import Message, Store, Stored

OF_THE_RECEIVER = frozenset(
    ("overloaded", "draining", "not-ready", "storage-full", "storage-refused", "write-timeout", "wrong-epoch")
)
"""Refusals that say nothing of the hint: the next one would be refused as well."""


class Shipment:
    """One hint on its way to one node or more; `ports.Receiver` of their answers."""

    def __init__(self, stored: bytes, data: bytes, hint: Hint, to: tuple[str, ...], event: str) -> None:
        self.stored = stored
        self.data = data
        self.hint = hint
        self.to = to
        self.event = event
        """What it is counted as once it is acknowledged: one of HINT_EVENTS."""
        self.failure = ""
        """Why it was not acknowledged; empty if it was."""
        self.is_of_receiver = False
        """Whether the failure is the receiver's, and not this hint's."""
        self._awaited = len(to)
        self._page: Page | None = None

    def send(self, node: Node, deadline: float, page: Page) -> None:
        """To all of them."""
        self._page = page
        _, bucket, key = split_record_key(split_hint_key(self.stored)[1])
        message = Store(bucket, key, self.hint.record)
        for peer in self.to:
            node.send(peer, message, deadline, "", self)

    def on_reply(self, peer: str, message: Message) -> None:
        """Acknowledged."""
        assert isinstance(message, Stored), message
        self._answered()

    def on_failure(self, peer: str, error: PeerError) -> None:
        """Not acknowledged."""
        refusal = error.error
        self.failure = error.failure.value if refusal is None else refusal.code
        self.is_of_receiver = refusal is None or refusal.code in OF_THE_RECEIVER
        self._answered()

    def _answered(self) -> None:
        self._awaited -= 1
        if self._awaited == 0 and self._page is not None:
            self._page.answered()


class Page:
    """Some shipments that are under way together."""

    def __init__(self, node: Node, shipments: list[Shipment]) -> None:
        self._node = node
        self._shipments = shipments
        self._left = len(shipments)
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def sent(self, deadline: float) -> None:
        """Send all and wait until all are answered."""
        if not self._shipments:
            return
        self._node.hint_desk.inflight += self._left
        for shipment in self._shipments:
            shipment.send(self._node, deadline, self)
        await self._over

    def answered(self) -> None:
        """One more of them."""
        self._node.hint_desk.inflight -= 1
        self._left -= 1
        if self._left == 0 and not self._over.done():
            self._over.set_result(None)
