"""Forgets keys of linearizable buckets that were deleted long ago, on all their replicas: `consensus/forgetting.py`.

Each node looks after the keys whose first primary it is; the other primaries only after twice the time, when that one
has forgotten and they have not, or lacks what they have. A key is attempted once the wall clock says that it is old
enough, and this process has seen it unchanged for the window in which repeats are recognised; after a failure that
begins anew. Once nothing is left of a key's votes the reaper may take its record, too (`node/reaping.py`).
"""

from __future__ import annotations

import asyncio

from dynamo.consensus.forgetting import Attempt, Forgetting, is_forgettable
from dynamo.consensus.requests import WINDOW_MS
from dynamo.daemons.daemon import pause
from dynamo.errors import CorruptValue, DynamoError
from dynamo.layout import ballot, register
from dynamo.layout.keyspaces import Keyspace, split_record_key, successor
from dynamo.layout.register import Register
from dynamo.node.driver import Driver
from dynamo.node.node import Node
from dynamo.node.wakeups import Wakeups
from dynamo.ports import Respond
from dynamo.protocol.bucket import Mode
from dynamo.protocol.messages import Message
from dynamo.versioning.ballot import ZERO, Ballot

PAGE = 64
PAGE_PAUSE_S = 0.05
"""Between two pages."""
KEY_PAUSE_S = 0.02
"""Between two attempts: three syncs on each replica."""
PATIENCE_S = 5.0
"""For an attempt."""
WATCHED_MAX = 20_000
"""Keys without a value that are looked at from walk to walk."""


class Forgetter:
    """Daemon."""

    name = "forgetter"

    def __init__(self, node: Node) -> None:
        settings, requests = node.config.tombstones, node.config.requests
        self.period_s = settings.period_s
        self._node = node
        window_ms = WINDOW_MS + int(requests.timeout_max_s * 1000)
        self._window_s = window_ms / 1000
        self._age_ms = max(int(settings.age_min_s * 1000), window_ms)
        self._watched: dict[bytes, tuple[Ballot, float]] = {}
        """What each had accepted last, and since when that is known (monotonic)."""
        # A queue of its own: that of the requests is empty while there are none, and that is asserted.
        self._driver = Driver(node.id, node.clock, node.peers, Wakeups(node.clock), self._local)

    async def run_once(self) -> None:
        """Walk through all states here, and attempt what is due."""
        start = b""
        before, self._watched = self._watched, {}
        while page := self._node.storage.scan(Keyspace.BALLOTS, start, None, PAGE):
            for stored, data in page:
                last = self._due(stored, data, before)
                if last is not None:
                    await self._attempt(stored, last)
                    await pause(self._node.clock, KEY_PAUSE_S)
            start = successor(page[-1][0])
            await pause(self._node.clock, PAGE_PAUSE_S)

    def _due(self, stored: bytes, data: bytes, before: dict[bytes, tuple[Ballot, float]]) -> Ballot | None:
        """The ballot that the key was accepted in last, if it is to be forgotten, as far as this node can tell."""
        try:
            state = ballot.decode(data)
            held = register.decode(state.value or b"")
        except CorruptValue:
            return None  # the auditor sees to it
        if held.value is not None or len(self._watched) >= WATCHED_MAX:
            return None
        now = self._node.clock.monotonic()
        accepted, since = before.get(stored, (state.accepted, now))
        self._watched[stored] = (state.accepted, since if accepted == state.accepted else now)
        decided = state.promised if state.accepted == ZERO else state.accepted
        is_due = now - self._watched[stored][1] >= self._window_s and self._is_old(stored, decided[0], held)
        return state.accepted if is_due else None

    def _is_old(self, stored: bytes, decided: int, held: Register) -> bool:
        homes = self._homes(stored)
        if self._node.id not in homes or not all(map(self._node.liveness.is_alive, homes)):
            return False
        age_ms = self._age_ms if homes[0] == self._node.id else 2 * self._age_ms
        now = self._node.clock.wall_ms()
        return now - decided >= age_ms and is_forgettable(held, now, age_ms)

    def _homes(self, stored: bytes) -> tuple[str, ...]:
        partition, bucket, _ = split_record_key(stored)
        known = self._node.buckets.last(bucket)
        if known is None or known.mode is not Mode.LINEARIZABLE:
            return ()
        return self._node.preference.primaries(partition, known.n)

    async def _attempt(self, stored: bytes, last: Ballot) -> None:
        node = self._node
        _, bucket, key = split_record_key(stored)
        deadline = node.clock.monotonic() + PATIENCE_S
        machine = Forgetting(self._homes(stored), bucket, key, node.ballots.next(last), last, self._age_ms, deadline)
        ended: asyncio.Future[Attempt] = asyncio.get_running_loop().create_future()

        def done(outcome: Attempt | DynamoError) -> None:
            assert isinstance(outcome, Attempt), outcome
            node.metrics.forget_attempts[outcome.result].value += 1
            if not ended.done():  # as it is where the node stops meanwhile
                ended.set_result(outcome)

        self._driver.run(machine, deadline, "", done)
        if (await ended).result != "forgotten":
            self._watched.pop(stored, None)

    def _local(self, message: Message, respond: Respond) -> None:
        self._node.handle(self._node.id, self._node.ring.epoch, message, 0.0, "", respond)
