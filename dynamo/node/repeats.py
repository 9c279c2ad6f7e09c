"""Requests that this node has seen applied, so that a repeat of one is recognised after its value was superseded.

A repeat while the value still stands is found in the record itself, on any replica and after any restart. This memory
covers the rest for a while: bounded, in memory, lost at a restart (docs/guarantees.md states the window).
"""

from __future__ import annotations

from collections import deque

from xxhash import xxh3_64_intdigest

from dynamo.errors import IdempotencyMismatch
from dynamo.versioning.record import Record


class Repeats:
    """Request identity to fingerprint of what it wrote, oldest forgotten first."""

    def __init__(self, remembered_max: int) -> None:
        self._remembered_max = remembered_max
        self._seen: dict[bytes, int | None] = {}
        """None keeps the place of one whose write was not kept."""
        self._order: deque[bytes] = deque()
        """The same requests, oldest first. (A dict's first key is slow to find once many before it were removed.)"""

    def remember(self, record: Record) -> list[bytes]:
        """Take note of the requests in a record that is being written here; the new ones, to `forget` if that fails.

        At once, not when it is on disk: by then the next write may have superseded it.
        """
        new = []
        for sibling in record.siblings:
            request = sibling.request
            if request and self._seen.get(request) is None:
                new.append(request)
                if request not in self._seen:
                    self._order.append(request)
                self._seen[request] = fingerprint(sibling.value, sibling.content_type)
                if len(self._order) > self._remembered_max:
                    del self._seen[self._order.popleft()]
        return new

    def forget(self, requests: list[bytes]) -> None:
        """What these requests wrote was not kept."""
        for request in requests:
            if request in self._seen:
                self._seen[request] = None

    def is_repeat(self, record: Record, request: bytes, value: bytes | None, content_type: str) -> bool:
        """Whether the request was applied before. Raises IdempotencyMismatch if it wrote something else then."""
        return is_shown(record, request, value, content_type) or _is_same(self._seen.get(request), value, content_type)


def is_shown(record: Record, request: bytes, value: bytes | None, content_type: str) -> bool:
    """Whether a value of the record is the request's. Raises IdempotencyMismatch if it wrote something else."""
    for sibling in record.siblings:
        if sibling.request == request:
            return _is_same(fingerprint(sibling.value, sibling.content_type), value, content_type)
    return False


def _is_same(earlier: int | None, value: bytes | None, content_type: str) -> bool:
    if earlier is not None and earlier != fingerprint(value, content_type):
        raise IdempotencyMismatch(
            "this Idempotency-Key was used for another write of this key; use a new one for a new write"
        )
    return earlier is not None


def fingerprint(value: bytes | None, content_type: str) -> int:
    """64-bit hash of what a write says."""
    if value is None:
        return 0
    return xxh3_64_intdigest(value, seed=xxh3_64_intdigest(content_type.encode()))
