"""Read, change, write in a linearizable bucket: a compare-and-set on the version that was read, tried again.

Somebody who comes in between makes the attempt fail, and the refusal shows what is there now, so the next attempt needs
no read. Each failure means that somebody else got on; still, many writers of one key make each other fail, so attempts
wait a random while that grows, and end with the deadline or when there were too many.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from dynamo.client.results import Changed, Conflict, Missing, Value, Written
from dynamo.client.retry import backoff_s
from dynamo.client.wire import CasOptions, ReadOptions, WriteOptions
from dynamo.errors import PreconditionFailed

ATTEMPTS_MAX = 64


class Attempts:
    """The books of one update."""

    def __init__(self, deadline: float, content_type: str | None, draw: Callable[[], float] = random.random) -> None:
        self._deadline = deadline
        self._content_type = content_type
        self._draw = draw
        self._made = 0

    def options(self, found: Value | Missing, new: bytes | None, timeout_s: float) -> CasOptions:
        """The compare-and-set that replaces what was found, and nothing else. None deletes."""
        assert found.version is not None, "only keys of linearizable buckets have versions"
        options: CasOptions = {"if_version": found.version, "timeout_s": timeout_s}
        if new is None:
            options["delete"] = True
            return options
        options["set"] = new
        kind = found.content_type if self._content_type is None and isinstance(found, Value) else self._content_type
        if kind:
            options["content_type"] = kind
        return options

    def pause_s(self, conflict: Conflict, now: float) -> float:
        """Seconds to wait before the next attempt. Raises PreconditionFailed if there is to be none."""
        self._made += 1
        pause_s = backoff_s(self._made, self._draw)
        if self._made >= ATTEMPTS_MAX or now + pause_s >= self._deadline:
            raise PreconditionFailed(
                f"others changed the key before each of {self._made} attempts; nothing was changed",
                version=conflict.version,
                attempts=self._made,
            )
        return pause_s


def reading(consistency: str | None, timeout_s: float) -> ReadOptions:
    """How an update reads."""
    options: ReadOptions = {"timeout_s": timeout_s, "siblings": "all"}
    if consistency is not None:
        options["consistency"] = consistency
    return options


def writing(consistency: str | None, timeout_s: float) -> WriteOptions:
    """How an update writes where keys have no versions."""
    return {"timeout_s": timeout_s} if consistency is None else {"timeout_s": timeout_s, "consistency": consistency}


def written(changed: Changed) -> Written:
    """An update's result."""
    return Written(
        bucket=changed.bucket,
        key=changed.key,
        context=changed.context,
        etag=changed.etag,
        siblings=1 if changed.exists else 0,
        coordinator=changed.coordinator,
        attempts=changed.attempts,
        version=changed.version,
        repeated=changed.repeated,
    )
