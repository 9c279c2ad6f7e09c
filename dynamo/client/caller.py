"""One call: attempts at one node after the other until there is an answer, or the deadline.

`retry.py` judges each failure and `routing.py` orders the nodes; this file keeps the books between them. Its rule for
writes: once an attempt may have been applied, the call can only end in an answer or in `OutcomeUnknown`. A later
attempt that was clearly refused says nothing about the earlier one; nor does an operation of a batch that was.
"""

from __future__ import annotations

import asyncio
import random

import msgspec

from dynamo.client import answers, wire
from dynamo.client.answer import Answer, failure
from dynamo.client.connection import Connections, epoch_of
from dynamo.client.results import ConnectionLost, NodeUnreachable
from dynamo.client.retry import Budget, Verdict, attempt_s, backoff_s, judge, may_have_applied
from dynamo.client.routing import Routing
from dynamo.client.wire import Call
from dynamo.errors import Applied, Draining, DynamoError, NotReady
from dynamo.protocol import http_fields as fields

REFRESH_TIMEOUT_S = 1.0


class Caller:
    """Carries out calls. One per client; shared by all its calls."""

    def __init__(self, connections: Connections, routing: Routing, *, refreshes: bool) -> None:
        self._connections = connections
        self._routing = routing
        self._refreshes = refreshes
        self._budget = Budget()
        self._refreshing: asyncio.Task[None] | None = None

    async def call(self, call: Call, timeout_s: float) -> Answer:
        """The answer of a node, whatever it says of the request itself.

        Raises what the last attempt met when attempts end; OutcomeUnknown if a write may have been applied.
        """
        attempts = _Attempts(call, self._routing, self._budget, _now() + timeout_s)
        self._budget.earn(_now())
        while True:
            endpoint = attempts.next_node()
            try:
                answer = await self._attempt(endpoint, attempts.next_call(), attempts.time_s())
            except DynamoError as error:
                await asyncio.sleep(attempts.failed(error))
                attempts.refuse_late()
            else:
                return attempts.succeeded(answer)

    async def close(self) -> None:
        """Stop what runs in the background, close all connections."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)
        await self._connections.close()

    async def _attempt(self, endpoint: str, call: Call, time_s: float) -> Answer:
        try:
            answer = await self._connections.exchange(endpoint, call, time_s)
        except (NodeUnreachable, ConnectionLost):
            self._routing.failed(endpoint, _now())
            self._refresh_if_due(None)
            raise
        self._routing.answered(endpoint)
        if call.path != wire.RING_PATH:
            self._refresh_if_due(epoch_of(answer))
        if answer.status >= 500:
            error = failure(answer)
            if isinstance(error, Draining | NotReady):
                self._routing.failed(endpoint, _now())
            raise error
        return answer

    def _refresh_if_due(self, epoch: int | None) -> None:
        if self._refreshes and self._refreshing is None and self._routing.wants_refresh(epoch, _now()):
            self._refreshing = asyncio.get_running_loop().create_task(self._refresh())

    async def _refresh(self) -> None:
        """Fetch the ring from the first node that has it."""
        try:
            for endpoint in self._routing.order("", None, _now()):
                try:
                    answer = await self._connections.exchange(endpoint, wire.ring(), REFRESH_TIMEOUT_S)
                    self._routing.install(answers.ring(answer))
                except DynamoError:
                    continue  # routing is a hint: calls go on by the old ring, and another refresh will follow
                return
        finally:
            self._refreshing = None


class _Attempts:
    """The books of one call."""

    def __init__(self, call: Call, routing: Routing, budget: Budget, deadline: float) -> None:
        self._call = call
        self._routing = routing
        self._budget = budget
        self._deadline = deadline
        self._began = _now()
        self._tried: list[str] = []
        self._asked: dict[str, None] = {}
        self._round = 0
        self._unknown = False
        self._count = 0
        self._error: DynamoError | None = None
        """What the call ends with, if it ends now."""

    def next_node(self) -> str:
        """The best node that was not tried in this round."""
        order = self._routing.order(self._call.bucket, self._call.key, _now())
        fresh = [node for node in order if node not in self._tried]
        node = fresh[0] if fresh else order[0]
        self._tried.append(node)
        self._count += 1
        self._asked[node] = None
        return node

    def next_call(self) -> Call:
        """What to send. A repeat of what may have been applied says so, or it might be taken for another write."""
        headers = self._call.headers
        said = headers.get(fields.RETRY_AGE)
        if (not self._unknown and said is None) or fields.IDEMPOTENCY_KEY not in headers:
            return self._call
        age_s = _now() - self._began + (0.0 if said is None else fields.parse_duration_s(said))
        # It may wait for a connection as long as it may take; an age that is too high is safe.
        age = wire.retry_age(age_s + self.time_s())
        return msgspec.structs.replace(self._call, headers=headers | age)

    def time_s(self) -> float:
        """Seconds for the next attempt."""
        return attempt_s(self._deadline - _now())

    def refuse_late(self) -> None:
        """The wait took longer than it should have, and no time is left: raises as `failed`."""
        if _now() >= self._deadline:
            raise self._outcome()

    def succeeded(self, answer: Answer) -> Answer:
        """The call's answer. A refusal after an attempt whose fate is open is none: raises OutcomeUnknown."""
        if answer.status >= 400:
            error = failure(answer)
            self._unknown = self._unknown or (self._call.writes and may_have_applied(error))
            if self._unknown:
                self._error = error
                raise self._outcome()
        if self._count == 1:
            return answer
        return Answer(answer.status, answer.headers, answer.body, self._count, self._unknown)

    def failed(self, error: DynamoError) -> float:
        """Seconds to wait before the next attempt. Raises if there is to be none."""
        verdict = judge(error)
        if self._error is None or _weight(error) >= _weight(self._error):
            self._error = error
        if self._call.writes and may_have_applied(error):
            self._unknown = True
        wait_s = self._wait_s(verdict, error)
        if wait_s is None or _now() + wait_s >= self._deadline:
            raise self._outcome()
        return wait_s

    def _wait_s(self, verdict: Verdict, error: DynamoError) -> float | None:
        """None: no more attempts."""
        if verdict is Verdict.STOP:
            return None
        has_untried = any(
            node not in self._tried for node in self._routing.order(self._call.bucket, self._call.key, _now())
        )
        if verdict is Verdict.ELSEWHERE and has_untried:
            return 0.0
        if not error.retryable or not self._budget.take():
            return None
        if has_untried:
            return backoff_s(0, random.random)
        self._round += 1
        self._tried.clear()
        return backoff_s(self._round, random.random, error.retry_after_s)

    def _outcome(self) -> DynamoError:
        error = self._error
        assert error is not None, "a call that ends without an answer has met something"
        if not self._call.writes:
            error.members["applied"] = Applied.NO.value  # whatever went wrong, a read changes nothing
        if not self._unknown:
            return self._unreachable() if isinstance(error, NodeUnreachable) else error
        return answers.unknown(error, self._call.headers.get(fields.IDEMPOTENCY_KEY, ""), wire.place_of(self._call))

    def _unreachable(self) -> DynamoError:
        asked = ", ".join(self._asked)
        return NodeUnreachable(f"no connection to {asked}", endpoints=list(self._asked))


def _weight(error: DynamoError) -> int:
    """What a node said explains more than a broken connection, and that more than one that could not be made."""
    return 0 if isinstance(error, NodeUnreachable) else 1 if isinstance(error, ConnectionLost) else 2


def _now() -> float:
    return asyncio.get_running_loop().time()
