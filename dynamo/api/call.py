"""One request on its way through the API, and how handlers wait for the node."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Generic, TypeVar

from dynamo.api.answer import Answer
from dynamo.api.request import Request
from dynamo.errors import DynamoError

T = TypeVar("T")


class Call:
    """What a handler gets: the request, the parts of its path (still encoded), its query and its name."""

    __slots__ = (
        "bucket_segment",
        "is_bare",
        "key_segment",
        "level",
        "path",
        "query",
        "request",
        "started",
        "trace",
        "waits_known",
    )

    def __init__(
        self,
        request: Request,
        trace: str,
        path: str,
        query: str,
        arrived: float = 0.0,
        bucket_segment: str = "",
        key_segment: str = "",
        is_bare: bool = False,  # noqa: FBT001, FBT002  # positional, as all that is passed for each request
    ) -> None:
        self.request = request
        self.trace = trace
        self.path = path
        self.query = query
        self.bucket_segment = bucket_segment
        self.key_segment = key_segment
        self.is_bare = is_bare
        """Whether a read is known to have neither context nor conditions."""
        self.level = "none"
        """The consistency that the metrics count this request under, as soon as it is known."""
        self.waits_known = arrived > 0
        """Whether `started` is when the request came, and not only when we first looked at it."""
        self.started = arrived or time.monotonic()
        """When the request was complete: its headers, then its body. Its timeout and its duration count from here."""

    def elapsed_s(self) -> float:
        return time.monotonic() - self.started


Handler = Callable[[Call], Awaitable[Answer]]


class _Driving:
    """Who drives the coroutine that is running: a task, or somebody by hand."""

    __slots__ = ("by_hand",)

    def __init__(self) -> None:
        self.by_hand = False


driving = _Driving()


class Pending(Generic[T]):
    """Joins a callback of the node to a coroutine. Most local reads are answered before anybody waits: no future then.

    In a task the coroutine waits for a future. Driven by hand (`api/hot_path.py`) it hands the pending to whoever
    drives it, and is gone on with right from the callback. The node does not notice when the waiting coroutine is gone:
    a write goes on to its end, whatever its client does.
    """

    __slots__ = ("_outcome", "on_settled")

    def __init__(self) -> None:
        self._outcome: T | DynamoError | None = None
        self.on_settled: Callable[[], object] | None = None
        """Called once, when the outcome is there."""

    def done(self, outcome: T | DynamoError) -> None:
        """To be called by the node, once."""
        assert self._outcome is None, "a request has one outcome"
        self._outcome = outcome
        if self.on_settled is not None:
            self.on_settled()

    @property
    def settled(self) -> bool:
        """Whether the outcome is there. Who asks spares waiting for it, which costs a little even then."""
        return self._outcome is not None

    def outcome(self) -> T:
        """The outcome, once it is there. Raises it if it is an error."""
        outcome = self._outcome
        assert outcome is not None, "asked for when settled"
        if isinstance(outcome, DynamoError):
            raise outcome
        return outcome

    def __await__(self) -> Generator[Any, None, T]:
        """The outcome as soon as it is there. Raises it if it is an error."""
        if self._outcome is None:
            if driving.by_hand:
                yield self
            else:
                yield from self._future()
        return self.outcome()

    def _future(self) -> asyncio.Future[None]:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def settled() -> None:
            if not waiter.done():
                waiter.set_result(None)

        self.on_settled = settled
        return waiter
